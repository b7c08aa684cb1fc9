"""What every storage keeps to in its announcements, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.upstream.listeners import BACKLOG
from app.upstream.storage import FellBehind, Storage
from tests.app.storage.conftest import PATIENCE
from tests.app.storage.test_logs import ODD_NAMES


async def next_of(heard: AsyncIterator[bytes]) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await anext(heard)


async def test_every_listener_of_the_topic_hears_all_in_order(storage: Storage) -> None:
    async with storage.listen("t") as one, storage.listen("t") as two, storage.listen("other") as other:
        for body in (b"1", b"", b"\x00\xff", b"4"):
            await storage.announce("t", body)
        await storage.announce("other", b"5")

        for heard in (one, two):
            assert [await next_of(heard) for _ in range(4)] == [b"1", b"", b"\x00\xff", b"4"]
        assert await next_of(other) == b"5"


async def test_what_was_announced_before_is_not_heard(storage: Storage) -> None:
    async with storage.listen("t") as before:
        await storage.announce("t", b"before")
        await next_of(before)

        async with storage.listen("t") as heard:
            await storage.announce("t", b"after")
            assert await next_of(heard) == b"after"


async def test_nobody_has_to_listen(storage: Storage) -> None:
    async with storage.listen("t") as heard:
        await storage.announce("t", b"1")
        await next_of(heard)
    await storage.announce("t", b"2")

    async with storage.listen("t") as heard:
        await storage.announce("t", b"3")
        assert await next_of(heard) == b"3"


async def test_a_topic_has_any_name(storage: Storage) -> None:
    for name in ODD_NAMES:
        async with storage.listen(name) as heard:
            await storage.announce(name, b"1")
            assert await next_of(heard) == b"1"


async def test_who_does_not_keep_up_is_told_and_nobody_waits_for_it(storage: Storage) -> None:
    async with storage.listen("t") as slow, storage.listen("t") as quick:
        for number in range(BACKLOG + 2):
            await storage.announce("t", b"%d" % number)
            assert await next_of(quick) == b"%d" % number

        assert [await next_of(slow) for _ in range(BACKLOG)] == [b"%d" % number for number in range(BACKLOG)]
        with pytest.raises(FellBehind):
            await next_of(slow)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_what_is_no_name_is_refused(storage: Storage, name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of two kinds
        await storage.announce(name, b"")
    with pytest.raises(ValueError):  # noqa: PT011
        storage.listen(name)
