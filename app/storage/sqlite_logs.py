"""Numbered logs in SQLite: many appends are a handful of statements.

Between two statements the thread has to wait for the interpreter's lock, so what could be said in SQL for each append
is decided here, for all that share a transaction.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from app.storage.sqlite_file import as_json, insert
from app.upstream.storage import Conflict, Keep, Record

# For each log and id: the log as it is, and the record with that id.
_FIND = """
SELECT l.name, l.last, r.number, r.at, r.id, r.body
FROM json_each(?) d JOIN logs l ON l.name = d.value->>0
LEFT JOIN records r ON r.log_id = l.id AND r.id = d.value->>1
"""

_SET_LAST = """
INSERT INTO logs (name, last) SELECT value->>0, value->>1 FROM json_each(?) WHERE true
ON CONFLICT (name) DO UPDATE SET last = excluded.last RETURNING name, id
"""

# For each log: up to this number, or what is older than this. Numbers and times grow together.
_TRIM = """
DELETE FROM records WHERE (log_id, number) IN (
  SELECT r.log_id, r.number FROM json_each(?) d JOIN records r ON r.log_id = d.value->>0 AND r.number <= max(
    d.value->>1,
    CASE WHEN d.value->>2 IS NULL THEN 0 ELSE coalesce(
      (SELECT number - 1 FROM records WHERE log_id = d.value->>0 AND at >= d.value->>2 ORDER BY number LIMIT 1),
      d.value->>3
    ) END
  )
)
"""

_READ = """
SELECT r.number, r.at, r.id, r.body FROM logs l JOIN records r ON r.log_id = l.id
WHERE l.name = ? AND r.number > max(?, l.last - ?, l.last - ?) AND r.at >= ? ORDER BY r.number LIMIT ?
"""

_FAR = 2**53


class Append(NamedTuple):
    log: str
    id: str
    body: bytes
    at: float
    expected: int | None
    keep: Keep


@dataclass
class _Log:
    """A log as it becomes, append by append."""

    last: int = 0
    known: dict[str, Record] = field(default_factory=dict)
    """By id: the records that were asked for."""
    new: list[Record] = field(default_factory=list)
    floor: int = 0
    """Up to this number nothing is kept."""
    oldest: float = -inf
    """Nothing older than this is kept."""

    def append(self, one: Append) -> Record | Conflict:
        known = self.known.get(one.id)
        if known is not None and self._keeps(known):
            return known
        if one.expected is not None and one.expected != self.last:
            return Conflict(f"the log has {self.last} records, not {one.expected}")
        self.last += 1
        record = Record(self.last, one.at, one.id, one.body)
        self.known[one.id] = record
        self.new.append(record)
        self.floor = max(self.floor, self.last - one.keep.count)
        if one.keep.seconds is not None:
            self.oldest = max(self.oldest, one.at - one.keep.seconds)
        return record

    def _keeps(self, record: Record) -> bool:
        return record.number > self.floor and record.at >= self.oldest

    @property
    def kept(self) -> list[Record]:
        """Those of the new that are to be kept."""
        return [record for record in self.new if self._keeps(record)]


def append_all(connection: sqlite3.Connection, appends: Sequence[Append]) -> list[Record | Conflict]:
    logs = _find(connection, appends)
    outcomes = [logs[one.log].append(one) for one in appends]
    changed = {name: log for name, log in logs.items() if log.new}
    if changed:
        _store(connection, changed)
    return outcomes


def _find(connection: sqlite3.Connection, appends: Sequence[Append]) -> Mapping[str, _Log]:
    logs = {one.log: _Log() for one in appends}
    for name, last, *record in connection.execute(_FIND, (as_json([(one.log, one.id) for one in appends]),)):
        logs[name].last = last
        if record[0] is not None:
            known = Record(*record)
            logs[name].known[known.id] = known
    return logs


def _store(connection: sqlite3.Connection, logs: Mapping[str, _Log]) -> None:
    ids = dict(connection.execute(_SET_LAST, (as_json([(name, log.last) for name, log in logs.items()]),)).fetchall())
    trims = [
        (ids[name], log.floor, None if log.oldest == -inf else log.oldest, log.last)
        for name, log in logs.items()
        if log.floor > 0 or log.oldest > -inf
    ]
    if trims:
        connection.execute(_TRIM, (as_json(trims),))
    rows = [(ids[name], *record) for name, log in logs.items() for record in log.kept]
    insert(connection, "INSERT OR REPLACE INTO records (log_id, number, at, id, body)", rows)


def read(
    connection: sqlite3.Connection, log: str, *, after: int, newest: int | None, limit: int, keep: Keep, now: float
) -> list[Record]:
    """At most `limit` records that follow `after`, of the `newest` where that is given."""
    oldest = -inf if keep.seconds is None else now - keep.seconds
    count = _FAR if newest is None else newest
    found = connection.execute(_READ, (log, after, keep.count, count, oldest, limit))
    return [Record(*row) for row in found.fetchall()]


def drop_all(connection: sqlite3.Connection, names: Sequence[str]) -> list[None]:
    dropped = (as_json(names),)
    connection.execute(
        "DELETE FROM records WHERE log_id IN (SELECT l.id FROM json_each(?) d JOIN logs l ON l.name = d.value)", dropped
    )
    connection.execute("DELETE FROM logs WHERE name IN (SELECT value FROM json_each(?))", dropped)
    return [None] * len(names)
