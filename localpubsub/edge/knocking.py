"""What a handshake says: query, mode of a raw client, offered subprotocols (spec/service.md 1.3-1.5)."""

from collections.abc import Mapping
from uuid import uuid4

from aiohttp import web

from localpubsub.edge.certificates import client_certificates
from localpubsub.edge.tokens import ClientClaims
from localpubsub.engine.knock import Knock
from localpubsub.protocol import names
from localpubsub.protocol.subprotocols import RawCodec

HIDDEN_HEADERS = ("authorization", "x-asrs-internal-")

Query = Mapping[str, list[str]]


def read_query(request: web.Request) -> Query:
    query: dict[str, list[str]] = {}
    for name, value in request.query.items():
        query.setdefault(name.lower(), []).append(value)
    return query


def last(query: Query, name: str) -> str:
    return query.get(name, [""])[-1]


def raw_mode(query: Query) -> RawCodec:
    """What a raw client's frames mean. Raises `ValueError`."""
    mode = last(query, "webpubsub_mode").lower()
    if mode in ("", "sendevent"):
        return RawCodec()
    if mode != "sendtogroup":
        raise ValueError("webpubsub_mode is sendEvent or sendToGroup")
    group, no_echo = last(query, "group"), last(query, "noecho").lower()
    if not names.is_group(group):
        raise ValueError("webpubsub_mode=sendToGroup needs a legal group")
    if no_echo not in ("", "true", "false"):
        raise ValueError("noEcho is true or false")
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
