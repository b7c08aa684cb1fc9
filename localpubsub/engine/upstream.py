"""What the service tells an upstream, and what it hears back. The network is the edge's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from localpubsub.config import EventHandler


@dataclass(frozen=True)
class UpstreamEvent:
    """One CloudEvent. `family` is `sys` or `user`; `state` and `cookies` are what earlier answers stored."""

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


@dataclass(frozen=True)
class UpstreamAnswer:
    """A 2xx. `state` is `None` where the answer left it alone and empty where it cleared it."""

    body: bytes = b""
    content_type: str | None = None
    state: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


class DeliveryFailed(Exception):
    """`status` is what the upstream answered after all tries; `None` when it did not."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Upstream(Protocol):
    async def deliver(self, handler: EventHandler, event: UpstreamEvent) -> UpstreamAnswer:
        """Raises `DeliveryFailed`."""
