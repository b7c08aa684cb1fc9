"""What is kept of reliable connections while the service is not there, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic, time
from typing import NamedTuple

from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import Outbound
from localpubsub.engine.service import Service
from localpubsub.protocol.acks import AckMemory
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.roles import Permissions, PlainRules
from localpubsub.protocol.sequences import Kept, Sequences
from localpubsub.protocol.subprotocols import reliable_codec

SKIPPED_IDS = 1_000_000
"""After a crash: more than what can have been given away, and was not saved."""


class Key(NamedTuple):
    hub: str
    id: str


@dataclass(frozen=True)
class SavedConnection:
    hub: str
    id: str
    user_id: str | None
    subprotocol: str
    permissions: Mapping[str, PlainRules]
    groups: list[str]
    acks: tuple[int, ...]
    event_ids: int
    state: str | None
    cookies: Mapping[str, str]
    last_sequence_id: int
    opened_at: float

    @property
    def key(self) -> Key:
        return Key(self.hub, self.id)


class SavedMessage(NamedTuple):
    """`number` is 0 while the message has no sequence id. `expires_at` is a time of day."""

    serial: int
    number: int
    is_text: bool
    data: bytes
    expires_at: float | None


@dataclass
class Saved:
    """All of it. `is_clean` says that the service was stopped, and did not just end."""

    connections: list[SavedConnection]
    messages: dict[Key, list[SavedMessage]]
    is_clean: bool


@dataclass
class Changes:
    """Since the last ones, or with `is_anew` since nothing."""

    is_anew: bool = False
    connections: list[SavedConnection] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)
    messages: list[tuple[Key, SavedMessage]] = field(default_factory=list)
    confirmed: list[tuple[Key, int]] = field(default_factory=list)
    """Messages that are not needed any more, by serial."""

    def __bool__(self) -> bool:
        return self.is_anew or bool(self.connections or self.gone)


@dataclass
class _Seen:
    mark: tuple[object, ...]
    numbers: dict[int, int] = field(default_factory=dict)
    """Of its messages, by serial."""


class Ledger:
    """Compares the service with what was seen of it before. Nothing in the service has to tell of a change."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seen: dict[Key, _Seen] = {}
        self._is_anew = True

    def start_over(self) -> None:
        """The last changes were lost."""
        self._seen.clear()
        self._is_anew = True

    def changes(self) -> Changes:
        changes, self._is_anew = Changes(self._is_anew), False
        present = set()
        for hub in self._service.hubs:
            for connection in hub.connections.values():
                if connection.sequences is not None:
                    key = Key(hub.name, connection.id)
                    present.add(key)
                    self._compare(key, connection, connection.sequences, changes)
        changes.gone = [key for key in self._seen if key not in present]
        for key in changes.gone:
            del self._seen[key]
        return changes

    def _compare(self, key: Key, connection: Connection, sequences: Sequences, changes: Changes) -> None:
        mark = _mark(connection, sequences)
        seen = self._seen.get(key)
        if seen is not None and seen.mark == mark:
            return
        numbers = {} if seen is None else seen.numbers
        kept = sequences.kept()
        self._seen[key] = _Seen(mark, {one.serial: one.number for one in kept})
        changes.connections.append(_saved(connection, sequences))
        changes.messages += [(key, _message(one)) for one in kept if numbers.get(one.serial) != one.number]
        changes.confirmed += [(key, serial) for serial in numbers.keys() - self._seen[key].numbers.keys()]


def _mark(connection: Connection, sequences: Sequences) -> tuple[object, ...]:
    """Another one after every change."""
    return (
        sequences.mark, connection.event_ids, connection.acks.mark, connection.permissions.changes,
        frozenset(connection.groups), connection.state, dict(connection.cookies),
    )  # fmt: skip


def _saved(connection: Connection, sequences: Sequences) -> SavedConnection:
    return SavedConnection(
        hub=connection.hub,
        id=connection.id,
        user_id=connection.user_id,
        subprotocol=connection.subprotocol or "",
        permissions=connection.permissions.plain(),
        groups=sorted(connection.groups),
        acks=connection.acks.done,
        event_ids=connection.event_ids,
        state=connection.state,
        cookies=dict(connection.cookies),
        last_sequence_id=sequences.last,
        opened_at=connection.opened_at,
    )


def _message(kept: Kept) -> SavedMessage:
    expires_at = None if kept.expires_at is None else kept.expires_at - monotonic() + time()
    return SavedMessage(kept.serial, kept.number, kept.frame.is_text, kept.frame.data, expires_at)


def restore(service: Service, saved: Saved) -> None:
    """Every connection waits for its client. Raises `ValueError`, `TypeError` or `KeyError` for what makes no sense.

    After a crash ids go on further up: a client takes what comes with an id that it has seen for a repetition, and an
    upstream does the same with events.
    """
    connections = [_connection(one, saved) for one in saved.connections]
    for connection, sequences in connections:
        service.restore(connection, sequences)


def _connection(saved: SavedConnection, everything: Saved) -> tuple[Connection, Sequences]:
    codec = reliable_codec(saved.subprotocol)
    if codec is None:
        raise ValueError(f"{saved.subprotocol!r} is not reliable")
    sequences = Sequences(codec.with_sequence_id)
    sequences.restore(map(_kept, everything.messages.get(saved.key, ())), saved.last_sequence_id)
    if not everything.is_clean:
        sequences.skip(SKIPPED_IDS, monotonic())
    connection = Connection(
        id=saved.id,
        hub=saved.hub,
        user_id=saved.user_id,
        subprotocol=saved.subprotocol,
        codec=codec,
        permissions=Permissions.from_plain(saved.permissions),
        outbound=Outbound(lambda: None),  # until the connection waits
        groups=set(saved.groups),
        acks=AckMemory(saved.acks),
        event_ids=saved.event_ids + (0 if everything.is_clean else SKIPPED_IDS),
        state=saved.state,
        cookies=dict(saved.cookies),
        sequences=sequences,
        opened_at=saved.opened_at,
    )
    return connection, sequences


def _kept(saved: SavedMessage) -> Kept:
    expires_at = None if saved.expires_at is None else saved.expires_at - time() + monotonic()
    return Kept(saved.serial, Frame(saved.data, is_text=saved.is_text), saved.number, expires_at)
