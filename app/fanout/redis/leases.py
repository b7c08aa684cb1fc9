"""Which replica sends the entries of which partition.

A partition has one owner at a time, so a lane's order holds across replicas. The lease is renewed well before it ends,
and a replica that cannot renew it stops reading no later than another may begin: it counts from before the renewal was
sent. What it had accepted until then it still sends, perhaps beside the new owner.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from app.fanout.redis.entries import Keys
from app.storage.redis_connection import RedisConnection
from app.upstream.storage import StorageError

log = structlog.get_logger(__name__)

# Keys: replicas, layout, leases, streams, dead letters. Arguments: replica, lease in ms, number of partitions.
_BEAT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local me, partitions, live = ARGV[1], tonumber(ARGV[3]), {}
-- Where memory is full a script may still write after a first write that needs none. Without leases nothing would be
-- sent, and memory stay full.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('SET', KEYS[2], ARGV[3], 'NX')
local layout = redis.call('GET', KEYS[2])
if layout ~= ARGV[3] then return {layout, 0, 0, {}, 0} end
redis.call('ZADD', KEYS[1], now + ARGV[2], me)
live = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(live)
local share = math.floor(partitions / #live)
for rank, replica in ipairs(live) do
  if replica == me and rank <= partitions % #live then share = share + 1 end
end
local owned, mine, free, waiting = 0, {}, {}, 0
for i = 1, partitions do
  local owner = redis.call('GET', KEYS[2 + i])
  mine[i] = 0
  if owner == me then
    redis.call('PEXPIRE', KEYS[2 + i], ARGV[2])
    owned, mine[i] = owned + 1, 1
  elseif not owner then
    free[#free + 1] = i
  end
  waiting = waiting + redis.call('XLEN', KEYS[2 + partitions + i])
end
for _, i in ipairs(free) do
  if owned >= share then break end
  redis.call('SET', KEYS[2 + i], me, 'PX', ARGV[2])
  owned, mine[i] = owned + 1, 1
end
return {layout, share, waiting, mine, redis.call('XLEN', KEYS[3 + 2 * partitions])}
"""

# Keys: leases. Arguments: replica.
_GIVE_BACK = """
for _, lease in ipairs(KEYS) do
  if redis.call('GET', lease) == ARGV[1] then redis.call('DEL', lease) end
end
"""

# Keys: replicas. Arguments: replica.
_LEAVE = "return redis.call('ZREM', KEYS[1], ARGV[1])"


@dataclass(slots=True, eq=False)
class Held:
    """A partition under a lease of ours."""

    partition: int
    until: float
    """By the event loop's clock."""
    seen: str = "0-0"
    """The last entry that was looked at."""
    reread: bool = True
    """Whether to look first for what counts as delivered after `seen`: to an earlier owner, or in a reply we lost."""
    draining: bool = False
    """To be given back: not read any more."""

    def start_over(self) -> None:
        """What a lost reply held counts as delivered, and a Redis that came back may have forgotten the last second."""
        self.seen, self.reread = "0-0", True


class Leases:
    def __init__(self, connection: RedisConnection, keys: Keys, replica: str, seconds: float) -> None:
        self._keys = keys
        self._replica = replica
        self._seconds = seconds
        self._beat, self._give_back, self._leave = map(connection.script, (_BEAT, _GIVE_BACK, _LEAVE))
        self._held: dict[int, Held] = {}
        self._in_flight = [0] * len(keys.leases)
        self._is_drained = asyncio.Event()
        self.changed = asyncio.Event()
        """Set when there may be something to read again."""
        self.being_read: frozenset[int] = frozenset()
        self.depth = 0
        """Unsent entries of all partitions."""
        self.letters = 0
        """Dead letters."""

    @property
    def partitions(self) -> list[int]:
        return sorted(self._held)

    def readable(self) -> list[Held]:
        now = asyncio.get_running_loop().time()
        return [held for held in self._held.values() if held.until > now and not held.draining]

    def still_holds(self, held: Held) -> bool:
        return self._held.get(held.partition) is held and held.until > asyncio.get_running_loop().time()

    def lose(self, held: Held) -> None:
        if self._held.get(held.partition) is held:
            del self._held[held.partition]

    def begin(self, partition: int) -> None:
        """An entry of it is in this process."""
        self._in_flight[partition] += 1

    def end(self, partition: int) -> None:
        """An entry of it is finished."""
        self._in_flight[partition] -= 1
        held = self._held.get(partition)
        if held is not None and held.draining and not self._in_flight[partition]:
            self._is_drained.set()

    async def renew(self) -> None:
        """Says that this replica lives, renews what it holds, takes what is free and gives back what is too much."""
        self._is_drained.clear()
        keys = self._keys
        sent = asyncio.get_running_loop().time()
        layout, share, self.depth, mine, self.letters = await self._beat(
            [keys.replicas, keys.layout, *keys.leases, *keys.streams, keys.dead],
            [self._replica, self._milliseconds, len(keys.leases)],
        )
        if int(layout) != len(keys.leases):
            raise StorageError(
                f"Redis holds entries in {int(layout)} partitions, this replica expects {len(keys.leases)}"
            )
        before = self.partitions
        for partition, is_mine in enumerate(mine):
            held = self._held.get(partition)
            if not is_mine:
                self._held.pop(partition, None)
            elif held is None or held.until <= sent:
                # Where ours ran out somebody else may have held it since.
                self._held[partition] = Held(partition, sent + self._seconds)
            else:
                held.until = sent + self._seconds
        self._choose_surplus(share)
        if self.partitions != before:
            log.info("outbox partitions", held=self.partitions, share=share)
        self.changed.set()
        await self._give_back_drained()

    @property
    def _milliseconds(self) -> int:
        return max(1, round(self._seconds * 1000))

    def _choose_surplus(self, share: int) -> None:
        """What drains already goes on draining; then those with nothing to wait for."""

        def cost(held: Held) -> tuple[bool, bool, int]:
            return not held.draining, self._in_flight[held.partition] > 0, -held.partition

        surplus = len(self._held) - share
        for position, held in enumerate(sorted(self._held.values(), key=cost)):
            held.draining = position < surplus

    async def _give_back_drained(self) -> None:
        def is_idle(held: Held) -> bool:
            return held.draining and not self._in_flight[held.partition] and held.partition not in self.being_read

        await self._let_go(is_idle)

    async def _let_go(self, which: Callable[[Held], bool]) -> None:
        # Forgotten first: should the call fail, the next renewal finds the leases and starts anew with them.
        gone = [self._held.pop(held.partition).partition for held in list(self._held.values()) if which(held)]
        if gone:
            await self._give_back([self._keys.leases[partition] for partition in gone], [self._replica])
            log.info("outbox partitions", held=self.partitions, given_back=gone)

    async def rest(self) -> None:
        """Waits for the time of the next renewal, or until a partition can be given back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(1.0, self._seconds / 3)):
                await self._is_drained.wait()

    async def leave(self) -> None:
        """Another replica may take over at once."""
        await self._let_go(lambda _: True)
        await self._leave([self._keys.replicas], [self._replica])
