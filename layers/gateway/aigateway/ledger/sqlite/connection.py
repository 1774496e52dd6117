"""The one thread that owns the connection, and the transactions it makes.

Writes that queued up while a commit was under way go into the next transaction together, each
behind a savepoint of its own, and are acknowledged after the commit: many small writes then cost
few waits for the disk. Reads run between the commits, each on one state of the file.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal, TypeVar, final

from aigateway.errors import RecorderUnavailable

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]
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
BATCH_LIMIT = 256
CLOSED = "the ledger is not open"
UNBINDABLE = (OverflowError, UnicodeEncodeError)
"""What binding a value raises: an integer beyond 64 bits, half of a surrogate pair."""


@final
@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    kind: Literal["read", "write", "apart"]
    future: "Future[Any]"


@final
class Database:
    """An SQLite file, or one in memory without ``path``. Every method may be called in any thread.

    Whatever SQLite raises becomes ``RecorderUnavailable``.
    """

    def __init__(self, path: Path | None, connecting: Connecting = sqlite3.connect) -> None:
        self._path = path
        self._connecting = connecting
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: Thread | None = None

    async def start(self) -> None:
        if self._thread is not None:
            return
        opened: Future[None] = Future()
        thread = Thread(target=self._serve, args=(opened,), name="ledger", daemon=True)
        thread.start()
        await asyncio.wrap_future(opened)
        self._thread = thread

    async def stop(self) -> None:
        """Finish what is queued, then close the file."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)

    async def read(self, work: Work[Result]) -> Result:
        """Run ``work`` on one state of the file."""
        return await self._queued(work, "read")

    async def write(self, work: Work[Result]) -> Result:
        """Run ``work`` all or nothing, and return when it is on the disk."""
        return await self._queued(work, "write")

    async def apart(self, work: Work[Result]) -> Result:
        """Run ``work`` outside any transaction: some statements refuse to be in one."""
        return await self._queued(work, "apart")

    async def _queued(self, work: Work[Result], kind: Literal["read", "write", "apart"]) -> Result:
        if self._thread is None:
            raise RecorderUnavailable(CLOSED)
        job = _Job(work, kind, Future())
        self._jobs.put(job)
        result: Result = await asyncio.wrap_future(job.future)
        return result

    def _serve(self, opened: "Future[None]") -> None:
        try:
            connection = _connect(self._path, self._connecting)
        except (sqlite3.Error, OSError) as error:
            opened.set_exception(_fault(error))
            return
        except RecorderUnavailable as fault:
            opened.set_exception(fault)
            return
        with closing(connection):
            opened.set_result(None)
            while jobs := self._batch():
                wanted = [job for job in jobs if job.future.set_running_or_notify_cancel()]
                _write(connection, [job for job in wanted if job.kind == "write"])
                for job in wanted:
                    if job.kind == "read":
                        _read(connection, job)
                    elif job.kind == "apart":
                        _apart(connection, job)
        while not self._jobs.empty():
            if (late := self._jobs.get()) is not None:
                late.future.set_exception(RecorderUnavailable(CLOSED))

    def _batch(self) -> list[_Job]:
        jobs: list[_Job] = []
        try:
            job = self._jobs.get()
            while job is not None:
                jobs.append(job)
                if len(jobs) == BATCH_LIMIT:
                    return jobs
                job = self._jobs.get_nowait()
        except Empty:
            return jobs
        if jobs:
            self._jobs.put(None)
        return jobs


def _write(connection: sqlite3.Connection, jobs: list[_Job]) -> None:
    if not jobs:
        return
    done: list[tuple[_Job, Any]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            _write_one(connection, job, done)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(_fault(error))
        return
    for job, result in done:
        job.future.set_result(result)


def _write_one(connection: sqlite3.Connection, job: _Job, done: list[tuple[_Job, Any]]) -> None:
    """Raises ``sqlite3.Error`` when the whole transaction is lost, not this job alone."""
    connection.execute("SAVEPOINT one")
    try:
        done.append((job, job.work(connection)))
    except BaseException as error:
        if not connection.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back") from error
        connection.execute("ROLLBACK TO one")
        job.future.set_exception(_fault(error))
    connection.execute("RELEASE one")


def _read(connection: sqlite3.Connection, job: _Job) -> None:
    try:
        connection.execute("BEGIN")
        result = job.work(connection)
        connection.execute("COMMIT")
    except BaseException as error:  # noqa: BLE001 - it is the caller's to handle, not this thread's
        _roll_back(connection)
        job.future.set_exception(_fault(error))
    else:
        job.future.set_result(result)


def _apart(connection: sqlite3.Connection, job: _Job) -> None:
    try:
        job.future.set_result(job.work(connection))
    except BaseException as error:  # noqa: BLE001 - likewise
        job.future.set_exception(_fault(error))


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _fault(error: BaseException) -> BaseException:
    if not isinstance(error, (sqlite3.Error, OSError, *UNBINDABLE)):
        return error
    fault = RecorderUnavailable(f"the ledger does not answer: {type(error).__name__}")
    fault.__cause__ = error
    return fault


def _connect(path: Path | None, connecting: Connecting) -> sqlite3.Connection:
    if path is not None:
        _make_private(path)
    connection = connecting(path or ":memory:", isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
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


def _make_private(path: Path) -> None:
    """Create directory and file for their owner alone; SQLite gives its side files the same."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


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
