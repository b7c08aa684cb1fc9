"""How entries lie in Redis: the names of the keys, which lane is in which partition, the fields of a stream."""

from collections.abc import Iterable, Sequence
from zlib import crc32

from app.fanout.store import DeadLetter, Entry, EntryId, NewEntry

GROUP = "senders"
# A partition's lease says who sends its entries. To the group all replicas are one consumer: the next owner finds what
# the one before left unfinished as its own, and no consumers of past replicas pile up.
CONSUMER = "owner"


class Keys:
    """All of one upstream. The braces of the default prefix keep them in one slot of a cluster."""

    def __init__(self, prefix: str, partitions: int) -> None:
        self.prefix = prefix
        self.replicas = f"{prefix}:replicas"
        self.layout = f"{prefix}:partitions"
        self.probe = f"{prefix}:probe"
        self.dead = f"{prefix}:dead"
        self.streams = tuple(f"{prefix}:entries:{number}" for number in range(partitions))
        self.leases = tuple(f"{prefix}:lease:{number}" for number in range(partitions))


def to_bytes(text: str) -> bytes:
    """One odd name must not spoil a commit it shares with others, so half a surrogate pair is kept as it is."""
    return text.encode("utf-8", "surrogatepass")


def _to_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def partition_of(lane: str, partitions: int) -> int:
    """The same in every replica and every run."""
    return crc32(to_bytes(lane)) % partitions


def fields_of(entry: NewEntry) -> tuple[bytes, ...]:
    return (
        b"lane", to_bytes(entry.lane),
        b"hub", to_bytes(entry.hub),
        b"at", repr(entry.accepted_at).encode(),
        b"action", entry.action,
    )  # fmt: skip


def _by_name(fields: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def entry_of(entry_id: str, fields: Sequence[bytes]) -> Entry:
    named = _by_name(fields)
    return Entry(entry_id, _to_text(named[b"lane"]), _to_text(named[b"hub"]), float(named[b"at"]), named[b"action"])


def letter_of(letter_id: bytes, named: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=letter_id.decode(),
        hub=_to_text(named[b"hub"]),
        lane=_to_text(named[b"lane"]),
        accepted_at=float(named[b"at"]),
        died_at=float(named[b"died_at"]),
        reason=_to_text(named[b"reason"]),
        action=named[b"action"],
    )


def split_id(entry_id: EntryId) -> tuple[int, str]:
    """Partition and stream id."""
    partition, _, stream_id = str(entry_id).partition(":")
    return int(partition), stream_id


def by_partition(entry_ids: Iterable[EntryId]) -> dict[int, list[str]]:
    grouped: dict[int, list[str]] = {}
    for entry_id in entry_ids:
        partition, stream_id = split_id(entry_id)
        grouped.setdefault(partition, []).append(stream_id)
    return grouped
