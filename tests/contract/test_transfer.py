"""A ledger leaves one store and arrives in another one: not a byte is different."""

from collections.abc import AsyncIterator

import pytest

from aigateway.ledger.importing import Importer
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Session
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import line_of, recorded, row_in
from tests.builders import a_closed, a_tool, an_opened, at
from tests.clocks import HeldClock
from tests.days import a_day, written

NOW = at(1000)


@pytest.fixture
async def embedded() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


async def exported(store: Store) -> list[bytes]:
    window = Window(3, NOW, inflight=True)
    return [line_of(row) async for row in recorded(store, Filter(), window)]


async def imported(store: Store, lines: list[bytes]) -> set[str]:
    fates = await Importer(store, HeldClock()).take(row_in(line) for line in lines)
    assert len(fates) == len(lines)
    return {fate for _, fate in fates}


async def sessions(store: Store) -> tuple[Session, ...]:
    window = Window(100, NOW, inflight=True, auxiliary=True)
    return (await store.sessions(Filter(), Reach(None), window)).rows


async def test_out_of_any_store_and_into_sqlite(store: Store, embedded: SqliteStore) -> None:
    await written(store, a_day())
    lines = await exported(store)
    assert len(lines) == 8
    assert await imported(embedded, lines) == {"imported"}
    assert await exported(embedded) == lines
    assert await sessions(embedded) == await sessions(store)


async def test_out_of_sqlite_into_any_store_and_a_second_time(
    store: Store, embedded: SqliteStore
) -> None:
    await written(embedded, a_day())
    lines = await exported(embedded)
    assert await imported(store, lines) == {"imported"}
    assert await imported(store, lines) == {"present"}
    assert await exported(store) == lines
    assert await sessions(store) == await sessions(embedded)


async def test_what_does_not_fit_into_columns_arrives_as_it_was(
    store: Store, embedded: SqliteStore
) -> None:
    opened = an_opened(model="m" * 500 + "\ud83d", session="s", prompt="half \ud83d")
    tools = [a_tool(f"call-{number}" + "x" * 600, name="t\ud83d") for number in range(300)]
    await written(store, [(opened, a_closed(opened, *tools, error_message="e" * 900))])
    lines = await exported(store)
    assert await imported(embedded, lines) == {"imported"}
    assert await exported(embedded) == lines
    assert await imported(store, lines) == {"present"}


async def test_records_of_one_millisecond_have_the_same_order_everywhere(
    store: Store, embedded: SqliteStore
) -> None:
    twins = [an_opened(0.001 + number / 1_000_000, session=None) for number in (5, 1, 9, 3)]
    await written(store, [(opened, a_closed(opened)) for opened in twins])
    lines = await exported(store)
    await imported(embedded, lines)
    assert await exported(embedded) == lines
