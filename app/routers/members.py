"""Who is in a group, once and as it changes: for pages beside the connection, and for dashboards."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from time import time
from typing import Annotated, Any, NamedTuple, cast

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import StreamingResponse

from app.clients.client_tokens import ClientTokens
from app.dependencies import ServicesDep
from app.serving.direct import Receive, Scope, Send
from app.upstream.errors import NotAuthentic, Refused
from app.upstream.roster import Change, Roster
from app.upstream.storage import FellBehind, StorageError

log = structlog.get_logger(__name__)

STREAM_SECONDS = 3600.0
"""Then a reader has to come again, and show a token that is still good."""
KEEP_ALIVE_SECONDS = 15.0
"""Proxies cut connections on which nothing comes."""
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

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
    hub: str,
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    response: Response,
) -> Reading:
    """In development everybody may; elsewhere who has a client access token of the hub."""
    response.headers["cache-control"] = "no-store"
    until = time() + STREAM_SECONDS
    if not services.settings.development:
        until = min(until, _expiry(ClientTokens(services.keys.endpoints), credentials, hub))
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


class EventStream(StreamingResponse):
    """Server-sent events. Closes the iterator when the reader is gone, wherever it stands then."""

    media_type = "text/event-stream"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(cast("AsyncGenerator[bytes, None]", self.body_iterator)):
            await super().__call__(scope, receive, send)


@router.get(
    "/hubs/{hub}/groups/{group:path}/members/changes",
    summary="Who comes and goes",
    response_class=EventStream,
    responses=REFUSALS,
)
async def changes(group: str, read: ReadingDep, request: Request) -> EventStream:
    """Server-sent events: `snapshot` with all members, then `joined` and `left` with `user` and `at`.

    A further `snapshot` replaces what was known. The stream ends with the token, or after an hour.
    """
    return EventStream(_events(read, group, request.app.stopping), headers=STREAM_HEADERS)


async def _events(read: Reading, group: str, stopping: asyncio.Event) -> AsyncGenerator[bytes, None]:
    ending = asyncio.create_task(stopping.wait())
    try:
        while True:
            async with read.roster.changes(group) as changes:
                yield _event("snapshot", await _members(read.roster, group))
                try:
                    while (left := read.until - time()) > 0 and not stopping.is_set():
                        yield await _next(changes, ending, min(left, KEEP_ALIVE_SECONDS))
                except FellBehind:
                    continue
                return
    except StorageError as error:
        log.warning("member stream ended", reason=str(error))
    finally:
        ending.cancel()


async def _next(changes: AsyncIterator[Change], ending: asyncio.Task[bool], seconds: float) -> bytes:
    """A comment when nothing changes for so long, or the server stops."""
    try:
        async with asyncio.timeout(seconds) as limit:
            end = partial(_end, limit)
            ending.add_done_callback(end)
            try:
                change = await anext(changes)
            finally:
                ending.remove_done_callback(end)
    except TimeoutError:
        return b": nothing new\n\n"
    return _event("joined" if change.is_in else "left", {"user": change.user_id, "at": change.at})


def _end(limit: asyncio.Timeout, _: object) -> None:
    if not limit.expired():
        limit.reschedule(0)


def _event(name: str, value: object) -> bytes:
    """JSON has no line break of its own, so one line holds it."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), to_json(value))


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
