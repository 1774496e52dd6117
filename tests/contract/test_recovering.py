"""Records that could not be closed in their time: once closed, they are as if they had been."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.erase import ask_to_erase
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.recovering import Fate, recovered
from aigateway.ledger.rows import Interception, Session, whole
from aigateway.ledger.spilled import text_of
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import row_in
from aigateway.reload.sweep import sweep
from aigateway.steps import orphaned, steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at, charged
from tests.clocks import HeldClock
from tests.days import a_day, written
from tests.recount import disagreement

NOW = at(1000)
LATER = at(30 * 60)


def spilled(opened: Opened, closed: Closed, *, content: bool = True) -> tuple[Opened, Closed]:
    """Return the record as it is read back from where it was kept."""
    row = row_in(text_of(opened, closed, content=content).encode())
    assert row.closed is not None
    return row.opened, row.closed


async def bring(store: Store, opened: Opened, closed: Closed, *, content: bool = True) -> Fate:
    fate, _ = await recovered(store, *spilled(opened, closed, content=content), NOW)
    return fate


async def stored(store: Store, opened: Opened) -> Interception:
    found = await store.interception(opened.id, Reach(None), NOW)
    assert found is not None
    return found


async def sessions(store: Store) -> tuple[Session, ...]:
    window = Window(100, NOW, inflight=True, auxiliary=True)
    return (await store.sessions(Filter(), Reach(None), window)).rows


def a_record(seconds: float = 0) -> tuple[Opened, Closed]:
    opened = an_opened(seconds, answered_calls=(AnsweredCall("toolu_0", None, 3),))
    facts = a_usage(), a_thought("Hm."), a_tool("toolu_1")
    closed = a_closed(opened, *facts, error_message="whole", parents=Parents("p", "r"))
    return opened, charged(closed, 77)


async def test_a_record_that_was_only_opened_is_closed_as_it_would_have_been(store: Store) -> None:
    opened, closed = a_record()
    await store.open(opened)
    assert await bring(store, opened, closed) == "imported"
    assert await stored(store, opened) == whole(opened, closed)
    assert await bring(store, opened, closed) == "present"
    assert await disagreement(store, NOW) == {}


async def test_one_whose_opening_is_lost_too_is_made(store: Store) -> None:
    opened, closed = a_record()
    assert await bring(store, opened, closed) == "imported"
    assert await bring(store, opened, closed) == "present"
    assert await stored(store, opened) == whole(opened, closed)
    assert await disagreement(store, NOW) == {}


@pytest.mark.parametrize("is_opened", [True, False])
async def test_a_day_that_was_spilled_makes_the_same_sessions_and_counters(
    store: Store, is_opened: bool
) -> None:
    """Whatever of it is in flight, and in whatever order the rest comes."""
    records = [(opened, closed) for opened, closed in a_day() if closed is not None]
    await written(store, [*records])
    expected = await sessions(store), [await stored(store, opened) for opened, _ in records]
    counters = await store.counters()
    for user in ("u-alice", "u-bob"):
        assert (await store.keeping().erase(user, 100)).is_over
    if is_opened:
        for opened, _ in records:
            assert await store.keeping().restore(opened, None)
    for opened, closed in reversed(records):
        assert await bring(store, opened, closed) == "imported"
    assert (await sessions(store), [await stored(store, o) for o, _ in records]) == expected
    assert await store.counters() == {
        key: {name: 2 * amount for name, amount in amounts.items()}
        for key, amounts in counters.items()
    }


async def test_a_closing_of_old_sets_no_session_back(store: Store) -> None:
    old = an_opened(0, prompt=None, expires_at=at(2_000))
    new = an_opened(600, expires_at=at(9_000))
    assert await store.keeping().restore(old, None)
    await written(store, [(new, a_closed(new))])
    (before,) = await sessions(store)
    assert await bring(store, old, a_closed(old)) == "imported"
    (after,) = await sessions(store)
    assert (after.ended_at, after.last_active_at) == (before.ended_at, before.last_active_at)
    later = Window(10, at(5_000))
    assert (await store.sessions(Filter(), Reach(None), later)).rows != ()


async def test_after_the_sweep_it_is_a_detail_that_nothing_counts(store: Store) -> None:
    opened, closed = a_record()
    await store.open(opened)
    assert await sweep(store, LATER) == 1
    abandoned, counters = await stored(store, opened), await store.counters()
    assert await bring(store, opened, closed) == "late"
    assert await bring(store, opened, closed) == "present"
    found = await stored(store, opened)
    assert found.closed is not None
    assert found.closed.late["outcome"] == "completed"
    assert found.closed.late["tokens"] == dict(closed.tokens)
    assert found.closed.late["cost_micros"] == 77
    unchanged = replace(found, closed=replace(found.closed, late={}))
    assert (unchanged, await store.counters()) == (abandoned, counters)
    assert await disagreement(store, NOW) == {}


async def test_what_was_closed_well_takes_no_late_detail(store: Store) -> None:
    opened, closed = a_record()
    await store.open(opened)
    assert not await store.late(opened, closed)
    assert await store.close(opened, closed, steps_of_closing(opened, closed))
    assert not await store.late(opened, replace(closed, outcome="failed"))
    assert await stored(store, opened) == whole(opened, closed)


async def test_row_95_the_same_end_written_twice_with_the_sweeper_racing_it(store: Store) -> None:
    records = [a_record(second) for second in range(6)]
    for opened, _ in records:
        await store.open(opened)

    async def close(opened: Opened, closed: Closed) -> int:
        return await store.close(opened, closed, steps_of_closing(opened, closed))

    ends = [close(*record) for record in records for _ in range(2)]
    *won, swept = await asyncio.gather(*ends, sweep(store, LATER))
    assert [sum(won[place : place + 2]) for place in range(0, 12, 2)].count(1) == 6 - swept
    rows = [await stored(store, opened) for opened, _ in records]
    outcomes = Counter(row.closed.outcome for row in rows if row.closed is not None)
    assert outcomes == Counter(completed=6 - swept, abandoned=swept)
    assert await sweep(store, LATER) == 0
    before = rows, await store.counters()
    assert [await close(*record) for record in records] == [0] * 6
    assert (
        [await stored(store, opened) for opened, _ in records],
        await store.counters(),
    ) == before
    assert await disagreement(store, NOW) == {}


async def test_row_95_of_a_sweeper_that_came_first_nothing_is_taken_back(store: Store) -> None:
    opened, closed = a_record()
    await store.open(opened)
    assert await sweep(store, LATER) == 1
    before = await stored(store, opened), await store.counters()
    steps = steps_of_closing(opened, closed)
    assert [await store.close(opened, closed, steps) for _ in range(2)] == [False, False]
    assert (await stored(store, opened), await store.counters()) == before
    (orphans,) = orphaned()
    assert before[1][orphans.kind, orphans.key] == {"n": 1}


async def test_without_texts_the_stored_prompt_stays_and_a_note_says_so(store: Store) -> None:
    opened, closed = a_record()
    await store.open(opened)
    told = await recovered(store, *spilled(opened, closed, content=False), NOW)
    assert told == ("imported", opened)
    found = await stored(store, opened)
    assert found.closed is not None
    assert found.opened.prompt == opened.prompt
    assert found.closed.notes["content"] == "not_logged"
    assert (found.tokens, found.calls) == (closed.tokens, closed.calls)
    assert await disagreement(store, NOW) == {}


async def test_an_expiry_that_was_rewritten_counts(store: Store) -> None:
    opened, closed = a_record()
    kept = replace(opened, expires_at=at(5_000))
    await store.open(kept)
    told = await recovered(store, *spilled(opened, closed), NOW)
    assert told == ("imported", kept), "texts and pointers expire with the record"
    assert await stored(store, opened) == whole(kept, closed)


async def test_long_names_come_back_whole(store: Store) -> None:
    opened = an_opened(model="m" * 500, previous_response_id="r" * 700)
    closed = a_closed(opened, a_usage())
    await store.open(opened)
    assert await bring(store, opened, closed) == "imported"
    assert (await stored(store, opened)).opened == opened


async def test_what_has_expired_is_left_out(store: Store) -> None:
    opened = an_opened(expires_at=at(999))
    assert await bring(store, opened, a_closed(opened)) == "expired"
    assert await store.orphans(LATER, 9) == ()


async def test_what_an_erased_user_said_before_does_not_come_back(store: Store) -> None:
    opened, later = an_opened(0), an_opened(86_400)
    await ask_to_erase(store, HeldClock(), "u-alice", "alice", "u-root")
    assert await bring(store, opened, a_closed(opened)) == "erased"
    assert await store.interception(opened.id, Reach(None), NOW) is None
    assert await bring(store, later, a_closed(later)) == "imported"
