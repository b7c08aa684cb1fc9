"""`STORE`: which stores a URL names."""

from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from app.fanout.memory import MemoryStore
from app.fanout.sqlite import SqliteStore
from app.fanout.sqlite_dead_letters import SqliteDeadLetters
from app.fanout.store import DeadLetters, Store
from app.storage.sqlite_file import SqliteFile
from app.storage.sqlite_storage import SqliteStorage
from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import Storage

FORMS = "sqlite:///relative/path, sqlite:////absolute/path, redis://host:port/0 or memory://"


class OwnedStorage(Storage, Protocol):
    """A storage as the one who opens it sees it."""

    async def open(self) -> None:
        """Makes ready. Raises `StorageError`."""

    async def close(self) -> None: ...


class Stores(NamedTuple):
    """In one place: the same file, the same Redis, or memory."""

    outbox: Store
    storage: OwnedStorage


def check_store_url(url: str) -> str:
    """The URL again. Raises `ValueError` where it names no store."""
    try:
        is_known = _is_store(url)
    except ValueError:  # it quotes what it takes for the port, which may be of a password
        is_known = False
    if not is_known:
        raise ValueError(f"must be {FORMS}; in a password %2F stands for / and %40 for @")
    return url


def _is_store(url: str) -> bool:
    """Raises `ValueError` where it is no URL at all."""
    parts = urlsplit(url)
    match parts.scheme:
        case "memory":
            return True
        case "sqlite":
            return bool(_path(url).name)
        case "redis" | "rediss":
            return bool(parts.hostname) and parts.port != 0 and (parts.path.strip("/") or "0").isdigit()
        case "unix":
            return bool(parts.path.strip("/"))
        case _:
            return False


def stores_for(url: str) -> Stores:
    """Opens nothing."""
    match urlsplit(url).scheme:
        case "memory":
            return Stores(MemoryStore(), MemoryStorage())
        case "sqlite":
            file = SqliteFile(_path(url))
            return Stores(SqliteStore(file), SqliteStorage(file))
        case _:
            # A twentieth of a second to import, and only deployments with Redis need it.
            from app.fanout.redis.store import RedisStore  # noqa: PLC0415
            from app.storage.redis_storage import RedisStorage  # noqa: PLC0415

            return Stores(RedisStore(url), RedisStorage(url))


def dead_letters_for(url: str) -> DeadLetters:
    """Raises `ValueError` for a store that only its own process can see."""
    match urlsplit(url).scheme:
        case "memory":
            raise ValueError("memory:// keeps nothing that another process could look at")
        case "sqlite":
            return SqliteDeadLetters(_path(url))
        case _:
            from app.fanout.redis.dead_letters import RedisDeadLetters  # noqa: PLC0415

            return RedisDeadLetters(url)


def _path(url: str) -> Path:
    """Three slashes and a relative path, four and an absolute one."""
    rest = url.removeprefix("sqlite://")
    # SQLite would take ":memory:" for no file at all.
    return Path(rest[1:]) if rest.startswith("/") and rest != "/:memory:" else Path()
