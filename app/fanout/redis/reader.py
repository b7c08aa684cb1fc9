"""Reads the entries of the partitions this replica owns, in their order, no more than it has room for."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from app.fanout.redis.entries import CONSUMER, GROUP, Keys, entry_of, split_id
from app.fanout.redis.leases import Held, Leases
from app.fanout.store import Accept, Entry, EntryId
from app.storage.redis_connection import RedisConnection

log = structlog.get_logger(__name__)

READ_COUNT = 256
WAIT_MILLISECONDS = 200
GATHER_SECONDS = 0.005

# Keys: lease and stream of each partition. Arguments: replica, how many entries, group, consumer, where to go on in
# each. Only the owner gets entries, and that is decided where they are: a call that was long on its way takes nothing
# from the next owner.
_READ = """
local left, replies = tonumber(ARGV[2]), {}
for i = 1, #KEYS / 2 do
  local lease, stream = KEYS[2 * i - 1], KEYS[2 * i]
  if redis.call('GET', lease) ~= ARGV[1] then
    replies[i] = {'lost', {}}
  elseif left <= 0 then
    replies[i] = {'more', {}}
  else
    local read = {'XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', left, 'STREAMS', stream, ARGV[4 + i]}
    local got = redis.pcall(unpack(read))
    if got and got.err and string.find(got.err, 'NOGROUP') then
      redis.call('XDEL', stream, '0-0') -- a write that needs no memory first: see the leases
      redis.call('XGROUP', 'CREATE', stream, ARGV[3], '0', 'MKSTREAM')
      got = redis.pcall(unpack(read))
    end
    if got and got.err then return got end
    local entries = got and got[1][2] or {}
    left = left - #entries
    replies[i] = {'read', entries}
  end
end
return replies
"""


class Reader:
    def __init__(self, connection: RedisConnection, keys: Keys, leases: Leases, replica: str, window: int) -> None:
        self._connection = connection
        self._keys = keys
        self._leases = leases
        self._replica = replica
        self._window = window
        self._read = connection.script(_READ)
        self._unfinished: set[EntryId] = set()
        self._has_room = asyncio.Event()
        self._turns = 0
        self._is_quiet = False
        self.accept: Accept | None = None

    def finished(self, entry_ids: Iterable[EntryId]) -> None:
        for entry_id in entry_ids:
            if entry_id in self._unfinished:
                self._unfinished.remove(entry_id)
                self._leases.end(split_id(entry_id)[0])
        self._has_room.set()

    def quiesce(self) -> None:
        """Reads no more. Leases are kept until `close`, as entries of theirs are still being sent."""
        self._is_quiet = True

    async def step(self) -> None:
        """One look at all partitions; waits where there is no room, no partition or nothing new."""
        if self._is_quiet:
            await asyncio.Event().wait()
        room = self._window - len(self._unfinished)
        self._has_room.clear()
        self._leases.changed.clear()
        held = self._leases.readable()
        if room <= 0:
            await self._has_room.wait()
        elif not held:
            await self._leases.changed.wait()
        else:
            self._turns += 1
            first = self._turns % len(held)  # none is always the last in the queue for the room
            # Much of what is read again may be here already, and needs no room.
            count = READ_COUNT if any(one.reread for one in held) else min(room, READ_COUNT)
            await self._look(held[first:] + held[:first], count)

    async def _look(self, held: list[Held], count: int) -> None:
        keys = [key for one in held for key in (self._keys.leases[one.partition], self._keys.streams[one.partition])]
        positions = [one.seen if one.reread else ">" for one in held]
        self._leases.being_read = frozenset(one.partition for one in held)
        try:
            replies = await self._read(keys, [self._replica, count, GROUP, CONSUMER, *positions])
        except BaseException:
            for one in held:
                one.start_over()
            raise
        finally:
            self._leases.being_read = frozenset()
        entries: list[Entry] = []
        is_done = True
        for one, (status, raw) in zip(held, replies, strict=True):
            is_done &= self._take(one, status, raw, entries)
        if entries and self.accept is not None:
            self.accept(entries)
        if not is_done or len(entries) >= count:
            return
        if entries:
            # Under load a look a little later finds many, and costs the same.
            await asyncio.sleep(GATHER_SECONDS)
        else:
            streams = {self._keys.streams[one.partition]: one.seen for one in held}
            # Returns once one of them has an entry after the given one, or when the time is over.
            await self._connection.call(
                "XREAD", "COUNT", 1, "BLOCK", WAIT_MILLISECONDS, "STREAMS", *streams, *streams.values()
            )

    def _take(self, held: Held, status: bytes, raw: Sequence[Any], entries: list[Entry]) -> bool:
        """Adds what is new to `entries`. Whether the partition is read to its end, as far as we know."""
        if status == b"lost":
            self._leases.lose(held)
            return True
        if not self._leases.still_holds(held):
            # The reply came too late: the entries are for whoever owns the partition now, perhaps for us again.
            held.start_over()
            return True
        if status == b"more":
            return False
        if held.reread and not raw:
            held.reread = False
            return False
        for stream_id, fields in raw:
            held.seen = stream_id.decode()
            entry_id = f"{held.partition}:{held.seen}"
            # Under an earlier lease some of these may have been accepted; finished ones have no fields any more.
            if fields is None or entry_id in self._unfinished:
                continue
            try:
                entries.append(entry_of(entry_id, fields))
            except (KeyError, ValueError):
                # Of another version, perhaps, which can send it when it owns the partition.
                log.error("outbox entry unreadable", id=entry_id)  # noqa: TRY400 - the entry's content is not for a log
                continue
            self._unfinished.add(entry_id)
            self._leases.begin(held.partition)
        return not held.reread
