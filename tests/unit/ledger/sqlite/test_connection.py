"""The file: who may read it, which layouts are known, what is durable, how it fails."""

import asyncio
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from aigateway.errors import AuthUnavailable, Conflict, RecorderUnavailable
from aigateway.ledger.listing import Reach
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.sqlite.opening import MIGRATIONS
from aigateway.pool.providers import ProviderRow
from aigateway.steps import Step
from tests.builders import a_closed, a_thought, an_opened, at

ALL = Reach(None)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def started_and_stopped(path: Path) -> None:
    async def run() -> None:
        store = SqliteStore(path)
        await store.start()
        await store.stop()

    asyncio.run(run())


async def setting(store: SqliteStore, pragma: str) -> object:
    return await store._database.read(lambda c: c.execute(f"PRAGMA {pragma}").fetchone()[0])


async def traced(store: SqliteStore) -> list[str]:
    """Return the list that every statement of the store is added to from now on."""
    statements: list[str] = []
    await store._database.read(lambda c: c.set_trace_callback(statements.append))
    return statements


async def test_directory_and_files_are_for_their_owner_alone(
    store: SqliteStore, path: Path
) -> None:
    await store.open(an_opened())
    assert mode(path.parent) == 0o700
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
    assert [mode(file) for file in files] == [0o600] * 3


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch(0o644)
    tmp_path.chmod(0o755)
    started_and_stopped(path)
    assert mode(path) == 0o600
    assert mode(tmp_path) == 0o755


async def test_what_is_acknowledged_survives_a_loss_of_power(store: SqliteStore) -> None:
    assert await setting(store, "journal_mode") == "wal"
    assert await setting(store, "synchronous") == 2
    assert await setting(store, "foreign_keys") == 1
    assert await setting(store, "busy_timeout") == 5000
    assert await setting(store, "user_version") == len(MIGRATIONS)


async def test_records_are_there_after_a_restart(store: SqliteStore, path: Path) -> None:
    opened = an_opened()
    await store.open(opened)
    await store.stop()
    again = SqliteStore(path)
    await again.start()
    found = await again.interception(opened.id, ALL, at(1))
    await again.stop()
    assert found is not None
    assert found.opened == opened


async def test_a_cursor_survives_a_restart(store: SqliteStore) -> None:
    named = "SELECT value FROM setting WHERE name = 'cursor_key'"
    key = await store._database.read(lambda c: c.execute(named).fetchone()[0])
    await store.stop()
    await store.start()
    assert await store._database.read(lambda c: c.execute(named).fetchone()[0]) == key
    assert len(key) == 32


async def test_a_ledger_of_an_older_layout_is_moved_up_with_its_records(path: Path) -> None:
    opened = an_opened()
    store = SqliteStore(path)
    await store.start()
    await store.open(opened)
    await store.stop()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE gauge")
        connection.execute("DROP INDEX interception_unparented")
        for column in ("parents_unknown", "late"):
            connection.execute(f"ALTER TABLE interception DROP COLUMN {column}")
        for table in ("interception", "session"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN cost_micros")
        for table in ("audit", "principal", "rate_window", "publisher", "job"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    await store.start()
    assert await store.close(opened, a_closed(opened, parents_unknown=True), ())
    assert [found.id for found in await store.unparented(9)] == [opened.id]
    await store.stop()


async def test_a_newer_layout_is_refused_and_left_alone(store: SqliteStore, path: Path) -> None:
    await store.stop()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RecorderUnavailable, match=r"layout 99.*newer"):
        await store.start()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_file_of_another_kind_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else, longer than a header of SQLite " * 40)
    before = path.read_bytes()
    with pytest.raises(RecorderUnavailable):
        started_and_stopped(path)
    assert path.read_bytes() == before


async def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RecorderUnavailable):
        await SqliteStore(tmp_path).start()
    (tmp_path / "file").touch()
    with pytest.raises(RecorderUnavailable):
        await SqliteStore(tmp_path / "file" / "ledger.db").start()


async def test_several_processes_may_start_on_one_new_file(path: Path) -> None:
    stores = [SqliteStore(path) for _ in range(5)]
    await asyncio.gather(*(store.start() for store in stores))
    records = [an_opened(number) for number in range(20)]
    await asyncio.gather(*(stores[n % 5].open(each) for n, each in enumerate(records)))
    (group,) = await stores[0].session("session-1", ALL, at(1))
    assert len(group) == 20
    await asyncio.gather(*(store.stop() for store in stores))


async def test_a_start_waits_for_another_one_that_switches_the_file(path: Path) -> None:
    path.parent.mkdir(parents=True)
    store = SqliteStore(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        starting = asyncio.create_task(store.start())
        await asyncio.wait({starting}, timeout=0.2)
        assert not starting.done()
        other.execute("ROLLBACK")
    await starting
    await store.stop()


async def test_a_start_that_was_given_up_leaves_no_thread(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        starting = asyncio.create_task(SqliteStore(path).start())
        before = set(threading.enumerate())
        await asyncio.wait({starting}, timeout=0)
        (thread,) = {each for each in threading.enumerate() if each.name == "ledger"} - before
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        other.execute("ROLLBACK")
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


async def test_before_start_and_after_stop_the_store_is_unavailable(store: SqliteStore) -> None:
    await store.stop()
    await store.stop()
    with pytest.raises(RecorderUnavailable):
        await store.open(an_opened())
    with pytest.raises(AuthUnavailable):
        await store.key("0" * 16)


async def test_stopping_finishes_what_was_asked(store: SqliteStore, path: Path) -> None:
    records = [an_opened(number) for number in range(10)]
    writing = asyncio.gather(*(store.open(opened) for opened in records))
    await asyncio.sleep(0)
    await store.stop()
    await writing
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM interception").fetchone() == (10,)


async def held(store: SqliteStore) -> tuple[Event, "asyncio.Future[bool]"]:
    """Keep the store's thread busy until the event is set."""
    begun, release = Event(), Event()

    def work(_: sqlite3.Connection) -> bool:
        begun.set()
        return release.wait(10)

    waiting = asyncio.ensure_future(store._database.read(work))
    await asyncio.to_thread(begun.wait, 10)
    return release, waiting


async def test_writes_that_queued_up_share_one_commit(store: SqliteStore) -> None:
    statements = await traced(store)
    release, waiting = await held(store)
    writing = asyncio.gather(*(store.open(an_opened(number)) for number in range(20)))
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(waiting, writing)
    begun = statements.index("BEGIN IMMEDIATE")
    assert statements[begun:].count("COMMIT") == 1
    (group,) = await store.session("session-1", ALL, at(1))
    assert len(group) == 20


async def test_one_failure_costs_its_neighbours_nothing(store: SqliteStore) -> None:
    row = ProviderRow("openai", {}, 1)
    too_large = (Step("J", ("x",), "n", 1), Step("J", ("x",), "n", 1 << 70))
    release, waiting = await held(store)
    writing = asyncio.gather(
        store.open(an_opened(1)),
        store.put_provider(row, 5),
        store.count(too_large),
        store.open(an_opened(2)),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    release.set()
    await waiting
    results = await writing
    assert [type(each) for each in results] == [
        type(None),
        Conflict,
        RecorderUnavailable,
        type(None),
    ]
    assert await store.counters() == {}
    (group,) = await store.session("session-1", ALL, at(1))
    assert len(group) == 2


async def test_a_bug_in_one_call_is_raised_there_and_ends_nothing(store: SqliteStore) -> None:
    for run in (store._database.read, store._database.write):
        with pytest.raises(ZeroDivisionError):
            await run(lambda _: 1 / 0)
    await store.open(an_opened())


async def test_a_call_that_was_given_up_in_the_queue_is_not_made(store: SqliteStore) -> None:
    opened = an_opened()
    release, waiting = await held(store)
    writing = asyncio.ensure_future(store.open(opened))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.sleep(0)
    release.set()
    await waiting
    assert await store.interception(opened.id, ALL, at(1)) is None


async def test_a_locked_file_is_unavailable_until_it_is_released(
    store: SqliteStore, beside: sqlite3.Connection
) -> None:
    await setting_to(store, "busy_timeout = 0")
    beside.execute("BEGIN IMMEDIATE")
    opened = an_opened()
    with pytest.raises(RecorderUnavailable):
        await store.open(opened)
    assert await store.interception(opened.id, ALL, at(1)) is None
    beside.execute("COMMIT")
    await store.open(opened)


async def setting_to(store: SqliteStore, pragma: str) -> None:
    await store._database.read(lambda c: c.execute(f"PRAGMA {pragma}").fetchall())


async def test_a_full_disk_loses_no_half_of_a_record(store: SqliteStore) -> None:
    opened = an_opened()
    await store.open(opened)
    pages = await setting(store, "page_count")
    await setting_to(store, f"max_page_count = {pages}")
    text = "".join(f"{number:x}" for number in range(100_000))
    closed = a_closed(opened, a_thought(text))
    with pytest.raises(RecorderUnavailable):
        await store.close(opened, closed, (Step("J", ("x",), "n", 1),))
    found = await store.interception(opened.id, ALL, at(1))
    assert found is not None
    assert found.closed is None
    assert await store.counters() == {}
    await setting_to(store, "max_page_count = 1000000")
    assert await store.close(opened, closed, ())


async def test_a_file_that_may_not_be_written_is_unavailable(store: SqliteStore) -> None:
    await setting_to(store, "query_only = ON")
    with pytest.raises(RecorderUnavailable):
        await store.open(an_opened())
    assert await store.users() == ()


async def test_no_text_of_a_record_is_in_a_fault(store: SqliteStore) -> None:
    await setting_to(store, "query_only = ON")
    with pytest.raises(RecorderUnavailable) as caught:
        await store.open(an_opened(prompt="the secret of the house"))
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"


def delete(*paths: Path) -> None:
    for path in paths:
        path.unlink()


async def test_nothing_is_acknowledged_in_a_file_that_was_deleted(
    store: SqliteStore, path: Path
) -> None:
    """SQLite itself goes on writing to it, and all would be gone with the process."""
    delete(path)
    with pytest.raises(RecorderUnavailable, match="deleted"):
        await store.open(an_opened())
    with pytest.raises(RecorderUnavailable):
        await store.users()


async def test_nothing_is_acknowledged_in_a_file_that_was_deleted_meanwhile(
    store: SqliteStore, path: Path
) -> None:
    opened = an_opened()
    await store.open(opened)

    def deleting(connection: sqlite3.Connection) -> int:
        delete(path)
        return connection.execute("DELETE FROM counter").rowcount

    with pytest.raises(RecorderUnavailable, match="deleted"):
        await store._database.write(deleting)


async def test_a_file_that_was_moved_away_and_back_is_gone_on_with(
    store: SqliteStore, path: Path
) -> None:
    away = path.parent.with_name("away")
    path.parent.rename(away)
    with pytest.raises(RecorderUnavailable):
        await store.open(an_opened())
    away.rename(path.parent)
    opened = an_opened()
    await store.open(opened)
    assert await store.interception(opened.id, ALL, at(1)) is not None


async def test_a_file_that_was_put_in_place_of_another_is_opened(
    store: SqliteStore, path: Path
) -> None:
    kept, lost = an_opened(0), an_opened(1)
    await store.open(kept)
    await store._database.apart(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    await store.open(lost)
    delete(*(path.with_name(f"{path.name}-{side}") for side in ("wal", "shm")))
    copy.replace(path)
    assert await store.close(kept, a_closed(kept), ())
    assert await store.interception(lost.id, ALL, at(2)) is None
    found = await store.interception(kept.id, ALL, at(2))
    assert found is not None
    assert found.closed is not None
    assert await setting(store, "synchronous") == 2
