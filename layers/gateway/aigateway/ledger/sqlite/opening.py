"""Opens the file: for its owner alone, durable, and of this release's layout."""

import os
import sqlite3
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import final

from aigateway.errors import RecorderUnavailable

Connecting = Callable[..., sqlite3.Connection]
"""Opens a file as ``sqlite3.connect`` does."""

MIGRATIONS = (
    "schema.sql",
    "parents.sql",
    "audit.sql",
    "gauges.sql",
    "people.sql",
    "publisher.sql",
    "costs.sql",
    "jobs.sql",
    "late.sql",
)
"""Scripts that lead from one layout version to the next; their number is the newest version."""
BUSY_MS = 5_000
BETWEEN_TRIES_MS = 50


def connect(path: Path | None, connecting: Connecting = sqlite3.connect) -> sqlite3.Connection:
    """Open the file, or one in memory without ``path``.

    Raises ``OSError`` or ``sqlite3.Error``, and ``RecorderUnavailable`` for a newer layout.
    """
    if path is not None:
        _make_private(path)
    connection = connecting(path or ":memory:", isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        _use_wal(connection)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten at once, or nobody could be forgotten.
        connection.execute("PRAGMA secure_delete = ON")
        # Else each savepoint makes a file of its own, and a record costs a quarter more.
        connection.execute("PRAGMA temp_store = MEMORY")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@final
class Place:
    """Where a file lay when it was opened: SQLite goes on writing to one that was deleted.

    Raises ``OSError`` where none lies there.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = _file_at(path)

    def has_another(self) -> bool:
        """Tell whether it is another file now. Raises ``RecorderUnavailable`` where it is none."""
        try:
            return _file_at(self._path) != self._file
        except OSError:
            raise RecorderUnavailable("the file of the ledger was deleted or moved") from None

    def check(self) -> None:
        """Raises ``RecorderUnavailable`` where it is not this file any more."""
        if self.has_another():
            raise RecorderUnavailable("the file of the ledger was replaced")


def _file_at(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    found = path.stat()
    return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """Create directory and file for their owner alone; SQLite gives its side files the same."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log.

    Of several that switch a new file at once some are told that it is locked, whatever time they
    would wait (sqlite3_busy_handler: it is not asked where waiting might be a deadlock).
    """
    connection.execute("PRAGMA busy_timeout = 0")
    for tries_left in reversed(range(BUSY_MS // BETWEEN_TRIES_MS)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not tries_left:
                raise
            time.sleep(BETWEEN_TRIES_MS / 1000)
        else:
            return


def _migrate(connection: sqlite3.Connection) -> None:
    newest = len(MIGRATIONS)
    if _version(connection) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)
    if version > newest:
        connection.execute("ROLLBACK")
        raise RecorderUnavailable(
            f"the ledger has layout {version}, written by a newer release; this one knows {newest}"
        )
    for script in MIGRATIONS[version:]:
        for statement in _statements(files(__package__).joinpath(script).read_text()):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {newest}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _statements(script: str) -> list[str]:
    """Split a script: ``executescript`` would commit before it begins."""
    return [text for text in script.split(";\n") if text.strip()]
