"""What is deleted is gone from the disk: overwritten at once, and out of the log of writes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.sqlite.opening import MIGRATIONS
from tests.builders import a_closed, an_opened

CANARY = b"canary-3f9a"


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


async def test_what_an_older_release_left_in_the_file_is_gone_too(
    store: SqliteStore, path: Path
) -> None:
    await store.open(an_opened())
    await store.stop()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE old (text TEXT)")
        connection.executemany("INSERT INTO old VALUES (?)", [(CANARY.decode(),)] * 999)
        connection.execute("DROP TABLE old")
        connection.execute("DROP TABLE job")
        connection.execute("ALTER TABLE interception DROP COLUMN late")
        connection.execute(f"PRAGMA user_version = {MIGRATIONS.index('jobs.sql')}")
        connection.commit()
    await store.start()
    assert CANARY in bytes_in(path.parent)
    assert await store.keeping().scrub()
    assert CANARY not in bytes_in(path.parent)


async def test_a_scrub_gives_way_to_a_reader_and_writers_go_on(
    store: SqliteStore, path: Path
) -> None:
    opened = an_opened()
    await store.open(opened)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM session").fetchall()
        assert await store.close(opened, a_closed(opened), ())
        assert not await store.keeping().scrub()
        assert await store.close(opened, a_closed(opened), ()) is False
    assert await store.keeping().scrub()
