"""Gateways that begin while their ledger cannot be used: they refuse, and heal by themselves."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from tests.contract.stand_in import at_once
from tests.faults.conftest import OverFile
from tests.faults.site import Site, end_of
from tests.faults.table import FAULTS, FaultyTable

HARMLESS = (
    "batch answered in part",
    "empty page",
    "transaction conflict",
    "transaction in progress",
)
STOPPING = [name for name in FAULTS if name not in HARMLESS]


async def begin(site: Site, store: Store) -> None:
    """Start another gateway, and have it refuse a request and a probe."""
    site.restart(store)
    before = len(site.seen)
    assert not await site.is_ready()
    refused = await site.ask("chat", "early")
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.headers["x-ai-gateway-error"] == "auth_unavailable"
    assert refused.document["error"]["type"] == "server_error"
    assert len(site.seen) == before


async def heal(site: Site) -> None:
    assert await site.is_ready()
    await site.served()
    assert {end_of(row) for row in await site.settled()} == {("completed", None)}


async def test_a_gateway_begins_while_the_table_cannot_be_used_and_heals(
    site: Site, table: FaultyTable, dynamodb_moto: DynamoStore
) -> None:
    for fault in STOPPING:
        store = DynamoStore(
            dynamodb_moto._table.name, connection=table, pause=at_once, clock=site.clock
        )
        with table.suffering(fault):
            await begin(site, store)
        assert await site.is_ready(), fault
    await heal(site)


@contextmanager
def another_kind(path: Path) -> Iterator[None]:
    whole = path.read_bytes()
    path.write_bytes(b"something else, longer than a header of SQLite " * 40)
    yield
    path.write_bytes(whole)


@contextmanager
def newer_layout(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("PRAGMA user_version = 99")
    yield
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


@contextmanager
def a_file_for_a_directory(path: Path) -> Iterator[None]:
    """Where the directory should be lies a file: nobody can make one there, whatever its rights."""
    away = path.parent.with_name("away")
    path.parent.rename(away)
    path.parent.touch()
    yield
    path.parent.unlink()
    away.rename(path.parent)


@contextmanager
def a_directory_for_a_file(path: Path) -> Iterator[None]:
    """What lies there opens for nobody who wants to write."""
    away = path.with_name("away.db")
    path.rename(away)
    path.mkdir()
    yield
    path.rmdir()
    away.rename(path)


UNUSABLE: Mapping[str, Callable[[Path], AbstractContextManager[None]]] = {
    "file of another kind": another_kind,
    "newer layout": newer_layout,
    "directory cannot be made": a_file_for_a_directory,
    "file cannot be opened": a_directory_for_a_file,
}
"""Faults that a gateway meets when it begins, by the names that people read."""


@pytest.mark.parametrize("fault", UNUSABLE)
async def test_a_gateway_begins_while_the_file_cannot_be_used_and_heals(
    over_file: OverFile, fault: str
) -> None:
    site, ledger = await over_file()
    await ledger.store.stop()
    store = SqliteStore(ledger.path)
    with UNUSABLE[fault](ledger.path):
        await begin(site, store)
    await ledger.store.start()
    await heal(site)
    await store.stop()
