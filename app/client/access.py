"""Where the client access URL comes from. It is asked for anew for every new connection: tokens expire."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from pydantic import ValidationError
from yarl import URL

from app.client.endings import Ending, Refused, Unreachable
from app.clients.access import AccessIssuer, EntraAccessIssuer, KeyAccessIssuer
from app.clients.credential import service_client
from app.clients.refusal import words_of
from app.models.wire import WireModel
from app.settings import Settings
from app.upstream.errors import ServiceError

Access = Callable[[aiohttp.ClientSession], Awaitable[str]]
"""Returns a URL that opens one connection. Raises `NoAccess`, and what aiohttp raises."""

ANSWER_LIMIT = 64 * 1024
LONGEST_QUOTE = 200


class NoAccess(Exception):
    """Nobody gave a URL."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.sentence)
        self.ending = ending


class _Negotiated(WireModel):
    """What every upstream's answer has, whatever else is in it."""

    url: str


@dataclass(frozen=True)
class Person:
    """Who the client is, and what it may do."""

    hub: str
    user_id: str | None = None
    roles: Sequence[str] = ()
    groups: Sequence[str] = ()


def given(url: str) -> Access:
    async def access(_: aiohttp.ClientSession) -> str:
        return url

    return access


def negotiated(upstream: str, hub: str | None, user_id: str | None, *, bearer_file: Path | None = None) -> Access:
    """Asks an upstream's `/negotiate`; a URL without a path gets that one.

    The file's bearer token is read each time: it may have been renewed.
    """
    address = URL(upstream)
    if address.path in ("", "/"):
        address = address.with_path("/negotiate")
    query = {"hub": hub, "id": user_id}
    address = address.update_query({name: value for name, value in query.items() if value is not None})

    async def access(http: aiohttp.ClientSession) -> str:
        headers = _bearer(bearer_file) if bearer_file is not None else None
        async with http.get(address, headers=headers) as answer:
            body = await _start_of(answer.content)
            if answer.status != 200:
                said = body.decode("utf-8", "replace")[:LONGEST_QUOTE] if answer.content_type == "text/plain" else ""
                raise NoAccess(Refused(answer.status, f"by the upstream: {said}" if said else ""))
        try:
            return _Negotiated.model_validate_json(body).url
        except ValidationError:
            raise NoAccess(Unreachable("the upstream gave an answer that holds no client access URL")) from None

    return access


def _bearer(file: Path) -> dict[str, str]:
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        token = ""
    if not token.isprintable() or not token:
        raise NoAccess(Unreachable("the bearer file cannot be read, or holds no token"))
    return {"Authorization": f"Bearer {token}"}


async def _start_of(content: aiohttp.StreamReader) -> bytes:
    try:
        return await content.readexactly(ANSWER_LIMIT)
    except asyncio.IncompleteReadError as end:
        return end.partial


def publishing(access: Access, group: str) -> Access:
    """For a raw client whose every frame is a message to the group (spec/service.md 1.3)."""

    async def with_mode(http: aiohttp.ClientSession) -> str:
        return str(URL(await access(http)).update_query(webpubsub_mode="sendToGroup", group=group))

    return with_mode


def issued(settings: Settings, person: Person) -> Access:
    """Signed with the configured key, or asked of the service with an Entra credential."""
    if settings.connection is not None:
        key = settings.connection.access_key.get_secret_value().encode()
        return _from_issuer(KeyAccessIssuer(settings.connection.endpoint, key), person)

    async def access(http: aiohttp.ClientSession) -> str:
        async with service_client(settings, person.hub, http) as client:
            return await _from_issuer(EntraAccessIssuer({person.hub.lower(): client}), person)(http)

    return access


def _from_issuer(issuer: AccessIssuer, person: Person) -> Access:
    async def access(_: aiohttp.ClientSession) -> str:
        try:
            issue = issuer.issue(person.hub, user_id=person.user_id, roles=person.roles, groups=person.groups)
            return (await issue).url
        except ServiceError as error:
            code, message = words_of(error)
            if error.status is not None:
                raise NoAccess(Refused(error.status, message or code)) from error
            raise NoAccess(Unreachable(f"the service issued no token: {message}")) from error

    return access
