"""What a handshake says: who knocks, mode of a raw client, offered subprotocols (spec/service.md 1.3-1.5)."""

import logging
from collections.abc import Mapping
from uuid import uuid4

from aiohttp import web

from localpubsub.config import ServiceConfig
from localpubsub.edge.certificates import client_certificates
from localpubsub.edge.tokens import ClientClaims, InvalidToken, Tokens
from localpubsub.engine.knock import Knock
from localpubsub.protocol import names
from localpubsub.protocol.subprotocols import RawCodec

log = logging.getLogger(__name__)

ANONYMOUS = ClientClaims(None, (), (), {})
HIDDEN_HEADERS = ("authorization", "x-asrs-internal-")

Query = Mapping[str, list[str]]


class Refused(Exception):
    """This client does not come in. `reason` is for it to read."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    def response(self) -> web.Response:
        return web.Response(status=self.status, text=self.reason)


class Doorkeeper:
    """Reads who knocks at one kind of client endpoint; `path` is what comes before the hub in a token's audience."""

    def __init__(self, path: str, tokens: Tokens, config: ServiceConfig) -> None:
        self._path = path
        self._tokens = tokens
        self._config = config

    def read(self, request: web.Request, hub: str, query: Query) -> ClientClaims:
        """Raises `Refused`."""
        try:
            claims = self._claims(request, hub, query)
        except InvalidToken as error:
            log.info("a client of hub %r was refused: %s", hub, error)
            raise Refused(401) from None
        if not all(names.is_group(group) for group in claims.groups):
            raise Refused(400, "the token holds a group name that is not legal")
        return claims

    def _claims(self, request: web.Request, hub: str, query: Query) -> ClientClaims:
        token = last(query, "access_token")
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if not token and scheme.lower() == "bearer":
            token = bearer.strip()
        if token:
            return self._tokens.client(token, path=self._path, hub=hub, host=request.host)
        if self._config.hub(hub).anonymous_connect:
            return ANONYMOUS
        raise InvalidToken("there is no token, and the hub does not allow anonymous clients")


def legal_hub(hub: str) -> str:
    """Raises `Refused`."""
    if not names.is_hub(hub):
        raise Refused(400, "the hub name is missing or not legal")
    return hub


def read_query(request: web.Request) -> Query:
    query: dict[str, list[str]] = {}
    for name, value in request.query.items():
        query.setdefault(name.lower(), []).append(value)
    return query


def last(query: Query, name: str) -> str:
    return query.get(name, [""])[-1]


def raw_mode(query: Query) -> RawCodec:
    """What a raw client's frames mean. Raises `Refused`."""
    mode = last(query, "webpubsub_mode").lower()
    if mode in ("", "sendevent"):
        return RawCodec()
    if mode != "sendtogroup":
        raise Refused(400, "webpubsub_mode is sendEvent or sendToGroup")
    group, no_echo = last(query, "group"), last(query, "noecho").lower()
    if not names.is_group(group):
        raise Refused(400, "webpubsub_mode=sendToGroup needs a legal group")
    if no_echo not in ("", "true", "false"):
        raise Refused(400, "noEcho is true or false")
    return RawCodec(group, no_echo == "true")


def read_knock(request: web.Request, claims: ClientClaims, raw: RawCodec) -> Knock:
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        if not name.lower().startswith(HIDDEN_HEADERS):
            headers.setdefault(name, []).append(value)
    visible: dict[str, list[str]] = {}
    for name, value in request.query.items():
        if name.lower() != "access_token":
            visible.setdefault(name, []).append(value)
    return Knock(
        connection_id=uuid4().hex,
        user_id=claims.user_id,
        roles=claims.roles,
        groups=claims.groups,
        claims=claims.all,
        query=visible,
        headers=headers,
        subprotocols=offered(request),
        raw=raw,
        certificates=client_certificates(request),
    )


def offered(request: web.Request) -> tuple[str, ...]:
    """The subprotocols the client would speak, in its order."""
    parts = ",".join(request.headers.getall("Sec-WebSocket-Protocol", [])).split(",")
    return tuple(name for part in parts if (name := part.strip()))
