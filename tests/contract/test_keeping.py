"""What a store promises about being moved, aged and made to forget."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from aigateway.errors import Conflict
from aigateway.interception import Parents
from aigateway.ledger.keeping import Job
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception, Session
from aigateway.ledger.store import ParentQuery, Store
from aigateway.ledger.transfer import recorded
from aigateway.steps import CLOSED, steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at
from tests.days import a_day, written

ALL = Reach(None)
NOW = at(1000)
DAY = timedelta(days=1)


async def rows(store: Store, now: datetime = NOW) -> tuple[Interception, ...]:
    window = Window(100, now, inflight=True)
    return tuple([row async for row in recorded(store, Filter(), window)])


async def sessions(store: Store) -> tuple[Session, ...]:
    window = Window(100, NOW, inflight=True, auxiliary=True)
    return (await store.sessions(Filter(), ALL, window)).rows


@pytest.mark.parametrize("order", ["oldest first", "newest first", "mixed"])
async def test_restored_records_make_the_same_sessions_in_any_order(
    store: Store, order: str
) -> None:
    records = a_day()
    await written(store, records)
    expected_rows, expected_sessions = await rows(store), await sessions(store)
    for user in ("u-alice", "u-bob"):
        assert (await store.keeping().erase(user, 100)).is_over
    assert await rows(store) == ()
    moved = {
        "oldest first": records,
        "newest first": records[::-1],
        "mixed": random.Random(5).sample(records, len(records)),  # noqa: S311 - no secret
    }[order]
    for opened, closed in moved:
        assert await store.keeping().restore(opened, closed)
    assert await rows(store) == expected_rows
    assert await sessions(store) == expected_sessions


async def test_a_restored_record_is_never_restored_twice(store: Store) -> None:
    opened = an_opened()
    closed = a_closed(opened, a_usage())
    assert await store.keeping().restore(opened, closed)
    before = await rows(store), await sessions(store)
    assert not await store.keeping().restore(opened, replace(closed, outcome="failed"))
    assert not await store.keeping().restore(opened, None)
    assert (await rows(store), await sessions(store)) == before
    assert await store.counters() == {}


async def test_a_restored_call_is_found_as_a_parent(store: Store) -> None:
    opened = an_opened(session=None)
    closed = a_closed(opened, a_tool("toolu_9"), provider_response_id="resp_9")
    assert await store.keeping().restore(opened, closed)
    query = ParentQuery("u-alice", None, None, ("toolu_9",), None, None)
    assert await store.parents(query) == Parents(opened.id, opened.id)
    by_response = ParentQuery("u-alice", None, None, (), "resp_9", None)
    assert await store.parents(by_response) == Parents(opened.id, opened.id)


async def test_a_restored_record_in_flight_can_be_closed_and_swept(store: Store) -> None:
    opened = an_opened()
    assert await store.keeping().restore(opened, None)
    assert await store.orphans(at(1), 10) == (opened,)
    assert await store.close(opened, a_closed(opened), ())
    assert await store.orphans(at(1), 10) == ()


async def test_a_restored_record_whose_parents_are_unknown_is_repaired(store: Store) -> None:
    opened = an_opened(answered_calls=(AnsweredCall("toolu_1", None, 3),))
    assert await store.keeping().restore(opened, a_closed(opened, parents_unknown=True))
    (found,) = await store.unparented(10)
    assert found.id == opened.id
    assert await store.repair_parent(found, None)


async def test_a_session_lives_as_long_as_its_longest_record(store: Store) -> None:
    old = an_opened(0, prompt="old", expires_at=at(500))
    new = an_opened(10, prompt="new")
    for opened in (new, old):
        assert await store.keeping().restore(opened, a_closed(opened))
    late = at(600)
    page = await store.sessions(Filter(), ALL, Window(10, late))
    assert [row.last_prompt for row in page.rows] == ["new"]
    assert len(await store.session("session-1", ALL, late)) == 1


@pytest.mark.parametrize("retention", [timedelta(days=1), timedelta(days=90), None])
async def test_i15_another_retention_is_that_of_everything_of_a_record(
    store: Store, retention: timedelta | None
) -> None:
    await written(store, a_day())
    place, examined, changed = None, 0, 0
    while True:
        aligned = await store.keeping().align(retention, NOW, place, 3)
        examined, changed = examined + aligned.examined, changed + aligned.changed
        if (place := aligned.place) is None:
            break
    assert (examined, changed) == (8, 8)
    again = await store.keeping().align(retention, NOW, None, 100)
    assert (again.examined, again.changed, again.place) == (8, 0, None)
    found = await rows(store)
    expected = {None if retention is None else row.opened.started_at + retention for row in found}
    assert {row.opened.expires_at for row in found} == expected
    just_before = at(0) + (retention or timedelta(days=100))
    for now, count in ((just_before, 8), (just_before + timedelta(seconds=9), 0)):
        shown = 8 if retention is None else count
        asked = [await store.interception(row.id, ALL, now) for row in found]
        assert len([row for row in asked if row is not None]) == shown
        window = Window(10, now, inflight=True, auxiliary=True)
        assert bool((await store.sessions(Filter(), ALL, window)).rows) == bool(shown)


async def test_what_has_expired_stays_so(store: Store) -> None:
    await written(store, a_day(expires_at=at(500)))
    assert (await store.keeping().align(None, NOW, None, 100)).changed == 0
    assert await rows(store) == ()


async def test_a_user_is_erased_in_batches_and_nobody_else_is(store: Store) -> None:
    await written(store, a_day())
    (bob,) = [row for row in await rows(store) if row.opened.initiator_id == "u-bob"]
    counters = await store.counters()
    total = {"interceptions": 0, "prompts": 0, "texts": 0, "sessions": 0}
    is_over = False
    while not is_over:
        erased = await store.keeping().erase("u-alice", 3)
        total = {name: n + getattr(erased, name) for name, n in total.items()}
        is_over = erased.is_over
    assert total == {"interceptions": 7, "prompts": 5, "texts": 11, "sessions": 2}
    assert await rows(store) == (bob,)
    assert [row.initiator_id for row in await sessions(store)] == ["u-bob"]
    assert await store.session("session-1", Reach("u-alice"), NOW) == ()
    query = ParentQuery("u-alice", None, None, ("toolu_alone",), "resp_1", None)
    assert await store.parents(query) is None
    assert await store.counters() == counters
    assert await store.orphans(NOW, 10) == ()
    again = await store.keeping().erase("u-alice", 3)
    assert (again.interceptions, again.sessions, again.is_over) == (0, 0, True)


async def test_what_was_in_flight_when_it_was_erased_does_not_come_back(store: Store) -> None:
    opened = an_opened()
    await store.open(opened)
    assert (await store.keeping().erase("u-alice", 10)).interceptions == 1
    assert not await store.close(opened, a_closed(opened, a_thought("late")), ())
    assert await rows(store) == ()
    await store.keeping().erase("u-alice", 10)
    assert await sessions(store) == ()


async def test_a_job_is_changed_only_from_what_it_was(store: Store) -> None:
    keeping = store.keeping()
    assert await keeping.job("erase", "u-1") is None
    first = Job("erase", "u-1", 1, {"a": [1, None, "é"]})
    await keeping.put_job(first)
    with pytest.raises(Conflict):
        await keeping.put_job(first)
    second = replace(first, version=2, document={})
    await keeping.put_job(second)
    with pytest.raises(Conflict):
        await keeping.put_job(replace(second, version=4))
    await keeping.put_job(Job("erase", "u-2", 1, {}))
    await keeping.put_job(Job("other", "u-2", 1, {}))
    assert await keeping.job("erase", "u-1") == second
    assert [job.name for job in await keeping.jobs("erase")] == ["u-1", "u-2"]


async def test_a_scrub_finds_nobody_in_the_way(store: Store) -> None:
    await written(store, a_day())
    assert await store.keeping().scrub()
    assert len(await rows(store)) == 8


async def test_names_of_counters_that_count_nothing_are_listed(store: Store) -> None:
    opened = an_opened(model="a-model")
    step = steps_of_closing(opened, a_closed(opened))[0]
    await store.count((replace(step, attribute="c", amount=0),))
    assert await store.names("models", ALL, Window(10, NOW), "") == ("a-model",)
    assert await store.counters() == {(CLOSED, step.key): {"c": 0}}
