"""A hub behind a policy: who comes in, what they may raise, and how often."""

from math import ceil
from typing import Protocol

from pydantic import JsonValue

from app.models.actions import CloseClientConnection
from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    DisconnectedEvent,
    GroupJoinedEvent,
    GroupLeftEvent,
    UserEvent,
)
from app.models.responses import ConnectResponse, UserEventResponse
from app.upstream.errors import Declined, Rejected
from app.upstream.hub import Actions, Answer, Hub
from app.upstream.policy import Limit, Person, Policy, Rights, Rule, marks_of

STATE = "policy"
"""The member of the connection state that holds the names of the rules that fit at `connect`."""

TOKEN_ROLES, TOKEN_GROUPS = "role", "webpubsub.group"


class Limiter(Protocol):
    async def admit(self, limit: Limit, *key: str) -> float | None:
        """Counts one for `key`. `None` where that was within the limit, else the seconds until it will be again."""


class GuardedHub(Hub):
    """Asks `hub` only what the policy allows. Refused events are answered; they do not drop the connection.

    An event that comes too often is answered `{"type": "error", "code": "too-many", ...}`, or, where its rule says so,
    ends the connection.
    """

    def __init__(self, hub: Hub, policy: Policy, limiter: Limiter) -> None:
        self.name = hub.name  # type: ignore[misc]  # the name of this one is that of the other
        self.hub = hub
        self._policy = policy
        self._limiter = limiter

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse | None:
        answer = await self.hub.on_connect(event)
        user_id = event.user_id if answer is None or answer.user_id is None else answer.user_id
        token_roles = tuple(event.claims.get(TOKEN_ROLES, ()))
        person = Person(user_id or None, event.claims)
        rights = self._policy.rights(self.name, person, marks_of(token_roles))
        if not rights.may_connect:
            raise Rejected("sign in first" if user_id is None else "not allowed here", status=403 if user_id else 401)
        event.state[STATE] = [rule.name for rule in rights.rules]
        answer = answer or ConnectResponse()
        roles = token_roles if answer.roles is None else answer.roles
        groups = answer.groups or tuple(event.claims.get(TOKEN_GROUPS, ()))
        return answer.model_copy(
            update={
                "roles": tuple(dict.fromkeys((*roles, *rights.roles))),
                "groups": tuple(dict.fromkeys((*groups, *rights.groups))),
            }
        )

    async def on_user_event(self, event: UserEvent) -> Answer:
        marks = _marks_in(event.state.get(STATE))
        rights = self._policy.rights(self.name, Person(event.user_id), marks)
        if not rights.may_raise(event.name):
            raise Declined("not-allowed", "you may not do this here")
        excess = await self._excess(event, rights)
        if excess is None:
            try:
                return await self.hub.on_user_event(event)
            finally:
                _keep(event, marks)
        rule, seconds = excess
        declined = Declined("too-many", "too many at once; wait a little", retryAfter=ceil(seconds))
        if rule.excess == "answer":
            raise declined
        return UserEventResponse(
            data=declined.answer(event.name),
            actions=(CloseClientConnection(connection_id=event.connection_id, reason="too many events"),),
        )

    async def _excess(self, event: UserEvent, rights: Rights) -> tuple[Rule, float] | None:
        """The rule whose limit the event exceeds, and when it will not any more."""
        for rule, rate in rights.rates(event.name):
            who = event.user_id if rate.per == "user" and event.user_id is not None else event.connection_id
            seconds = await self._limiter.admit(rate.limit, self.name.lower(), rule.name, rate.event.lower(), who)
            if seconds is not None:
                return rule, seconds
        return None

    async def on_connected(self, event: ConnectedEvent) -> Actions:
        return await self.hub.on_connected(event)

    async def on_disconnected(self, event: DisconnectedEvent) -> Actions:
        return await self.hub.on_disconnected(event)

    async def on_group_joined(self, event: GroupJoinedEvent) -> Actions:
        return await self.hub.on_group_joined(event)

    async def on_group_left(self, event: GroupLeftEvent) -> Actions:
        return await self.hub.on_group_left(event)

    async def run(self) -> None:
        await self.hub.run()


def _marks_in(names: JsonValue) -> list[str]:
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _keep(event: UserEvent, marks: list[str]) -> None:
    """A hub may store what its client wrote, under any name; what names the rules that fit stays as it was."""
    if _marks_in(event.state.get(STATE)) != marks:
        event.state[STATE] = [*marks]
