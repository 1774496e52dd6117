"""Closing what nobody will close any more."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from aigateway.errors import LedgerFault
from aigateway.interception import Opened, Parents
from aigateway.ledger.listing import Reach
from aigateway.ledger.sqlite import SqliteStore
from aigateway.reload.sweep import abandoned_record, purge, repair_parents, sweep
from aigateway.steps import steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.breaking import Breaking
from tests.builders import T0, a_closed, a_tool, a_usage, an_opened, at
from tests.told import Told

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


async def test_an_abandoned_record_is_counted_as_failed_and_as_an_orphan(
    store: SqliteStore,
) -> None:
    opened = an_opened(0)
    await store.open(opened)
    await sweep(store, at(30 * MINUTE))
    expected = steps_of_closing(opened, abandoned_record(opened, at(30 * MINUTE)))
    counters = dict(await store.counters())
    assert counters.pop(("O", ("orphans",))) == {"n": 1}
    (amounts,) = counters.values()
    assert amounts == {step.attribute: step.amount for step in expected}
    assert (amounts["f"], amounts["um:cut"]) == (1, 1)


def test_an_abandoned_record_ends_at_the_latest_when_an_exchange_must() -> None:
    opened = an_opened(0)
    record = abandoned_record(opened, T0 + timedelta(hours=3))
    assert record.ended_at == T0 + timedelta(minutes=15)
    assert (record.outcome, record.error_type) == ("abandoned", "unknown")
    assert record.usage_missing
    assert abandoned_record(opened, at(5)).ended_at == at(5)


def test_what_is_left_of_an_answer_belongs_to_the_abandoned_record() -> None:
    opened = an_opened(0, answered_calls=(AnsweredCall("toolu_0", None, 3),))
    parents = Parents("parent", "root")
    left = a_closed(opened, a_usage(), a_tool(), parents=parents, provider_model="served")
    record = abandoned_record(opened, at(5), left)
    assert (record.rows, record.parents, record.provider_model) == (left.rows, parents, "served")
    assert (record.outcome, record.error_type, record.ended_at) == ("abandoned", "unknown", at(5))
    assert not record.usage_missing
    assert not record.parents_unknown
    without = abandoned_record(opened, at(5), a_closed(opened, a_tool()))
    assert without.usage_missing
    assert without.parents_unknown


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


ASKING: dict[str, Any] = {"answered_calls": (AnsweredCall("toolu_1", None, 3),), "prompt": None}


async def asked(store: SqliteStore, seconds: float) -> Opened:
    """Store a record whose look-up of its parents failed."""
    opened = an_opened(seconds, **ASKING)
    await store.open(opened)
    await store.close(opened, a_closed(opened, parents_unknown=True), ())
    return opened


async def parents_of(store: SqliteStore, opened: Opened) -> Parents | None:
    found = await store.interception(opened.id, Reach(None), at(MINUTE))
    assert found is not None
    return found.parents


async def test_a_failed_look_up_is_repaired_by_the_next_sweep(store: SqliteStore) -> None:
    root = an_opened(0)
    await store.open(root)
    await store.close(root, a_closed(root, a_tool("toolu_1")), ())
    child = await asked(store, 1)
    assert await repair_parents(store, at(MINUTE)) == 1
    assert await parents_of(store, child) == Parents(root.id, root.id)
    assert await repair_parents(store, at(2 * MINUTE)) == 0


async def test_a_parent_may_be_closed_later_and_is_waited_for(store: SqliteStore) -> None:
    root = an_opened(0)
    await store.open(root)
    child = await asked(store, 1)
    assert await repair_parents(store, at(MINUTE)) == 0
    await store.close(root, a_closed(root, a_tool("toolu_1")), ())
    assert await repair_parents(store, at(2 * MINUTE)) == 1
    assert await parents_of(store, child) == Parents(root.id, root.id)


async def test_without_a_parent_by_then_it_is_a_root(store: SqliteStore) -> None:
    child = await asked(store, 0)
    assert await repair_parents(store, at(20 * MINUTE)) == 1
    assert await store.unparented(9) == ()
    assert await parents_of(store, child) is None


async def test_a_look_up_that_fails_again_is_tried_for_a_day(store: SqliteStore) -> None:
    await asked(store, 0)
    broken = Breaking(store, "parents")
    for seconds, left in ((MINUTE, 1), (86_399, 1), (86_400, 0)):
        with pytest.raises(LedgerFault):
            await repair_parents(broken, at(seconds))
        assert len(await store.unparented(9)) == left


async def test_an_abandoned_record_gets_its_parents_too(store: SqliteStore) -> None:
    root = an_opened(0)
    await store.open(root)
    await store.close(root, a_closed(root, a_tool("toolu_1")), ())
    child = an_opened(1, **ASKING)
    await store.open(child)
    await sweep(store, at(30 * MINUTE))
    assert await repair_parents(store, at(30 * MINUTE)) == 1
    assert await parents_of(store, child) == Parents(root.id, root.id)


@pytest.mark.parametrize("changed", [{"session": None}, {"answered_calls": ()}])
async def test_what_answers_nothing_or_was_asked_before_is_not_asked_about(
    store: SqliteStore, changed: dict[str, object]
) -> None:
    opened = an_opened(0, **(ASKING | changed))
    assert not abandoned_record(opened, at(30 * MINUTE)).parents_unknown


async def test_what_was_abandoned_is_told_of_once_when_it_is_closed(store: SqliteStore) -> None:
    first, second, told = an_opened(0), an_opened(1), Told()
    await store.open(first)
    await store.open(second)
    broken = Breaking(store, "close", when=lambda opened, *_: opened.id == first.id)
    with pytest.raises(LedgerFault):
        await sweep(broken, at(30 * MINUTE), told)
    assert [(opened.id, stored) for opened, _, stored in told.records] == [(second.id, True)]
    assert told.events == [("OrphansClosed", 1)]
    await sweep(store, at(31 * MINUTE), told)
    await sweep(store, at(32 * MINUTE), told)
    assert [closed.outcome for _, closed, _ in told.records] == ["abandoned"] * 2
    assert told.events == [("OrphansClosed", 1)] * 2
