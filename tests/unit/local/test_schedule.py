"""The schedules of a deployment, on this machine."""

import asyncio

import pytest

from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.reload.tick import Tick
from local.schedule import Schedule
from tests.breaking import Breaking
from tests.clocks import HeldClock
from tests.reloads import a_reload


@pytest.fixture
def clock() -> HeldClock:
    held = HeldClock()
    held.advance(30 * 60)
    return held


async def test_a_schedule_ticks_at_once_and_stops_in_order(clock: HeldClock) -> None:
    ticked = asyncio.Event()

    def noted(*_: object) -> bool:
        ticked.set()
        return False

    store = SqliteStore(None)
    schedule = Schedule(
        Breaking(store, "purge", when=noted), Tick(clock, a_reload(clock), {}), 3600
    )
    await schedule.start()
    await asyncio.wait_for(ticked.wait(), 10)
    await schedule.stop()


async def test_a_tick_that_fails_is_followed_by_another(clock: HeldClock) -> None:
    ticked: asyncio.Queue[None] = asyncio.Queue()

    async def broken(_: Store) -> int:
        ticked.put_nowait(None)
        raise ZeroDivisionError

    schedule = Schedule(SqliteStore(None), Tick(clock, a_reload(clock), {"broken": broken}), 0)
    await schedule.start()
    for _ in range(2):
        await asyncio.wait_for(ticked.get(), 10)
    await schedule.stop()
