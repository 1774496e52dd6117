"""The schedules of a deployment, on this machine."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow
from local.schedule import Schedule, tick
from tests.breaking import Breaking
from tests.builders import an_opened
from tests.clocks import HeldClock

ROW = ProviderRow("main", {"name": "main", "type": "anthropic"}, 1)


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def clock() -> HeldClock:
    held = HeldClock()
    held.advance(30 * 60)
    return held


async def test_a_tick_reloads_closes_orphans_and_purges(
    store: SqliteStore, clock: HeldClock
) -> None:
    await store.put_provider(ROW, None)
    await store.open(an_opened())
    await tick(store, clock)
    assert (await store.reload_state()).version == 1
    assert await store.orphans(clock.now(), 9) == ()
    clock.advance(61 * 86_400)
    await tick(store, clock)
    assert await store.purge(clock.now(), 9) == 0


@pytest.mark.parametrize("fault", [None, ZeroDivisionError("a bug")])
async def test_a_part_that_fails_stops_no_other(
    store: SqliteStore,
    clock: HeldClock,
    fault: Exception | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await store.open(an_opened())
    await tick(Breaking(store, "provider_rows", fault), clock)
    assert await store.orphans(clock.now(), 9) == ()
    assert "reload" in caplog.text


async def test_a_schedule_ticks_at_once_and_stops_in_order(clock: HeldClock) -> None:
    ticked = asyncio.Event()

    def noted(*_: object) -> bool:
        ticked.set()
        return False

    store = SqliteStore(None)
    schedule = Schedule(Breaking(store, "purge", when=noted), clock, 3600)
    await schedule.start()
    await asyncio.wait_for(ticked.wait(), 10)
    await schedule.stop()
