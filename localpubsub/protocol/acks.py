"""Which commands were done already (spec/service.md 3.3)."""

from collections.abc import Iterable

from localpubsub.protocol.errors import CommandError

MEMORY = 1000


class AckMemory:
    """The last 1000 successful ack ids of a connection. A failed command may be tried again with its id."""

    def __init__(self, done: Iterable[int] = ()) -> None:
        self._done: dict[int, None] = dict.fromkeys(done)

    @property
    def done(self) -> tuple[int, ...]:
        """The oldest first."""
        return tuple(self._done)

    @property
    def mark(self) -> tuple[int, int]:
        """Another one after every change."""
        return len(self._done), next(reversed(self._done), 0)

    def check(self, ack_id: int | None) -> None:
        """Raises `CommandError` `Duplicate`, before any work is done."""
        if ack_id in self._done:
            raise CommandError("Duplicate", f"Message with ack-id: {ack_id} has been processed")

    def remember(self, ack_id: int | None) -> None:
        if ack_id is None:
            return
        self._done[ack_id] = None
        if len(self._done) > MEMORY:
            del self._done[next(iter(self._done))]
