"""Tables of rows in SQLite: many writes are a handful of statements, as the appends of `sqlite_logs`."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.storage.sqlite_file import as_json, insert

# For each table and row: the table as it is, and the row's name where there is one.
_FIND = """
SELECT t.name, t.id, t.size, r.name
FROM json_each(?) d JOIN tables t ON t.name = d.value->>0
LEFT JOIN table_rows r ON r.table_id = t.id AND r.name = d.value->>1
"""

_SET_SIZE = """
INSERT INTO tables (name, size) SELECT value->>0, value->>1 FROM json_each(?) WHERE true
ON CONFLICT (name) DO UPDATE SET size = excluded.size RETURNING name, id
"""

_TAKE_AWAY = """
DELETE FROM table_rows WHERE rowid IN (
  SELECT r.rowid FROM json_each(?) d JOIN table_rows r ON r.table_id = d.value->>0 AND r.name = d.value->>1
)
"""


class Write(NamedTuple):
    table: str
    rows: Mapping[str, bytes | None]


@dataclass
class _Table:
    """A table as it becomes, write by write."""

    id: int | None = None
    size: int = 0
    names: set[str] = field(default_factory=set)
    """Those of the rows to be written that are there."""
    changes: dict[str, bytes | None] = field(default_factory=dict)

    def write(self, rows: Mapping[str, bytes | None]) -> int:
        before = len(self.names)
        for name, value in rows.items():
            if value is None:
                self.names.discard(name)
            else:
                self.names.add(name)
        self.size += len(self.names) - before
        self.changes.update(rows)
        return self.size


def write_all(connection: sqlite3.Connection, writes: Sequence[Write]) -> list[int]:
    """How many rows each leaves in its table."""
    tables = _find(connection, writes)
    sizes = [tables[one.table].write(one.rows) for one in writes]
    _store(connection, {name: table for name, table in tables.items() if table.size and table.changes})
    emptied = [table.id for table in tables.values() if table.id is not None and not table.size]
    if emptied:
        forgotten = (as_json(emptied),)
        connection.execute("DELETE FROM table_rows WHERE table_id IN (SELECT value FROM json_each(?))", forgotten)
        connection.execute("DELETE FROM tables WHERE id IN (SELECT value FROM json_each(?))", forgotten)
    return sizes


def _find(connection: sqlite3.Connection, writes: Sequence[Write]) -> Mapping[str, _Table]:
    tables = {one.table: _Table() for one in writes}
    asked = [(one.table, name) for one in writes for name in one.rows or (None,)]
    for name, table_id, size, row in connection.execute(_FIND, (as_json(asked),)):
        table = tables[name]
        table.id, table.size = table_id, size
        if row is not None:
            table.names.add(row)
    return tables


def _store(connection: sqlite3.Connection, tables: Mapping[str, _Table]) -> None:
    if not tables:
        return
    sizes = as_json([(name, table.size) for name, table in tables.items()])
    ids = dict(connection.execute(_SET_SIZE, (sizes,)).fetchall())
    changes = [(ids[name], row, value) for name, table in tables.items() for row, value in table.changes.items()]
    kept = [change for change in changes if change[2] is not None]
    insert(connection, "INSERT OR REPLACE INTO table_rows (table_id, name, value)", kept)
    gone = [change[:2] for change in changes if change[2] is None]
    if gone:
        connection.execute(_TAKE_AWAY, (as_json(gone),))


def rows(connection: sqlite3.Connection, table: str) -> dict[str, bytes]:
    query = "SELECT r.name, r.value FROM tables t JOIN table_rows r ON r.table_id = t.id WHERE t.name = ?"
    return dict(connection.execute(query, (table,)).fetchall())
