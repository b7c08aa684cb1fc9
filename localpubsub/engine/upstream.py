"""What the service tells an upstream, and what it hears back. The network is the edge's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from localpubsub.config import EventHandler, EventListener


@dataclass(frozen=True)
class MqttContext:
    """What every event of an MQTT client says besides. `connect` has no session yet (spec/service.md 7.4)."""

    physical_connection_id: str
    session_id: str | None = None


@dataclass(frozen=True)
class UpstreamEvent:
    """One CloudEvent. `family` is `sys`, `gp` or `user`; `state` and `cookies` are what earlier answers stored.

    `headers` go out as they are: the user properties of an MQTT message.
    """

    hub: str
    connection_id: str
    family: str
    name: str
    event_id: int
    body: bytes
    content_type: str
    user_id: str | None = None
    subprotocol: str | None = None
    state: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    mqtt: MqttContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UpstreamAnswer:
    """`state` is `None` where the answer left it alone and empty where it cleared it.

    `user_properties` are the headers that start with `mqtt-`, without that.
    """

    body: bytes = b""
    content_type: str | None = None
    state: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    user_properties: tuple[tuple[str, str], ...] = ()


class DeliveryFailed(Exception):
    """`status` is what the upstream answered after all tries, `answer` the whole of it; `None` when it did not."""

    def __init__(self, reason: str, status: int | None = None, answer: UpstreamAnswer | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.answer = answer


class Upstream(Protocol):
    async def deliver(self, handler: EventHandler, event: UpstreamEvent) -> UpstreamAnswer:
        """Raises `DeliveryFailed`."""


class Listeners(Protocol):
    def publish(self, listener: EventListener, event: UpstreamEvent) -> None:
        """Returns at once, and never fails: a listener that cannot take it loses it."""
