"""Messages that faults on purpose delay, drop, duplicate, or answer with a close."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from localpubsub.engine.chaos import Chaos
from localpubsub.engine.chaos_rules import LOST
from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import MESSAGE_LIMIT, Close
from localpubsub.protocol.messages import Message

REASON = "A fault was asked for."


def end(connection: Connection, code: int) -> None:
    """With a close frame, or without one for 1006: then a reliable client may have its connection back."""
    if code == LOST:
        connection.outbound.break_off()
    else:
        connection.outbound.close(Close(code, REASON))


class _Held(NamedTuple):
    due: float
    message: Message
    ttl_seconds: int


@dataclass
class _Waiting:
    messages: deque[_Held] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None


class FaultyDeliveries:
    """Stands in the way of messages while there are rules for them."""

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._waiting: WeakKeyDictionary[Connection, _Waiting] = WeakKeyDictionary()

    def intercept(self, connection: Connection, message: Message, ttl_seconds: int) -> bool:
        """Whether it took the message. One behind a message that waits waits too."""
        fate = self._chaos.message(connection.hub, message.group, connection.user_id)
        waiting = self._waiting.get(connection)
        if fate.copies == 1 and not fate.seconds and waiting is None:
            return False
        if fate.close_code is not None:
            end(connection, fate.close_code)
        for _ in range(fate.copies):
            if fate.seconds or self._waiting.get(connection) is not None:
                self._hold(connection, message, fate.seconds, ttl_seconds)
            else:
                connection.enqueue(message, {}, ttl_seconds)
        return True

    def release(self) -> None:
        """What waits goes out: the rules are gone."""
        for connection, waiting in list(self._waiting.items()):
            if waiting.timer is not None:
                waiting.timer.cancel()
            del self._waiting[connection]
            for held in waiting.messages:
                connection.enqueue(held.message, {}, held.ttl_seconds)

    def _hold(self, connection: Connection, message: Message, seconds: float, ttl_seconds: int) -> None:
        waiting = self._waiting.setdefault(connection, _Waiting())
        now = asyncio.get_running_loop().time()
        if ttl_seconds and seconds >= ttl_seconds:
            return
        waiting.messages.append(_Held(now + seconds, message, ttl_seconds))
        if len(waiting.messages) > MESSAGE_LIMIT:
            self._let_go(connection, waiting.messages.popleft())
        if waiting.timer is None:
            self._set_timer(connection, waiting)

    def _set_timer(self, connection: Connection, waiting: _Waiting) -> None:
        loop = asyncio.get_running_loop()
        waiting.timer = loop.call_at(waiting.messages[0].due, self._due, connection)

    def _due(self, connection: Connection) -> None:
        waiting = self._waiting[connection]
        now = asyncio.get_running_loop().time()
        while waiting.messages and waiting.messages[0].due <= now:
            self._let_go(connection, waiting.messages.popleft())
        if waiting.messages:
            self._set_timer(connection, waiting)
        else:
            del self._waiting[connection]

    @staticmethod
    def _let_go(connection: Connection, held: _Held) -> None:
        connection.enqueue(held.message, {}, held.ttl_seconds)
