"""What the event handler asks of the outbox."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.models.actions import Action
from app.upstream.idempotency import Key
from app.upstream.publisher import Publisher
from app.upstream.reply import Reply


class Outbox(Protocol):
    keeps_every_answer: bool
    """Whether answers are stored where nothing was published, too: other replicas look for them."""

    def check_room(self) -> None:
        """Raises `Overloaded` where nothing more can be taken. Cheap: asked before every handler."""

    async def commit(
        self, lane: str, actions: Sequence[tuple[str, Action]], key: Key | None = None, reply: Reply | None = None
    ) -> None:
        """Stores actions (hub and action each) and the answer to the delivery `key`, all or nothing.

        Returns when they are safe. Raises `Overloaded` where they could not be stored; nothing is kept then.
        """


class NoOutbox:
    """Hands actions that a hub returned straight to its publisher: for tests, and where no service is configured."""

    keeps_every_answer = False

    def __init__(self, publishers: Mapping[str, Publisher]) -> None:
        self._publishers = publishers

    def check_room(self) -> None: ...

    async def commit(
        self, lane: str, actions: Sequence[tuple[str, Action]], key: Key | None = None, reply: Reply | None = None
    ) -> None:
        for hub, action in actions:
            await self._publishers[hub.lower()].publish(action)
