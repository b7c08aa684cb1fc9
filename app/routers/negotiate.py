"""`/negotiate`: a client access URL for a browser (spec/upstream.md 9.5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from urllib.parse import parse_qsl

import structlog

from app.clients.access import AccessIssuer
from app.clients.identity import Asked, Identity, QueryIdentity, Visitor, minutes_left
from app.models.negotiate import MOST_MINUTES, ClientAccess, ClientProtocol
from app.serving.direct import Receive, Scope, Send, send_reply
from app.upstream.dispatch import has_blank_end
from app.upstream.errors import MalformedEvent, NotAuthentic, NotFound, Overloaded, Refused, ServiceError, WrongCaller
from app.upstream.gate import MOST_PARAMETERS, subscriber
from app.upstream.guard import Limiter
from app.upstream.policy import Limit, Policy
from app.upstream.registry import HubRegistry
from app.upstream.reply import APPLICATION_JSON, Headers, Reply, text
from app.upstream.storage import StorageError

log = structlog.get_logger(__name__)

NO_STORE = ((b"cache-control", b"no-store"),)
NOT_ALLOWED = text(405, "use GET or POST", ((b"allow", b"GET, OPTIONS, POST"), *NO_STORE))
NOT_FOUND = text(404, "there is no such path", NO_STORE)
MAX_USER_ID = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""And halves of characters, which JSON can hold and nothing else."""
PREFLIGHT_SECONDS = b"600"


@dataclass(frozen=True)
class NegotiateRules:
    """What a caller may have. Roles and groups are never taken from the query.

    `policy` adds what it grants to `roles` and `groups`, and turns away whom none of its rules fits. `origins` are
    those of other sites whose pages may ask. `limit` is per address.
    """

    minutes: int = 60
    max_minutes: int = MOST_MINUTES
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    policy: Policy | None = None
    origins: frozenset[str] = frozenset()
    limit: Limit | None = None


class NegotiateEndpoint:
    """An ASGI endpoint; `issuer` is `None` while no service is configured."""

    def __init__(
        self,
        hubs: HubRegistry,
        issuer: AccessIssuer | None,
        rules: NegotiateRules,
        identity: Identity | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self._hubs = hubs
        self._issuer = issuer
        self._rules = rules
        self._identity = identity or QueryIdentity()
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - no body is read
        reply = await self._reply(scope)
        if self._rules.origins:
            reply = reply._replace(headers=reply.headers + self._cors(scope))
        await send_reply(send, reply)

    async def _reply(self, scope: Scope) -> Reply:
        if scope["path"] not in ("/negotiate", "/negotiate/"):
            return NOT_FOUND
        if scope["method"] == "OPTIONS" and self._rules.origins:
            return Reply(204, b"", NO_STORE)
        if scope["method"] not in ("GET", "POST"):
            return NOT_ALLOWED
        if self._issuer is None:
            return text(503, "no Web PubSub service is configured", NO_STORE)
        try:
            if self._rules.limit is not None and self._limiter is not None:
                await self._count(scope, self._rules.limit, self._limiter)
            access = await self._access(self._issuer, Asked(scope, _query(scope)))
        except Refused as refusal:
            return _refused(refusal)
        except StorageError as error:
            return _refused(Overloaded(str(error)))
        except ServiceError as error:
            log.error("negotiate failed", reason=str(error))  # noqa: TRY400 - the status says it all
            return text(502, "the service did not issue a token", NO_STORE)
        return Reply(200, access.to_json(), APPLICATION_JSON + NO_STORE)

    async def _access(self, issuer: AccessIssuer, asked: Asked) -> ClientAccess:
        hub = self._hub(asked.query)
        visitor = await self._identity.of(asked)
        user_id = visitor.person.user_id
        if user_id is not None and len(user_id) > MAX_USER_ID:
            raise MalformedEvent(f"a user id has at most {MAX_USER_ID} characters")
        if user_id is not None and _CONTROL.search(user_id):
            raise MalformedEvent("a user id holds no control characters")  # it becomes a header of every event
        if user_id is not None and has_blank_end(user_id):
            raise MalformedEvent("a user id neither begins nor ends with a blank")
        roles, groups = self._rights(hub, visitor)
        return await issuer.issue(
            hub,
            user_id=user_id,
            roles=roles,
            groups=groups,
            minutes=minutes_left(visitor, self._minutes(asked.query)),
            protocol=_protocol(asked.query),
        )

    def _rights(self, hub: str, visitor: Visitor) -> tuple[tuple[str, ...], tuple[str, ...]]:
        rules = self._rules
        if rules.policy is None:
            return rules.roles, rules.groups
        rights = rules.policy.rights(hub, visitor.person)
        if not rights.may_connect:
            raise WrongCaller("no rule of the policy fits this person")
        return (*rules.roles, *rights.roles), (*rules.groups, *rights.groups)

    async def _count(self, scope: Scope, limit: Limit, limiter: Limiter) -> None:
        client = scope.get("client")
        seconds = await limiter.admit(limit, "negotiate", subscriber(client[0]) if client else "")
        if seconds is not None:
            raise TooMany("too many requests from this address", retry_after_seconds=ceil(seconds))

    def _cors(self, scope: Scope) -> Headers:
        """Only listed origins read the answer; cookies of the host application may come along."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        vary = (b"vary", b"Origin")
        if origin.decode("latin-1").lower() not in self._rules.origins:
            return (vary,)
        allowed = ((b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true"), vary)
        if scope["method"] != "OPTIONS":
            return allowed
        return (
            *allowed,
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"Authorization, Content-Type"),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        )

    def _hub(self, query: Mapping[str, str]) -> str:
        name = query.get("hub")
        hub = self._hubs.get(name) if name else next(iter(self._hubs))
        if hub is None:
            raise NotFound("this hub is not served here")
        return hub.name

    def _minutes(self, query: Mapping[str, str]) -> int:
        text_value = query.get("minutes")
        if text_value is None:
            return self._rules.minutes
        if text_value.isascii() and text_value.isdigit() and len(text_value) <= 6:
            minutes = int(text_value)
            if 1 <= minutes <= self._rules.max_minutes:
                return minutes
        raise MalformedEvent(f"minutes must be 1 to {self._rules.max_minutes}")


class TooMany(Overloaded):
    status = 429


def _refused(refusal: Refused) -> Reply:
    headers: Headers = NO_STORE
    if isinstance(refusal, NotAuthentic) and refusal.challenge:
        headers += ((b"www-authenticate", refusal.challenge.encode()),)
    if isinstance(refusal, Overloaded):
        headers += ((b"retry-after", str(refusal.retry_after_seconds).encode()),)
    if not isinstance(refusal, MalformedEvent | NotFound):
        log.warning("negotiate refused", status=refusal.status, reason=refusal.reason)
    return text(refusal.status, refusal.public, headers)


def _query(scope: Scope) -> dict[str, str]:
    """Of repeated parameters the first counts, as the service's own samples have it."""
    text_query = scope["query_string"].decode("latin-1")
    try:
        return dict(reversed(parse_qsl(text_query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)))
    except ValueError:
        raise MalformedEvent(f"a query has at most {MOST_PARAMETERS} parameters") from None


def _protocol(query: Mapping[str, str]) -> ClientProtocol:
    try:
        return ClientProtocol(query.get("client", "default").lower())
    except ValueError:
        raise MalformedEvent(f"client must be one of {', '.join(ClientProtocol)}") from None
