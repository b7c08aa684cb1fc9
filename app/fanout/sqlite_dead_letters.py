"""Dead letters in the SQLite file, as an operator sees them."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from app.fanout.store import DeadLetter, EntryId
from app.storage.sqlite_file import as_json, connect
from app.upstream.storage import StorageError

BUSY_SECONDS = 5


class SqliteDeadLetters:
    """Works on the file beside the process that owns it, or without one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None

    async def list(self, limit: int) -> list[DeadLetter]:
        rows = self._execute(
            "SELECT id, hub, lane, accepted_at, died_at, reason, action FROM dead WHERE retry = 0 "
            "ORDER BY died_at DESC, id DESC LIMIT ?",
            (limit,),
        )
        return [DeadLetter(*row) for row in rows]

    async def retry(self, ids: Sequence[EntryId] | None) -> int:
        """Takes effect within a second where an upstream runs, else at its next start."""
        if ids is None:
            return self._execute("UPDATE dead SET retry = 1 WHERE retry = 0").rowcount
        statement = "UPDATE dead SET retry = 1 WHERE retry = 0 AND id IN (SELECT value FROM json_each(?))"
        return self._execute(statement, (as_json(ids),)).rowcount

    async def drop(self, ids: Sequence[EntryId] | None) -> int:
        if ids is None:
            return self._execute("DELETE FROM dead WHERE retry = 0").rowcount
        statement = "DELETE FROM dead WHERE retry = 0 AND id IN (SELECT value FROM json_each(?))"
        return self._execute(statement, (as_json(ids),)).rowcount

    async def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _execute(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            if self._open is None:
                if not self._path.exists():
                    raise StorageError(f"there is no file {self._path}")
                self._open = connect(self._path, BUSY_SECONDS)
            return self._open.execute(statement, parameters)
        except sqlite3.Error as error:
            raise StorageError(f"the file {self._path.name} cannot be used: {error}") from error
