"""SQLite against memory: whatever is asked, in whatever order and company, both say the same."""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from app.storage.sqlite_file import SqliteFile
from app.storage.sqlite_storage import SqliteStorage
from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import Conflict, Keep, Storage
from tests.app.fanout.outbox_model import InlineExecutor
from tests.app.storage.conftest import Clock

NAMES = st.sampled_from(["", "a", "ab", "a%", "A", "ü"])
IDS = st.sampled_from(["1", "2", "3", "4", "%"])
ROWS = st.dictionaries(st.sampled_from(["", "r", "s", "_"]), st.none() | st.binary(max_size=3), max_size=3)
KEEPS = st.builds(Keep, count=st.integers(1, 4), seconds=st.sampled_from([None, 1.0, 5.0]))
APPENDS = st.tuples(NAMES, st.binary(max_size=3), IDS, st.none() | st.integers(0, 5), KEEPS)
WRITES = st.tuples(NAMES, ROWS)

Append = tuple[str, bytes, str, int | None, Keep]
Write = tuple[str, Mapping[str, bytes | None]]


def append(storage: Storage, call: Append) -> Coroutine[Any, Any, object]:
    log, body, record_id, expected, keep = call
    return storage.append(log, body, id=record_id, expected=expected, keep=keep)


class StorageMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.path = Path(self.stack.enter_context(TemporaryDirectory())) / "upstream.db"
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.clock = Clock()
        self.model = MemoryStorage(self.clock)

    @initialize()
    def begin(self) -> None:
        file = SqliteFile(self.path)
        file._thread = InlineExecutor()  # type: ignore[assignment]
        self.storage = SqliteStorage(file, self.clock)
        self.runner.run(self.storage.open())

    def outcomes(self, *calls: Coroutine[Any, Any, object]) -> list[object]:
        """What each says, where all are asked at once."""

        async def ask() -> list[object]:
            return await asyncio.gather(*calls, return_exceptions=True)

        return [type(one) if isinstance(one, Conflict) else one for one in self.runner.run(ask())]

    @rule(calls=st.lists(APPENDS, min_size=1, max_size=6))
    def append(self, calls: list[Append]) -> None:
        expected = self.outcomes(*(append(self.model, call) for call in calls))
        assert self.outcomes(*(append(self.storage, call) for call in calls)) == expected

    @rule(calls=st.lists(WRITES, min_size=1, max_size=6))
    def write(self, calls: list[Write]) -> None:
        expected = self.outcomes(*(self.model.write(*call) for call in calls))
        assert self.outcomes(*(self.storage.write(*call) for call in calls)) == expected

    @rule(appends=st.lists(APPENDS, min_size=1, max_size=3), writes=st.lists(WRITES, min_size=1, max_size=3))
    def do_both(self, appends: list[Append], writes: list[Write]) -> None:
        def calls(storage: Storage) -> list[Coroutine[Any, Any, object]]:
            return [append(storage, call) for call in appends] + [storage.write(*call) for call in writes]

        expected = self.outcomes(*calls(self.model))
        assert self.outcomes(*calls(self.storage)) == expected

    @rule(log=NAMES)
    def drop(self, log: str) -> None:
        self.outcomes(self.model.drop(log))
        assert self.outcomes(self.storage.drop(log)) == [None]

    @rule(log=NAMES, after=st.integers(-1, 8), limit=st.integers(0, 5), keep=KEEPS)
    def read(self, log: str, after: int, limit: int, keep: Keep) -> None:
        def calls(storage: Storage) -> list[Coroutine[Any, Any, object]]:
            return [storage.read(log, after=after, limit=limit, keep=keep), storage.newest(log, limit=limit, keep=keep)]

        assert self.outcomes(*calls(self.storage)) == self.outcomes(*calls(self.model))

    @rule(prefix=NAMES)
    def look_at_everything(self, prefix: str) -> None:
        def calls(storage: Storage) -> list[Coroutine[Any, Any, object]]:
            names = ["", "a", "ab", "a%", "A", "ü"]
            return [storage.logs(prefix), storage.tables(prefix), *map(storage.rows, names), *map(storage.read, names)]

        assert self.outcomes(*calls(self.storage)) == self.outcomes(*calls(self.model))

    @rule(seconds=st.sampled_from([0.5, 2.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def restart(self) -> None:
        self.runner.run(self.storage.close())
        self.begin()

    def teardown(self) -> None:
        if hasattr(self, "storage"):
            self.look_at_everything("")
            self.runner.run(self.storage.close())
        self.stack.close()


TestStorageMachine = StorageMachine.TestCase
TestStorageMachine.settings = settings(max_examples=80, stateful_step_count=30, deadline=None, derandomize=True)
