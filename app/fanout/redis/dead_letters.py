"""Dead letters in Redis, as an operator sees them."""

import re
from collections.abc import AsyncIterator, Sequence

from app.fanout.redis.entries import Keys, letter_of, partition_of
from app.fanout.store import DeadLetter, EntryId
from app.storage.redis_connection import RedisConnection

# Keys: dead letters, the stream each goes back to. Arguments: ids. A letter's first eight fields are the entry's.
_RETRY = """
local count = 0
for i, id in ipairs(ARGV) do
  local letter = redis.call('XRANGE', KEYS[1], id, id)[1]
  if letter then
    redis.call('XADD', KEYS[i + 1], '*', unpack(letter[2], 1, 8))
    count = count + redis.call('XDEL', KEYS[1], id)
  end
end
return count
"""

LETTERS_AT_ONCE = 500
_LETTER_ID = re.compile(r"\d{1,20}-\d{1,20}")


class RedisDeadLetters:
    """`partitions` counts only where no replica was ever started: otherwise Redis knows."""

    def __init__(self, url: str, *, prefix: str = "{webpubsub}", partitions: int = 16) -> None:
        self._keys = Keys(prefix, partitions)
        self._connection = RedisConnection(url)
        self._retry = self._connection.script(_RETRY)

    async def list(self, limit: int) -> list[DeadLetter]:
        found = await self._connection.call("XREVRANGE", self._keys.dead, "+", "-", "COUNT", limit)
        return [letter_of(*letter) for letter in found]

    async def retry(self, ids: Sequence[EntryId] | None) -> int:
        layout = await self._connection.call("GET", self._keys.layout)
        keys = self._keys if layout is None else Keys(self._keys.prefix, int(layout))
        count = 0
        async for letters in self._pages(ids):
            streams = [keys.streams[partition_of(letter.lane, len(keys.streams))] for letter in letters]
            count += await self._retry([keys.dead, *streams], [str(letter.id) for letter in letters])
        return count

    async def _pages(self, ids: Sequence[EntryId] | None) -> AsyncIterator[Sequence[DeadLetter]]:
        """Those of `ids` that exist; for `None` all, the oldest first, without what dies meanwhile."""
        keys, connection = self._keys, self._connection
        if ids is None:
            start, newest = "-", await self.list(1)
            while newest:
                found = await connection.call("XRANGE", keys.dead, start, newest[0].id, "COUNT", LETTERS_AT_ONCE)
                if not found:
                    return
                yield [letter_of(*letter) for letter in found]
                start = f"({found[-1][0].decode()}"
        wanted = _letter_ids(ids or ())
        for first in range(0, len(wanted), LETTERS_AT_ONCE):
            pipeline = connection.pipeline()
            for letter_id in wanted[first : first + LETTERS_AT_ONCE]:
                pipeline.execute_command("XRANGE", keys.dead, letter_id, letter_id)
            yield [letter_of(*found[0]) for found in await connection.run(pipeline.execute()) if found]

    async def drop(self, ids: Sequence[EntryId] | None) -> int:
        if ids is None:
            return int(await self._connection.call("XTRIM", self._keys.dead, "MAXLEN", 0))
        wanted = _letter_ids(ids)
        return int(await self._connection.call("XDEL", self._keys.dead, *wanted)) if wanted else 0

    async def close(self) -> None:
        await self._connection.close()


def _letter_ids(ids: Sequence[EntryId]) -> list[str]:
    """What is no id of ours names no letter; Redis would refuse the whole call."""
    return [letter_id for letter_id in map(str, ids) if _LETTER_ID.fullmatch(letter_id)]
