"""Connections without sockets, and time that passes when a test says so."""

from collections.abc import Callable
from dataclasses import dataclass, field

from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import Outbound
from localpubsub.engine.timers import Timer
from localpubsub.protocol.roles import Permissions
from localpubsub.protocol.sequences import Sequences
from localpubsub.protocol.subprotocols import RELIABLE, WELL_KNOWN

JSON = "json.webpubsub.azure.v1"
RELIABLE_JSON = "json.reliable.webpubsub.azure.v1"


def connection(name: str, subprotocol: str = JSON, roles: tuple[str, ...] = ("webpubsub.sendToGroup",)) -> Connection:
    reliable = RELIABLE.get(subprotocol)
    return Connection(
        id=name,
        hub="den",
        user_id=name,
        subprotocol=subprotocol,
        codec=WELL_KNOWN[subprotocol],
        permissions=Permissions.from_roles(roles),
        outbound=Outbound(lambda: None),
        sequences=None if reliable is None else Sequences(reliable.with_sequence_id),
    )


def received(one: Connection) -> list[bytes]:
    """What waits for its socket."""
    return [frame.data for frame in iter(one.outbound.take, None)]


@dataclass(eq=False)
class VirtualTimer:
    due: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class VirtualTime:
    now: float = 0.0
    _timers: list[VirtualTimer] = field(default_factory=list)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = VirtualTimer(self.now + seconds, callback)
        self._timers.append(timer)
        return timer

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self._timers if timer.due <= self.now]
        self._timers = [timer for timer in self._timers if timer.due > self.now]
        for timer in sorted(due, key=lambda one: one.due):
            if not timer.cancelled:
                timer.callback()
