"""The file behind a service: what it refuses, and what it holds at any time (docs/localpubsub.md)."""

import asyncio
import shutil
import sqlite3
from pathlib import Path
from time import monotonic, time

import aiohttp
import pytest

from localpubsub.__main__ import main
from localpubsub.config import ServiceConfig
from localpubsub.config_file import load_config
from localpubsub.edge.state_file import SAVE_SECONDS, StateError, StateFile
from localpubsub.engine.service import Service
from localpubsub.engine.state import SKIPPED_IDS, Changes, Key, Ledger, Saved, SavedConnection, SavedMessage, restore
from localpubsub.flags import Flags
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.roles import Permission
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import config
from tests.localpubsub.reliable_client import (
    RELIABLE,
    recovered,
    reliable_client,
    send_to_connection,
    server_text,
)

PERMISSIONS = {"sendToGroup": (False, {}, []), "joinLeaveGroup": (False, {"a": True}, ["b.*"])}
KEY = Key("open", "c1")
CONNECTION = SavedConnection(
    "open", "c1", "ivy", RELIABLE, PERMISSIONS, ["g"], (1, 2), 3, "s", {"c": "v"},
    7, 1.5,
)  # fmt: skip


def message(serial: int, number: int = 0, expires_at: float | None = None) -> SavedMessage:
    data = b'{"sequenceId":%d,"n":%d}' % (number, serial) if number else b'{"n":%d}' % serial
    return SavedMessage(serial, number, is_text=True, data=data, expires_at=expires_at)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "service.state"


def written(path: Path, *changes: Changes, is_clean: bool = True) -> None:
    file = StateFile(path)
    file.open()
    for one in changes:
        file.write(one, is_clean=is_clean)
    file.close()


def read(path: Path) -> Saved:
    file = StateFile(path)
    try:
        return file.open()
    finally:
        file.close()


def test_a_new_file_is_empty(path: Path) -> None:
    assert read(path) == Saved([], {}, is_clean=True)


def test_changes_are_laid_over_what_is_there(path: Path) -> None:
    first = Changes(connections=[CONNECTION], messages=[(KEY, message(1)), (KEY, message(2)), (KEY, message(10))])
    second = Changes(confirmed=[(KEY, 1)], messages=[(KEY, message(2, number=8))])

    written(path, first, second)

    saved = read(path)
    assert [vars(one) for one in saved.connections] == [
        vars(CONNECTION) | {"permissions": {name: list(one) for name, one in PERMISSIONS.items()}, "acks": [1, 2]}
    ]
    assert saved.messages == {KEY: [message(2, number=8), message(10)]}


def test_who_is_gone_is_gone_with_everything(path: Path) -> None:
    written(path, Changes(connections=[CONNECTION], messages=[(KEY, message(1))]), Changes(gone=[KEY]))

    assert read(path) == Saved([], {}, is_clean=True)


def test_starting_anew_forgets_what_was(path: Path) -> None:
    written(path, Changes(connections=[CONNECTION], messages=[(KEY, message(1))]), Changes(is_anew=True))

    assert read(path).connections == []


def test_a_start_that_saw_no_stop_is_noticed(path: Path) -> None:
    written(path, Changes())
    read(path)

    assert not read(path).is_clean


def not_a_database(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to be taken for one" * 100)


def damaged(path: Path) -> None:
    written(path, Changes(connections=[CONNECTION], messages=[(KEY, message(n)) for n in range(2000)]))
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xa5" * (len(content) - 4096 * 3)
    path.write_bytes(content)


def of_something_else(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
    connection.close()


def of_another_version(path: Path) -> None:
    written(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()


def without_a_record(path: Path) -> None:
    written(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO connections VALUES ('open', 'c1', '{}')")
    connection.close()


def of_no_subprotocol(path: Path) -> None:
    written(path, Changes(connections=[SavedConnection(**(vars(CONNECTION) | {"subprotocol": "dance"}))]))


MISTAKES = [
    (not_a_database, "is broken; delete it"),
    (damaged, "is broken; delete it"),
    (of_something_else, "is a database of something else"),
    (of_another_version, "has version 2, and this service writes version 1; delete it"),
    (without_a_record, "is broken; delete it"),
    (of_no_subprotocol, "is broken; delete it"),
    (Path.mkdir, "cannot use the state file"),
]


@pytest.mark.parametrize(("make", "complaint"), MISTAKES)
async def test_a_file_it_cannot_work_with_is_told_at_start(path: Path, make: object, complaint: str) -> None:
    make(path)  # type: ignore[operator]
    service = LocalPubSub(config(state=path))

    with pytest.raises(StateError, match=complaint) as error:
        await service.start()

    assert str(path) in str(error.value)


def test_the_command_says_it_in_one_line(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    of_another_version(path)

    assert main(["--port", "0", "--state", str(path)]) == 2

    assert capfd.readouterr().err.startswith(f"localpubsub: the state file {path} has version 2")


async def test_a_file_has_one_service(path: Path) -> None:
    async with LocalPubSub(config(state=path)):
        with pytest.raises(StateError, match="another process uses it"):
            await LocalPubSub(config(state=path)).start()
    async with LocalPubSub(config(state=path)):
        pass


async def test_the_file_of_settings_and_the_flag_name_it(tmp_path: Path) -> None:
    (tmp_path / "localpubsub.toml").write_text('state = "here.state"')
    base = load_config(tmp_path / "localpubsub.toml")

    assert base.state == tmp_path / "here.state"
    assert Flags().lay_over(base).state == tmp_path / "here.state"
    assert Flags(state=Path("there")).lay_over(base).state == Path("there")
    assert ServiceConfig().take_over(base) == ("state",)


async def test_a_crash_costs_what_a_tenth_of_a_second_brought(session: aiohttp.ClientSession, path: Path) -> None:
    """The file as it is while the service runs, without anybody having asked for it."""
    async with LocalPubSub(config(state=path)) as service, reliable_client(session, service) as client:
        assert service.state is not None
        assert service.state._save_seconds == SAVE_SECONDS == 0.1
        write, saved = service.state._file.write, asyncio.Event()
        loop = asyncio.get_running_loop()

        def watched(changes: Changes, *, is_clean: bool = False) -> None:
            write(changes, is_clean=is_clean)
            if any(b'"a"' in one.data for _, one in changes.messages):
                loop.call_soon_threadsafe(saved.set)

        service.state._file.write = watched  # type: ignore[method-assign]
        await send_to_connection(session, service, client.id, "a")
        await asyncio.wait_for(saved.wait(), 5)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{path}.crashed{suffix}")

    async with (
        LocalPubSub(config(state=path.with_name("service.state.crashed"))) as service,
        recovered(session, service, client) as again,
    ):
        assert await again.receive() == server_text(1, "a")
        await send_to_connection(session, service, client.id, "b")
        assert await again.receive() == server_text(1 + SKIPPED_IDS + 1, "b")


async def test_a_write_that_failed_is_made_good(
    session: aiohttp.ClientSession, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with LocalPubSub(config(state=path)) as service, reliable_client(session, service) as client:
        assert service.state is not None
        write = service.state._file.write

        def full(changes: Changes, *, is_clean: bool = False) -> None:
            service.state._file.write = write  # type: ignore[union-attr, method-assign]
            raise sqlite3.OperationalError("database or disk is full")

        await send_to_connection(session, service, client.id, "a")
        service.state._file.write = full  # type: ignore[method-assign]
        await service.state.save()
        await service.stop()

    assert "the state was not saved: database or disk is full" in caplog.text
    async with LocalPubSub(config(state=path)) as service, recovered(session, service, client) as again:
        assert await again.receive() == server_text(1, "a")


class Silent:
    async def deliver(self, *_: object) -> None:
        raise AssertionError("nobody is asked")


def engine() -> Service:
    return Service(config(), Silent())  # type: ignore[arg-type]


async def test_what_is_read_is_what_would_be_written() -> None:
    service = engine()
    messages = [message(4, number=6), message(5, number=7), message(8), message(9, expires_at=time() + 60)]

    restore(service, Saved([CONNECTION], {KEY: messages}, is_clean=True))

    changes = Ledger(service).changes()
    assert changes.connections == [CONNECTION]
    assert [one._replace(expires_at=None) for _, one in changes.messages] == [
        one._replace(expires_at=None) for one in messages
    ]
    expiry = changes.messages[-1][1].expires_at
    assert expiry == pytest.approx(messages[-1].expires_at, abs=5)
    service.sessions.halt()


@pytest.mark.parametrize(("is_clean", "ids"), [(True, [6, 8, 9]), (False, [6, 8, 10])])
async def test_a_message_past_its_time_is_not_sent(*, is_clean: bool, ids: list[int]) -> None:
    """After a crash nobody knows whether it was sent just before, so its id is used up."""
    service = engine()
    waiting = [message(4, number=6), message(5), message(6, expires_at=time() - 1), message(7, expires_at=time() + 60)]

    restore(service, Saved([CONNECTION], {KEY: waiting}, is_clean=is_clean))

    sequences = service.hub("open").connections["c1"].sequences
    assert sequences is not None
    frames = [one.data for one in iter(lambda: sequences.take(monotonic()), None)]
    assert [(b'"sequenceId":%d' % number) in one for number, one in zip(ids, frames, strict=True)] == [True] * 3
    service.sessions.halt()


async def test_only_what_changed_is_written_again() -> None:
    service = engine()
    other = SavedConnection(**(vars(CONNECTION) | {"id": "c2"}))
    restore(service, Saved([CONNECTION, other], {KEY: [message(1, number=7)]}, is_clean=True))
    ledger, hub = Ledger(service), service.hub("open")
    connection = hub.connections["c1"]
    ledger.changes()

    assert not ledger.changes()
    for change in (
        lambda: hub.join(connection, "new"),
        lambda: connection.acks.remember(9),
        lambda: connection.cookies.update(c="w"),
        lambda: setattr(connection, "state", "t"),
        connection.next_event_id,
        lambda: connection.permissions.revoke(Permission.SEND_TO_GROUP, "g"),
    ):
        change()
        changes = ledger.changes()
        assert [one.id for one in changes.connections] == ["c1"]
        assert (changes.messages, changes.confirmed) == ([], [])
    connection.acknowledge(7)
    assert ledger.changes().confirmed == [(KEY, 1)]
    connection.outbound.put(Frame(b'{"n":1}', is_text=True))
    assert [(one.serial, one.number) for _, one in ledger.changes().messages] == [(2, 0)]
    connection.outbound.take()
    assert [(one.serial, one.number) for _, one in ledger.changes().messages] == [(2, 8)]
    hub.remove(connection)
    assert ledger.changes().gone == [KEY]
    service.sessions.halt()
