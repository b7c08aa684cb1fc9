"""Which replica runs a delivery, and the answers they share.

Under the key of a delivery lies a claim (`c` and the replica that runs it) or the answer (`a` and its JSON). A claim
outlives the longest handler; what frees it early is that its replica is dead.
"""

import asyncio
from hashlib import blake2b
from typing import NamedTuple

from app.fanout.answers import decode_reply, encode_key, encode_reply
from app.fanout.redis.entries import Keys
from app.storage.redis_connection import RedisConnection
from app.upstream.errors import Overloaded
from app.upstream.idempotency import Key
from app.upstream.reply import Reply
from app.upstream.storage import StorageError

CLAIM_SECONDS = 120
POLL_SECONDS = 0.05
MAX_PER_TURN = 1000

# Keys: replicas, claims to give back, claims to make. Arguments: our claim, its life in ms, how many to give back.
_TURN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ours, first = ARGV[1], 2 + ARGV[3]
for i = 2, first - 1 do
  if redis.call('GET', KEYS[i]) == ours then redis.call('DEL', KEYS[i]) end
end
local found = {}
for i = first, #KEYS do
  local value = redis.call('GET', KEYS[i])
  local free = not value or value == ours
  if not free and string.sub(value, 1, 1) == 'c' then
    local alive_until = redis.call('ZSCORE', KEYS[1], string.sub(value, 2))
    free = not alive_until or tonumber(alive_until) <= now
  end
  if free then redis.call('SET', KEYS[i], ours, 'PX', ARGV[2]) end
  found[#found + 1] = not free and value
end
return found
"""


def answer_key(prefix: str, key: Key) -> str:
    """Hashed, as the parts are a client's to choose and may be long."""
    return f"{prefix}:answer:{blake2b(encode_key(key).encode(), digest_size=20).hexdigest()}"


def answer_value(reply: Reply) -> str:
    return f"a{encode_reply(reply)}"


class _Asked(NamedTuple):
    claim: str | None
    """The key to claim, `None` for a release."""
    found: asyncio.Future[bytes | None]


class Claims:
    """What is asked while one script runs shares the next; so claims and releases keep their order, too.

    The twins within one process are its own business: it gets its own claim again.
    """

    def __init__(self, connection: RedisConnection, keys: Keys, replica: str, wait_seconds: float) -> None:
        self._keys = keys
        self._ours = f"c{replica}"
        self._wait_seconds = wait_seconds
        self._turn = connection.script(_TURN)
        self._asked: list[_Asked] = []
        # Claims nobody needs any more, kept until Redis has heard of it: others would wait for them in vain.
        self._owed: set[str] = set()
        self._has_work = asyncio.Event()
        self._is_open = False

    async def claim(self, key: Key) -> Reply | None:
        name = answer_key(self._keys.prefix, key)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_seconds
        while True:
            try:
                value = await self._ask(name)
            except BaseException:
                # It may have been granted all the same.
                self._owed.add(name)
                raise
            if value is None:
                return None
            if value.startswith(b"a"):
                return decode_reply(value[1:])
            if loop.time() >= deadline:
                raise Overloaded(f"another replica has been running this event for {self._wait_seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)

    async def release(self, key: Key) -> None:
        """Where it fails it is done later, as soon as Redis is back."""
        self._owed.add(answer_key(self._keys.prefix, key))
        await self._ask(None)

    async def _ask(self, claim: str | None) -> bytes | None:
        if not self._is_open:
            raise StorageError("the store is closed")
        asked = _Asked(claim, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        self._has_work.set()
        return await asked.found

    def settle(self) -> None:
        """Redis can be reached: tells it of the claims that are still to be given back."""
        if self._owed:
            self._has_work.set()

    def open(self) -> None:
        self._is_open = True

    def close(self) -> None:
        self._is_open = False
        _fail(self._asked, StorageError("the store is closed"))
        self._asked = []

    async def serve(self) -> None:
        """One turn: whatever has been asked until now."""
        await self._has_work.wait()
        self._has_work.clear()
        asked, self._asked = self._asked[:MAX_PER_TURN], self._asked[MAX_PER_TURN:]
        owed, self._owed = self._owed, set()
        if self._asked:
            self._has_work.set()
        claims = [one for one in asked if one.claim is not None]
        names = [one.claim for one in claims if one.claim is not None]
        try:
            found = await self._turn(
                [self._keys.replicas, *owed, *names], [self._ours, CLAIM_SECONDS * 1000, len(owed)]
            )
        except BaseException as error:
            self._owed |= owed
            _fail(asked, error if isinstance(error, StorageError) else StorageError("the claim was cut short"))
            if not isinstance(error, StorageError):
                raise
            return
        for one in asked:
            if one.claim is None and not one.found.done():
                one.found.set_result(None)
        for one, value in zip(claims, found, strict=True):
            if not one.found.done():
                one.found.set_result(value)


def _fail(asked: list[_Asked], error: StorageError) -> None:
    for one in asked:
        if not one.found.done():
            # Each its own: a traceback grows with every raise of the same exception.
            one.found.set_exception(StorageError(str(error)))
