"""Where the outbox keeps what it has accepted.

Three stores keep one contract: `memory.py`, `sqlite.py` (one process) and `redis/store.py` (several replicas).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from app.upstream.idempotency import Key
from app.upstream.reply import Reply

EntryId = int | str


class NewEntry(NamedTuple):
    """An action that was accepted. Entries of one lane are sent in the order they were committed."""

    lane: str
    hub: str
    accepted_at: float
    """Unix seconds."""
    action: bytes
    """The action's JSON form."""


class Entry(NamedTuple):
    """A stored action that has to be sent. `id` is the store's."""

    id: EntryId
    lane: str
    hub: str
    accepted_at: float
    action: bytes


class KeptAnswer(NamedTuple):
    """The answer to a delivery, kept for its redelivery until `expires_at` (Unix seconds)."""

    key: Key
    reply: Reply
    expires_at: float


class DeadLetter(NamedTuple):
    """An action that was given up, with the reason."""

    id: EntryId
    hub: str
    lane: str
    accepted_at: float
    died_at: float
    reason: str
    action: bytes


@dataclass
class Batch:
    """What one commit changes, all or nothing."""

    entries: list[NewEntry] = field(default_factory=list)
    answers: list[KeptAnswer] = field(default_factory=list)
    finished: list[EntryId] = field(default_factory=list)
    """Sent, or dropped for good: the store forgets them."""
    dead: list[tuple[EntryId, str]] = field(default_factory=list)
    """Given up, with the reason: they move to the dead letters."""

    def __bool__(self) -> bool:
        return bool(self.entries or self.answers or self.finished or self.dead)


Accept = Callable[[Sequence[Entry]], None]
"""Takes entries this process has to send from now on, in the order of their commits."""

Remember = Callable[[Sequence[KeptAnswer]], None]
"""Takes answers an earlier run gave."""


class Store(Protocol):
    """Every call may raise `StorageError` (`app.upstream.storage`). `commit` is never called twice at the same time."""

    shares_answers: bool
    """Whether other replicas see the answers: then `claim` and `release` say who runs a delivery."""

    async def open(self, accept: Accept, remember: Remember) -> None:
        """Makes ready. Hands over what an earlier run left unsent, and the answers that still count.

        Raises `FileInUse` where the store serves another process already.
        """

    async def commit(self, batch: Batch) -> None:
        """Returns when everything in `batch` is safe; a `StorageError` means nothing of it is. An empty one is a probe.

        Entries are given to `accept`: before this returns, or later and perhaps in another replica.
        """

    def quiesce(self) -> None:
        """This process is about to stop: entries that other replicas could send are not accepted here any more."""

    async def close(self) -> None:
        """Lets go. What is unsent stays where the store outlives the process."""

    def waiting(self) -> int:
        """How many entries are unsent in the whole store, as far as this process knows. No I/O."""

    def dead_letters(self) -> int:
        """How many are kept in the whole store, as of about a second ago. No I/O."""

    async def claim(self, key: Key) -> Reply | None:
        """The answer another replica gave, or `None` where this one shall run the delivery.

        Waits while another live replica runs it. Raises `Overloaded` where that takes too long.
        """

    async def release(self, key: Key) -> None:
        """Gives a claim back without an answer: the redelivery is a new attempt."""


class DeadLetters(Protocol):
    """What an operator does with them, beside a running upstream. Every call may raise `StorageError`."""

    async def list(self, limit: int) -> list[DeadLetter]:
        """The newest first."""

    async def retry(self, ids: Sequence[EntryId] | None) -> int:
        """Puts letters back at the end of their lanes, all of them for `None`; how many."""

    async def drop(self, ids: Sequence[EntryId] | None) -> int:
        """Forgets letters, all of them for `None`; how many."""

    async def close(self) -> None: ...
