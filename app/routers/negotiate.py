"""`/negotiate`: a client access URL for a browser (spec/upstream.md 9.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import structlog

from app.clients.access import AccessIssuer
from app.direct import Receive, Scope, Send, send_reply
from app.models.negotiate import ClientProtocol
from app.upstream.errors import MalformedEvent, NotAuthentic, NotFound, Refused, ServiceError
from app.upstream.registry import HubRegistry
from app.upstream.reply import APPLICATION_JSON, Reply, text

log = structlog.get_logger(__name__)

NO_STORE = ((b"cache-control", b"no-store"),)
NOT_ALLOWED = text(405, "use GET or POST", ((b"allow", b"GET, POST"), *NO_STORE))
NOT_FOUND = text(404, "there is no such path", NO_STORE)
MAX_USER_ID = 1024
PRINCIPAL_HEADERS = (b"x-ms-client-principal-id", b"x-ms-client-principal-name")


@dataclass(frozen=True)
class NegotiatePolicy:
    """What a caller may have. Roles and groups are never taken from the query."""

    minutes: int = 60
    max_minutes: int = 1440
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    trust_app_service_headers: bool = False


class NegotiateEndpoint:
    """An ASGI endpoint; `issuer` is `None` while no service is configured."""

    def __init__(self, hubs: HubRegistry, issuer: AccessIssuer | None, policy: NegotiatePolicy) -> None:
        self._hubs = hubs
        self._issuer = issuer
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - no body is read
        await send_reply(send, await self._reply(scope))

    async def _reply(self, scope: Scope) -> Reply:
        if scope["path"] not in ("/negotiate", "/negotiate/"):
            return NOT_FOUND
        if scope["method"] not in ("GET", "POST"):
            return NOT_ALLOWED
        if self._issuer is None:
            return text(503, "no Web PubSub service is configured", NO_STORE)
        # Of repeated parameters the first counts, as the service's own samples have it.
        query = dict(reversed(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)))
        try:
            access = await self._issuer.issue(
                self._hub(query),
                user_id=self._user_id(query, scope["headers"]),
                roles=self._policy.roles,
                groups=self._policy.groups,
                minutes=self._minutes(query),
                protocol=_protocol(query),
            )
        except Refused as refusal:
            return text(refusal.status, refusal.public, NO_STORE)
        except ServiceError as error:
            log.error("negotiate failed", reason=str(error))  # noqa: TRY400 - the status says it all
            return text(502, "the service did not issue a token", NO_STORE)
        return Reply(200, access.model_dump_json(by_alias=True).encode(), APPLICATION_JSON + NO_STORE)

    def _hub(self, query: Mapping[str, str]) -> str:
        name = query.get("hub")
        hub = self._hubs.get(name) if name else next(iter(self._hubs))
        if hub is None:
            raise NotFound("this hub is not served here")
        return hub.name

    def _user_id(self, query: Mapping[str, str], headers: list[tuple[bytes, bytes]]) -> str:
        if self._policy.trust_app_service_headers:
            user_id = _principal(headers)
            if not user_id:
                raise NotAuthentic("no App Service principal")
        else:
            user_id = query.get("id", "")
        if not user_id.strip():
            raise MalformedEvent("missing user id")
        if len(user_id) > MAX_USER_ID:
            raise MalformedEvent(f"a user id has at most {MAX_USER_ID} characters")
        return user_id

    def _minutes(self, query: Mapping[str, str]) -> int:
        text_value = query.get("minutes")
        if text_value is None:
            return self._policy.minutes
        if text_value.isascii() and text_value.isdigit() and len(text_value) <= 6:
            minutes = int(text_value)
            if 1 <= minutes <= self._policy.max_minutes:
                return minutes
        raise MalformedEvent(f"minutes must be 1 to {self._policy.max_minutes}")


def _protocol(query: Mapping[str, str]) -> ClientProtocol:
    try:
        return ClientProtocol(query.get("client", "default").lower())
    except ValueError:
        raise MalformedEvent(f"client must be one of {', '.join(ClientProtocol)}") from None


def _principal(headers: list[tuple[bytes, bytes]]) -> str:
    found = dict(reversed(headers))
    for name in PRINCIPAL_HEADERS:
        if value := found.get(name):
            return value.decode("utf-8", "replace")
    return ""
