"""The one thread that owns the connection, and the transactions it makes.

Writes that queued up while a commit was under way go into the next transaction together, each
behind a savepoint of its own, and are acknowledged after the commit: many small writes then cost
few waits for the disk. Reads run between the commits, each on one state of the file.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal, TypeVar, final

from aigateway.errors import RecorderUnavailable
from aigateway.ledger.sqlite.opening import Connecting, Place, connect

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

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
            held = _Held(self._path, self._connecting)
        except (sqlite3.Error, OSError, RecorderUnavailable) as error:
            if opened.set_running_or_notify_cancel():
                opened.set_exception(_fault(error))
            return
        with closing(held):
            if not opened.set_running_or_notify_cancel():
                return
            opened.set_result(None)
            while jobs := self._batch():
                wanted = [job for job in jobs if job.future.set_running_or_notify_cancel()]
                try:
                    held.renew()
                except (sqlite3.Error, OSError, RecorderUnavailable) as error:
                    for job in wanted:
                        job.future.set_exception(_fault(error))
                    continue
                held.serve(wanted)
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


@final
class _Held:
    """The connection of the one thread, and the file that it is to.

    A file that is not in its place any more is written no further: whatever was acknowledged
    there would be gone with the process. Another one in its place is opened.
    """

    def __init__(self, path: Path | None, connecting: Connecting) -> None:
        self._path = path
        self._connecting = connecting
        self._connection = connect(path, connecting)
        self._place = Place(path)

    def close(self) -> None:
        self._connection.close()

    def renew(self) -> None:
        """Open the file that lies there now. Raises what opening raises."""
        if self._place.has_another():
            self._connection.close()
            self._connection = connect(self._path, self._connecting)
            self._place = Place(self._path)

    def serve(self, jobs: list[_Job]) -> None:
        _write(self._connection, [job for job in jobs if job.kind == "write"], self._place)
        for job in jobs:
            if job.kind == "read":
                _read(self._connection, job)
            elif job.kind == "apart":
                _apart(self._connection, job)


def _write(connection: sqlite3.Connection, jobs: list[_Job], place: Place) -> None:
    if not jobs:
        return
    done: list[tuple[_Job, Any]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            _write_one(connection, job, done)
        connection.execute("COMMIT")
        place.check()
    except (sqlite3.Error, RecorderUnavailable) as error:
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
