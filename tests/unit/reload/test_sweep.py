"""Closing what nobody will close any more."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from aigateway.errors import LedgerFault
from aigateway.ledger.sqlite import SqliteStore
from aigateway.reload.sweep import abandoned_record, purge, sweep
from aigateway.steps import steps_of_closing
from tests.breaking import Breaking
from tests.builders import T0, a_closed, an_opened, at

MINUTE = 60.0


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


async def test_i08_an_orphan_is_closed_from_its_twentieth_minute_on(store: SqliteStore) -> None:
    await store.open(an_opened(0))
    assert await sweep(store, at(20 * MINUTE)) == 0
    assert await sweep(store, at(20 * MINUTE + 1)) == 1
    assert await sweep(store, at(40 * MINUTE)) == 0


async def test_what_is_closed_or_young_is_left_alone(store: SqliteStore) -> None:
    closed, young = an_opened(0), an_opened(15 * MINUTE)
    await store.open(closed)
    await store.open(young)
    await store.close(closed, a_closed(closed), ())
    assert await sweep(store, at(30 * MINUTE)) == 0


async def test_an_abandoned_record_is_counted_as_failed(store: SqliteStore) -> None:
    opened = an_opened(0)
    await store.open(opened)
    await sweep(store, at(30 * MINUTE))
    expected = steps_of_closing(opened, abandoned_record(opened, at(30 * MINUTE)))
    (amounts,) = (await store.counters()).values()
    assert amounts == {step.attribute: step.amount for step in expected}
    assert (amounts["f"], amounts["um:cut"]) == (1, 1)


def test_an_abandoned_record_ends_at_the_latest_when_an_exchange_must() -> None:
    opened = an_opened(0)
    record = abandoned_record(opened, T0 + timedelta(hours=3))
    assert record.ended_at == T0 + timedelta(minutes=15)
    assert (record.outcome, record.error_type) == ("abandoned", "unknown")
    assert record.usage_missing
    assert abandoned_record(opened, at(5)).ended_at == at(5)


async def test_one_orphan_that_cannot_be_closed_stops_no_other(store: SqliteStore) -> None:
    first, second = an_opened(0), an_opened(1)
    await store.open(first)
    await store.open(second)
    broken = Breaking(store, "close", when=lambda opened, *_: opened == first)
    with pytest.raises(LedgerFault):
        await sweep(broken, at(30 * MINUTE))
    assert await store.orphans(at(30 * MINUTE), 9) == (first,)


async def test_expired_records_are_purged(store: SqliteStore) -> None:
    opened = an_opened(0)
    await store.open(opened)
    await store.close(opened, a_closed(opened), ())
    assert opened.expires_at is not None
    assert await purge(store, opened.expires_at - timedelta(seconds=1)) == 0
    assert await purge(store, opened.expires_at + timedelta(seconds=1)) > 0
