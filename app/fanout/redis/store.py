"""The store of several replicas: entries in Redis Streams, shared answers, and leases on who sends what.

A lane lies in one partition, a partition has one owner, and the owner sends in stream order: a lane's order holds
whichever replicas commit to it. Delivery is at least once. Order can only break where an owner stalls or loses Redis
for longer than its lease: what it had accepted by then it sends beside the new owner.
"""

from collections.abc import Sequence
from contextlib import suppress
from secrets import token_hex
from socket import gethostname
from time import time

from redis.asyncio.client import Pipeline

from app.fanout.redis.claims import Claims, answer_key, answer_value
from app.fanout.redis.entries import GROUP, Keys, by_partition, fields_of, partition_of, split_id, to_bytes
from app.fanout.redis.leases import Leases
from app.fanout.redis.reader import Reader
from app.fanout.store import Accept, Batch, EntryId, Remember
from app.storage.redis_connection import RedisConnection, StoreFull
from app.storage.redis_loops import Loops
from app.upstream.idempotency import Key
from app.upstream.reply import Reply
from app.upstream.storage import StorageError

# Keys: dead letters, the stream of each entry. Arguments: most letters, now, group, then stream id, id and reason of
# each entry. An entry that is gone was buried before. The first write needs no memory: see the leases.
_BURY = """
redis.call('XDEL', KEYS[1], '0-0')
for i = 2, #KEYS do
  local id, whole, reason = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  local entry = redis.call('XRANGE', KEYS[i], id, id)[1]
  if entry then
    local letter = {'XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*'}
    for _, part in ipairs(entry[2]) do letter[#letter + 1] = part end
    for _, part in ipairs({'reason', reason, 'died_at', ARGV[2], 'original', whole}) do letter[#letter + 1] = part end
    redis.call(unpack(letter))
    redis.call('XDEL', KEYS[i], id)
    redis.call('XACK', KEYS[i], ARGV[3], id)
  end
end
"""


class RedisStore:
    """`partitions` must be the same in all replicas. `replica` is a name for people; each run has an id of its own."""

    shares_answers = True

    def __init__(
        self,
        url: str,
        *,
        replica: str | None = None,
        prefix: str = "{webpubsub}",
        partitions: int = 16,
        window: int = 10_000,
        lease_seconds: float = 3.0,
        claim_wait_seconds: float = 30,
        max_dead_letters: int = 10_000,
    ) -> None:
        # A run that takes over the leases or claims of an earlier one by its name could be wrong about its end.
        run = f"{replica or gethostname()}:{token_hex(6)}"
        self._keys = Keys(prefix, partitions)
        self._max_dead_letters = max_dead_letters
        self._connection = RedisConnection(url)
        self._leases = Leases(self._connection, self._keys, run, lease_seconds)
        self._claims = Claims(self._connection, self._keys, run, claim_wait_seconds)
        self._reader = Reader(self._connection, self._keys, self._leases, run, window)
        self._loops = Loops("outbox")
        self._is_open = False

    async def open(self, accept: Accept, remember: Remember) -> None:  # noqa: ARG002 - answers stay in Redis
        """What others left unsent comes when its partition does."""
        self._reader.accept = accept
        try:
            await self._leases.renew()
        except BaseException:
            await self._connection.close()
            raise
        self._claims.open()
        self._loops.start(leases=self._renew, reader=self._reader.step, claims=self._claims.serve)
        self._is_open = True

    def quiesce(self) -> None:
        self._reader.quiesce()

    async def close(self) -> None:
        self._claims.close()
        if self._is_open:
            self._is_open = False
            await self._loops.stop()
            with suppress(StorageError):  # the leases end by themselves, then
                await self._leases.leave()
        await self._connection.close()

    async def _renew(self) -> None:
        await self._leases.renew()
        self._claims.settle()
        # Said here, as the pause until the next renewal is no part of an outage.
        self._loops.succeeded("leases")
        await self._leases.rest()

    async def commit(self, batch: Batch) -> None:
        try:
            await self._execute(batch)
        except StoreFull:
            await self._forget(batch)
            if batch.entries or batch.answers or not batch:
                raise
        over = [*batch.finished, *(entry_id for entry_id, _ in batch.dead)]
        self._reader.finished(over)
        self._leases.depth += len(batch.entries) - len(over)
        self._leases.letters += len(batch.dead)

    async def _execute(self, batch: Batch) -> None:
        """One transaction."""
        keys = self._keys
        pipeline = self._connection.pipeline()
        if not batch:
            # Somebody asks whether a commit would succeed, so it is a write, and one that needs memory.
            pipeline.execute_command("SET", keys.probe, "", "PX", 1)
        for entry in batch.entries:
            stream = keys.streams[partition_of(entry.lane, len(keys.streams))]
            pipeline.execute_command("XADD", stream, "*", *fields_of(entry))
        now = time()
        for answer in batch.answers:
            remaining = max(1, round((answer.expires_at - now) * 1000))
            name = answer_key(keys.prefix, answer.key)
            pipeline.execute_command("SET", name, answer_value(answer.reply), "PX", remaining)
        self._add_settled(pipeline, batch)
        await self._connection.run(pipeline.execute())

    async def _forget(self, batch: Batch) -> None:
        """What was sent is forgotten though memory is full: only that makes room again, and twice does no harm.

        Redis refuses every transaction then, so this is none.
        """
        pipeline = self._connection.pipeline(transaction=False)
        self._add_settled(pipeline, batch)
        await self._connection.run(pipeline.execute())

    def _add_settled(self, pipeline: Pipeline, batch: Batch) -> None:
        for partition, stream_ids in by_partition(batch.finished).items():
            # In this order a crash between the two leaves nothing that would never be read.
            pipeline.execute_command("XDEL", self._keys.streams[partition], *stream_ids)
            pipeline.execute_command("XACK", self._keys.streams[partition], GROUP, *stream_ids)
        if batch.dead:
            pipeline.execute_command(*self._bury(batch.dead))

    def _bury(self, dead: Sequence[tuple[EntryId, str]]) -> list[str | bytes | int]:
        streams: list[str] = []
        described: list[str | bytes] = []
        for entry_id, reason in dead:
            partition, stream_id = split_id(entry_id)
            streams.append(self._keys.streams[partition])
            described += [stream_id, str(entry_id), to_bytes(reason)]
        script: list[str | bytes | int] = ["EVAL", _BURY, 1 + len(streams), self._keys.dead, *streams]
        return [*script, self._max_dead_letters, repr(time()), GROUP, *described]

    def waiting(self) -> int:
        return max(0, self._leases.depth)

    def dead_letters(self) -> int:
        return self._leases.letters

    async def claim(self, key: Key) -> Reply | None:
        return await self._claims.claim(key)

    async def release(self, key: Key) -> None:
        await self._claims.release(key)
