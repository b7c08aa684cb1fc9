"""A file of connection strings that is replaced while the process runs."""

import asyncio
from pathlib import Path

import pytest
import structlog

from app.clients import key_file
from app.clients.key_file import KeyFile, followed
from app.clients.keys import AnotherService
from app.upstream.connection_string import ConnectionString, read_connection_strings

A, B, C = (letter * 44 for letter in "ABC")


def text(*keys: str, between: str = "\n") -> str:
    return between.join(f"Endpoint=https://contoso.webpubsub.azure.com;AccessKey={key};Version=1.0;" for key in keys)


class Mount:
    """A secret as Kubernetes mounts it: the file is a link through `..data`, a link that is swapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = 0
        self.path = folder / "keys"
        self.put(text(A))
        self.path.symlink_to("..data/keys")

    def put(self, content: str) -> None:
        self._versions += 1
        version = self._folder / f"..{self._versions}"
        version.mkdir()
        (version / "keys").write_text(content)
        (self._folder / "..new").symlink_to(version.name)
        (self._folder / "..new").rename(self._folder / "..data")


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


class Taken:
    def __init__(self) -> None:
        self.keys: list[list[str]] = []
        self.error: Exception | None = None

    def __call__(self, connections: tuple[ConnectionString, ...]) -> None:
        if self.error is not None:
            raise self.error
        self.keys.append([one.access_key.get_secret_value() for one in connections])


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def file(mount: Mount, taken: Taken) -> KeyFile:
    known = read_connection_strings(mount.path)
    return KeyFile(mount.path, known, taken, look_seconds=0, settle_seconds=0)


async def test_what_is_mounted_anew_is_taken_once(file: KeyFile, mount: Mount, taken: Taken) -> None:
    await file.look()
    mount.put(text(B, A))
    for _ in range(3):
        await file.look()
    mount.put(text(C, B, between=","))
    await file.look()

    assert taken.keys == [[B, A], [C, B]]


async def test_a_file_of_the_same_size_and_age_is_another_all_the_same(
    file: KeyFile, mount: Mount, taken: Taken
) -> None:
    mount.path.write_text(text(B))
    await file.look()

    assert taken.keys == [[B]]


async def test_a_file_that_is_still_being_written_is_left_alone(
    file: KeyFile, mount: Mount, taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half of a key is a key as well."""

    async def write_on(_: float) -> None:
        mount.put(text(B))

    mount.put(text(B)[:70])
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", write_on)
        await file.look()
    assert taken.keys == []

    await file.look()
    assert taken.keys == [[B]]


@pytest.mark.parametrize(
    "spoilt", ["", "  \n,", "Endpoint=https://contoso.webpubsub.azure.com;AccessK", "\ud800", None]
)
async def test_what_cannot_be_used_changes_nothing_and_is_said_once(
    file: KeyFile, mount: Mount, taken: Taken, spoilt: str | None
) -> None:
    if spoilt is None:
        mount.path.unlink()
    else:
        mount.path.write_bytes(spoilt.encode("utf-8", "surrogatepass"))
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await file.look()
    mount.path.write_text(text(B))
    await file.look()

    assert [(one["log_level"], one["event"]) for one in logs] == [("warning", "access keys stay as they were")]
    assert str(mount.path) in logs[0]["reason"] or "connection string" in logs[0]["reason"]
    assert taken.keys == [[B]]


async def test_another_service_is_an_error_in_words_without_the_key(file: KeyFile, mount: Mount, taken: Taken) -> None:
    taken.error = AnotherService("this process serves another")
    mount.put(text(B))
    with structlog.testing.capture_logs() as logs:
        await file.look()
        await file.look()

    assert [(one["log_level"], "needs a restart" in one["event"]) for one in logs] == [("error", True)]
    assert B not in str(logs)


async def test_it_is_looked_at_again_and_again(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(key_file, "SETTLE_SECONDS", 0.001)
    came: asyncio.Queue[int] = asyncio.Queue()
    known = read_connection_strings(mount.path)

    async with followed(mount.path, known, lambda found: came.put_nowait(len(found))), asyncio.timeout(10):
        mount.put(text(A, B))
        assert await came.get() == 2
        mount.put(text(B))
        assert await came.get() == 1
