"""The tables of the store's file, and how a file of an earlier version gets them."""

import sqlite3
from pathlib import Path

from app.upstream.storage import StorageError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY, lane TEXT, hub TEXT, accepted_at REAL, action BLOB)",
        "CREATE TABLE answers (id INTEGER PRIMARY KEY, key TEXT, expires_at REAL, reply TEXT)",
        """CREATE TABLE dead (
          id INTEGER PRIMARY KEY, lane TEXT, hub TEXT, accepted_at REAL, action BLOB, reason TEXT, died_at REAL,
          retry INTEGER NOT NULL DEFAULT 0
        )""",
        "CREATE INDEX dead_by_age ON dead (retry, died_at)",
    ),
    (
        "CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last INTEGER NOT NULL)",
        """CREATE TABLE records (
          log_id INTEGER, number INTEGER, at REAL, id TEXT, body BLOB, PRIMARY KEY (log_id, number)
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX records_by_id ON records (log_id, id)",
        "CREATE TABLE tables (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL)",
        "CREATE TABLE table_rows (table_id INTEGER, name TEXT, value BLOB, UNIQUE (table_id, name))",
    ),
)
"""The statements that lead from each version to the next; those of a released version are never changed."""

SCHEMA_VERSION = len(MIGRATIONS)


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `StorageError` for a file of a newer program. Changes nothing."""
    if _version(connection) > SCHEMA_VERSION:
        raise StorageError(f"{path} was written by a newer version of this program")


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the file to this version, all at once or not at all."""
    if _version(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Asked again: another process may have done it meanwhile.
    for statements in MIGRATIONS[_version(connection) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
