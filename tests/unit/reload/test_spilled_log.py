"""A tick closes what functions left in their log, and knows how far it has read."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, final

import pytest

from aigateway.clock import micros
from aigateway.errors import LedgerFault
from aigateway.interception import Closed, Opened
from aigateway.ledger import spilled_text
from aigateway.ledger.listing import Reach
from aigateway.ledger.rows import whole
from aigateway.ledger.sqlite import SqliteStore
from aigateway.reload.log_group import LogPage, LogUnreadable
from aigateway.reload.spilled_log import KIND, NAME, RECORDS_A_RUN, FromLog
from aigateway.settings import Settings
from aigateway.telemetry.assembly import journal_of
from tests.breaking import Breaking
from tests.builders import T0, a_closed, a_usage, an_opened, at
from tests.clocks import HeldClock
from tests.logs import Caught
from tests.recount import disagreement
from tests.told import Told

Record = tuple[Opened, Closed]
NOW_MS = micros(T0) // 1000
MINUTE_MS = 60_000


@final
@dataclass(slots=True)
class Group:
    """Lines by time; a page holds ``size`` of them, or none where one is empty."""

    lines: list[tuple[int, str]] = field(default_factory=list)
    size: int = 3
    empty: int = 0
    fails: bool = False
    asked: list[tuple[int, int, str | None]] = field(default_factory=list)

    async def page(self, since_ms: int, until_ms: int, token: str | None) -> LogPage:
        self.asked.append((since_ms, until_ms, token))
        if self.fails:
            raise LogUnreadable("silent for the test")
        found = sorted(line for line in self.lines if since_ms <= line[0] <= until_ms)
        place = int(token or 0)
        if place < self.empty:
            return LogPage((), str(place + 1))
        start = (place - self.empty) * self.size
        rest = found[start + self.size :]
        return LogPage(tuple(found[start : start + self.size]), str(place + 1) if rest else None)

    def add(self, record: Record, at_ms: int = NOW_MS - 1000) -> None:
        caught = Caught()
        journal_of(Settings(), caught, spilled_text).closed(*record, stored=False)
        lines = [line for line in caught.written if '"interception_end"' in line]
        self.lines += [(at_ms + number, line) for number, line in enumerate(lines)]


def a_record(seconds: float = 0, **changed: Any) -> Record:  # noqa: ANN401 - any field of Opened
    opened = an_opened(seconds, **changed)
    return opened, a_closed(opened, a_usage())


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


def a_reader(group: Group, clock: HeldClock | None = None, told: Told | None = None) -> FromLog:
    return FromLog(group, clock or HeldClock(), told or Told())


async def is_stored(store: SqliteStore, record: Record) -> bool:
    found = await store.interception(record[0].id, Reach(None), at(9))
    return found == whole(*record)


async def test_records_of_the_log_are_closed_counted_and_told_of_once(store: SqliteStore) -> None:
    group, told, clock = Group(), Told(), HeldClock()
    records = [a_record(second) for second in range(8)]
    for number, record in enumerate(records):
        group.add(record, NOW_MS - 1000 + number)
    await store.open(records[0][0])
    reader = a_reader(group, clock, told)
    assert await reader.run(store) == len(records)
    assert not reader.is_behind
    assert all([await is_stored(store, record) for record in records])
    assert [(o, c) for o, c, _ in told.records] == records
    clock.advance(60)
    assert await reader.run(store) == 0
    assert len(told.records) == len(records)
    assert await disagreement(store, at(9)) == {}


async def test_a_search_begins_where_the_last_one_ended_a_little_earlier(
    store: SqliteStore,
) -> None:
    """A line may arrive late; another process, with nothing in mind, goes on from there."""
    group, clock = Group(), HeldClock()
    await a_reader(group, clock).run(store)
    clock.advance(60)
    await a_reader(group, clock).run(store)
    clock.advance(3600)
    await a_reader(group, clock).run(store)
    day = 24 * 60 * MINUTE_MS
    assert group.asked == [
        (NOW_MS - day, NOW_MS, None),
        (NOW_MS - 5 * MINUTE_MS, NOW_MS + MINUTE_MS, None),
        (NOW_MS - 4 * MINUTE_MS, NOW_MS + 61 * MINUTE_MS, None),
    ]


async def test_pages_may_be_empty_and_not_the_last(store: SqliteStore) -> None:
    group = Group(empty=3)
    group.add(a_record())
    assert await a_reader(group).run(store) == 1


async def test_after_a_hundred_the_rest_waits_for_the_next_run(store: SqliteStore) -> None:
    group, clock = Group(size=RECORDS_A_RUN), HeldClock()
    for second in range(RECORDS_A_RUN + 20):
        group.add(a_record(second), NOW_MS - 1000 + second)
    reader = a_reader(group, clock)
    assert await reader.run(store) == RECORDS_A_RUN
    assert reader.is_behind
    clock.advance(60)
    again = a_reader(group, clock)
    assert await again.run(store) == 20
    assert not again.is_behind
    assert group.asked[1] == (*group.asked[0][:2], "1"), "the same search went on"


async def test_a_record_in_parts_is_put_together_over_pages(store: SqliteStore) -> None:
    group = Group(size=1)
    record = a_record(prompt="long " * 150_000)
    group.add(record)
    assert len(group.lines) > 3
    assert await a_reader(group).run(store) == 1
    assert await is_stored(store, record)


async def test_parts_that_are_missing_are_told_of_and_keep_nobody_waiting(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    group = Group()
    group.add(a_record(prompt="long " * 150_000))
    del group.lines[1]
    group.add(other := a_record(1))
    reader = a_reader(group)
    assert await reader.run(store) == 1
    assert await is_stored(store, other)
    assert not reader.is_behind
    assert "of 1 spilled records lines are missing" in caplog.text


async def test_what_the_store_refuses_is_read_again(store: SqliteStore) -> None:
    group, clock = Group(size=2), HeldClock()
    records = [a_record(second) for second in range(5)]
    for number, record in enumerate(records):
        group.add(record, NOW_MS - 1000 + number)
    bad = records[2][0].id
    broken = Breaking(store, "close", when=lambda opened, *_: opened.id == bad)
    reader = a_reader(group, clock)
    with pytest.raises(LedgerFault):
        await reader.run(broken)
    assert reader.is_behind
    clock.advance(60)
    assert await a_reader(group, clock).run(store) == 3
    assert all([await is_stored(store, record) for record in records])
    assert await disagreement(store, at(9)) == {}


async def test_one_that_is_refused_for_a_day_keeps_the_others_waiting_no_more(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    group, clock = Group(), HeldClock()
    bad, good = a_record(), a_record(1)
    group.add(bad, NOW_MS - 2000)
    group.add(good, NOW_MS - 1000)
    broken = Breaking(store, "close", when=lambda opened, *_: opened.id == bad[0].id)
    with pytest.raises(LedgerFault):
        await a_reader(group, clock).run(broken)
    clock.advance(24 * 3600)
    assert await a_reader(group, clock).run(broken) == 1
    assert await is_stored(store, good)
    (error,) = (line for line in caplog.records if line.levelname == "ERROR")
    assert "given up" in error.message
    assert error.__dict__["interception_id"] == bad[0].id


async def test_a_line_without_a_record_is_told_of_and_stops_nothing(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    group = Group()
    old = {"record_type": "interception_end", "interception_id": "i", "stored": False}
    group.lines += [(NOW_MS - 9, json.dumps(old)), (NOW_MS - 8, json.dumps(old | {"record": "{"}))]
    group.lines += [(NOW_MS - 7, "Task timed out"), (NOW_MS - 6, '{"record_type":"prompt_usage"}')]
    group.add(a_record(), NOW_MS - 5)
    assert await a_reader(group).run(store) == 1
    assert caplog.text.count("cannot be read") == 2


async def test_a_log_that_never_answered_is_searched_from_where_it_was_and_holds_no_sweep(
    store: SqliteStore,
) -> None:
    group, clock = Group(fails=True), HeldClock()
    group.add(record := a_record(), NOW_MS - 30 * MINUTE_MS)
    for _ in range(2):
        reader = a_reader(group, clock)
        with pytest.raises(LogUnreadable):
            await reader.run(store)
        assert not reader.is_behind
        clock.advance(3600)
    group.fails = False
    assert await a_reader(group, clock).run(store) == 1
    assert await is_stored(store, record)


async def test_a_log_that_does_not_answer_is_searched_anew(store: SqliteStore) -> None:
    """A place within a search may be forgotten by the service."""
    group, clock = Group(size=RECORDS_A_RUN), HeldClock()
    for second in range(RECORDS_A_RUN + 1):
        group.add(a_record(second), NOW_MS - 1000 + second)
    await a_reader(group, clock).run(store)
    group.fails = True
    reader = a_reader(group, clock)
    with pytest.raises(LogUnreadable):
        await reader.run(store)
    group.fails = False
    assert await a_reader(group, clock).run(store) == 1
    assert [token for _, _, token in group.asked] == [None, "1", None, "1"]


async def test_a_run_ends_in_its_time(store: SqliteStore) -> None:
    group, clock = Group(empty=10_000), HeldClock()

    async def page(since_ms: int, until_ms: int, token: str | None) -> LogPage:
        clock.advance(5)
        return await Group.page(group, since_ms, until_ms, token)

    slow: Any = type("Slow", (), {"page": staticmethod(page)})()
    reader = FromLog(slow, clock, Told())
    assert await reader.run(store) == 0
    assert len(group.asked) == 4
    assert reader.is_behind
    job = await store.keeping().job(KIND, NAME)
    assert job is not None
    assert job.document["token"] == "4"


async def test_a_search_that_never_comes_to_its_end_holds_no_sweep_after_a_day(
    store: SqliteStore,
) -> None:
    group, clock = Group(empty=10_000), HeldClock()

    async def page(since_ms: int, until_ms: int, token: str | None) -> LogPage:
        clock.advance(20)
        return await Group.page(group, since_ms, until_ms, token)

    slow: Any = type("Slow", (), {"page": staticmethod(page)})()
    reader = FromLog(slow, clock, Told())
    await reader.run(store)
    assert reader.is_behind
    clock.advance(24 * 3600)
    await reader.run(store)
    assert not reader.is_behind


async def test_a_second_reader_at_the_same_time_takes_nothing_back(store: SqliteStore) -> None:
    group, clock = Group(), HeldClock()
    group.add(a_record())
    first, second = a_reader(group, clock), a_reader(group, clock)
    job = await store.keeping().job(KIND, NAME)
    assert job is None
    assert await first.run(store) == 1
    assert await second.run(store) == 0
    assert await disagreement(store, at(9)) == {}
