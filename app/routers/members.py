"""Who is in a group, once and as it changes: for pages beside the connection, and for dashboards."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from time import time
from typing import Annotated, Any, NamedTuple

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from app.clients.client_tokens import ClientTokens
from app.dependencies import ServicesDep
from app.upstream.errors import NotAuthentic, Refused
from app.upstream.roster import Change, Roster
from app.upstream.storage import FellBehind, StorageError

log = structlog.get_logger(__name__)

STREAM_SECONDS = 3600.0
"""Then a reader has to come again, and show a token that is still good."""

router = APIRouter(tags=["members"])
bearer = HTTPBearer(auto_error=False, description="A client access token of this hub, as /negotiate gives it")


class GroupMember(BaseModel):
    user: str
    since: float = Field(description="When the oldest of the user's connections came, Unix seconds")


class GroupMembers(BaseModel):
    """Sorted by user."""

    members: list[GroupMember]


class Reading(NamedTuple):
    """What a caller may read, and until when (Unix seconds)."""

    roster: Roster
    until: float


async def reading(
    hub: str, services: ServicesDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Reading:
    """In development everybody may; elsewhere who has a client access token of the hub."""
    until = time() + STREAM_SECONDS
    if not services.settings.development:
        until = min(until, _expiry(ClientTokens(services.settings.endpoints), credentials, hub))
    roster = services.rosters.get(hub.lower())
    if roster is None:
        raise HTTPException(404, "no such hub here, or it keeps no roster")
    return Reading(roster, until)


ReadingDep = Annotated[Reading, Depends(reading)]
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No valid token"},
    403: {"description": "A token of another hub"},
    404: {"description": "There is no such hub here, or it keeps no roster"},
    503: {"description": "The store does not answer"},
}


@router.get("/hubs/{hub}/groups/{group:path}/members", summary="Who is in a group", responses=REFUSALS)
async def members(group: str, read: ReadingDep) -> GroupMembers:
    try:
        return await _members(read.roster, group)
    except StorageError as error:
        raise HTTPException(503, "busy, try again", {"retry-after": "1"}) from error


@router.get(
    "/hubs/{hub}/groups/{group:path}/members/changes",
    summary="Who comes and goes",
    response_class=EventSourceResponse,
    responses=REFUSALS,
)
async def changes(group: str, read: ReadingDep, request: Request) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `snapshot` with all members, then `joined` and `left` with `user` and `at`.

    A further `snapshot` replaces what was known. The stream ends with the token, or after an hour.
    """
    stopping = asyncio.create_task(request.app.stopping.wait())
    try:
        async for event in _events(read, group, stopping):
            yield event
    except StorageError as error:
        log.warning("member stream ended", reason=str(error))
    finally:
        stopping.cancel()


async def _events(read: Reading, group: str, stopping: asyncio.Task[bool]) -> AsyncIterator[ServerSentEvent]:
    while True:
        async with read.roster.changes(group) as changes:
            yield ServerSentEvent(event="snapshot", data=await _members(read.roster, group))
            try:
                while (change := await _next(changes, stopping, read.until - time())) is not None:
                    yield ServerSentEvent(
                        event="joined" if change.is_in else "left", data={"user": change.user_id, "at": change.at}
                    )
            except FellBehind:
                continue
            return


async def _next(changes: AsyncIterator[Change], stopping: asyncio.Task[bool], seconds: float) -> Change | None:
    """`None` when the server stops or the time is up."""
    try:
        async with asyncio.timeout(max(0.0, seconds)) as limit:
            end = partial(_end, limit)
            stopping.add_done_callback(end)
            try:
                return await anext(changes, None)
            finally:
                stopping.remove_done_callback(end)
    except TimeoutError:
        return None


def _end(limit: asyncio.Timeout, _: object) -> None:
    if not limit.expired():
        limit.reschedule(0)


async def _members(roster: Roster, group: str) -> GroupMembers:
    return GroupMembers(members=[GroupMember(user=one.user_id, since=one.since) for one in await roster.members(group)])


def _expiry(tokens: ClientTokens, credentials: HTTPAuthorizationCredentials | None, hub: str) -> float:
    if credentials is None:
        raise HTTPException(401, "send a client access token as a bearer", {"www-authenticate": "Bearer"})
    try:
        return tokens.check(credentials.credentials, hub)
    except Refused as refusal:
        challenge = refusal.challenge if isinstance(refusal, NotAuthentic) else None
        headers = {"www-authenticate": challenge} if challenge else None
        raise HTTPException(refusal.status, refusal.public, headers) from None
