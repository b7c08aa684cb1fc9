"""The class people write.

Return to answer, raise `Rejected` to refuse. Collaborators come in through `__init__`, asked for by type: a
`Publisher`, a `ServiceClient`, an `Environment`, a `Storage`, a `History`, a `Roster`, a `Translator`. Nothing a hub
does blocks another connection.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import ClassVar, TypeVar

from app.models.actions import Action
from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    DisconnectedEvent,
    GroupJoinedEvent,
    GroupLeftEvent,
    UserEvent,
)
from app.models.payloads import Message
from app.models.responses import ConnectResponse, UserEventResponse
from app.upstream.errors import Rejected

Actions = Action | Sequence[Action] | None
"""What the service is asked to do, as an alternative to a `Publisher`."""

Answer = UserEventResponse | Message | Action | Sequence[Action]
"""A text, bytes, JSON value or payload for the sender, `None` for silence, a response with metadata, or actions."""

EventHandler = Callable[..., Awaitable[Answer]]
_Handler = TypeVar("_Handler", bound=EventHandler)

_EVENT_NAMES = "__webpubsub_events__"
EVERY_EVENT = "*"


@dataclass(frozen=True)
class Environment:
    """Where the hub runs. `development` is true on the embedded local service only.

    With `believes_query` `/negotiate` takes `?id=` at its word (`IDENTITY=query`), and so may a hub; elsewhere a client
    without a token is nobody, however it calls itself.
    """

    development: bool = False
    believes_query: bool = False

    def who(self, event: ConnectEvent) -> str:
        """The token's user, else `?id=` where that is believed, else, in development, a guest. Raises `Rejected`."""
        user_id = event.user_id or event.claim("sub")
        if not user_id and self.believes_query:
            user_id = (event.query_value("id") or "").strip()
        if not user_id and self.development:
            user_id = f"guest-{token_hex(3)}"
        if not user_id:
            raise Rejected("missing user id", status=401)
        return user_id


def on_event(*names: str) -> Callable[[_Handler], _Handler]:
    """Marks a method as the handler of user events with these names, compared without case; `*` takes the rest.

    A raw WebSocket client's frames arrive as `message`.
    """
    if not names:
        raise TypeError("on_event needs the name of an event, or '*'")

    def mark(handler: _Handler) -> _Handler:
        known: tuple[str, ...] = getattr(handler, _EVENT_NAMES, ())
        setattr(handler, _EVENT_NAMES, (*known, *(name.lower() for name in names)))
        return handler

    return mark


class Hub:
    """Every method has a harmless default: clients come in as their token says, events are accepted and ignored.

    `on_connect` and event handlers are blocking: the client waits for what they return. The rest runs after the
    service got its acknowledgement, in order per connection; what it raises is logged.
    """

    name: ClassVar[str]
    """The hub's name in the service, compared without case."""

    _handlers: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        handlers: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            for attribute, member in vars(base).items():
                for event in getattr(member, _EVENT_NAMES, ()):
                    handlers[event] = attribute
        cls._handlers = handlers

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse | None:
        """Raise `Rejected` to refuse the client. `None` keeps what its token says."""

    async def on_connected(self, event: ConnectedEvent) -> Actions: ...

    async def on_disconnected(self, event: DisconnectedEvent) -> Actions: ...

    async def on_group_joined(self, event: GroupJoinedEvent) -> Actions: ...

    async def on_group_left(self, event: GroupLeftEvent) -> Actions: ...

    async def run(self) -> None:
        """Goes on beside the events while the server is up, in every replica: for what time brings about.

        Cancelled when the server stops, before the last messages are sent. Started again where it raises.
        """

    async def on_user_event(self, event: UserEvent) -> Answer:
        """Calls the method marked with `on_event`. Override it to take every event yourself."""
        attribute = self._handlers.get(event.name.lower()) or self._handlers.get(EVERY_EVENT)
        if attribute is None:
            return None
        handler: EventHandler = getattr(self, attribute)
        return await handler(event)
