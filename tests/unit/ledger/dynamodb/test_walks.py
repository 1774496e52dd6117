"""Walks over months, days and shards, and the same lists as the embedded store gives."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aigateway.interception import Opened
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.walks import days_back, months_back
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception, Page, Session
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from tests.builders import a_closed, a_usage, an_opened, at
from tests.clocks import HurriedClock
from tests.unit.ledger.dynamodb.faulty import FaultyConnection

Rows = Page[Session] | Page[Interception]
PEOPLE = ("u-alice", "u-bob", "u-carol")
CLIENTS = ("Claude Code", "Codex", "OpenCode")
MODELS = ("m-1", "m-2", "m-3")
PROVIDERS = ("anthropic", "eu|1")
DAY = 86_400


def test_months_go_back_over_the_years() -> None:
    newest = datetime(2026, 2, 28, 23, tzinfo=UTC)
    months = [f"{month:%Y%m}" for month in months_back(newest, "20251130")]
    assert months == ["202602", "202601", "202512", "202511"]
    assert list(months_back(newest, "20260301")) == []


def test_days_go_back_to_the_first_one() -> None:
    newest = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    assert [f"{day:%m%d}" for day in days_back(newest, "20260227")] == ["0301", "0228", "0227"]


async def test_lists_go_back_over_months_to_the_first_record(store: DynamoStore) -> None:
    seconds = [0, -40 * DAY, -45 * DAY, -1 * DAY, -75 * DAY]
    records = [an_opened(s, session=f"s{n}", expires_at=None) for n, s in enumerate(seconds)]
    for opened in records:
        await store.open(opened)
        assert await store.close(opened, a_closed(opened), ())
    window = Window(100, at(60))
    sessions = await store.sessions(Filter(), Reach(None), window)
    assert [row.id for row in sessions.rows] == ["s0", "s3", "s1", "s2", "s4"]
    own = await store.sessions(Filter(), Reach("u-alice"), window)
    assert own == sessions
    rows = await store.interceptions(Filter(), Reach(None), window)
    assert [row.opened.session_id for row in rows.rows] == ["s0", "s3", "s1", "s2", "s4"]


async def test_a_page_that_takes_too_long_ends_early_and_the_next_one_goes_on(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    for number in range(4):
        opened = an_opened(-number * 40 * DAY, session=f"s{number}", expires_at=None)
        await store.open(opened)
        assert await store.close(opened, a_closed(opened), ())
    slow = DynamoStore(table_name, connection=faulty, clock=HurriedClock())
    seen: list[str] = []
    pages = 0
    cursor: str | None = None
    while pages == 0 or cursor is not None:
        page = await slow.sessions(Filter(), Reach(None), Window(100, at(60), cursor=cursor))
        seen += [row.id for row in page.rows]
        cursor, pages = page.next_cursor, pages + 1
    assert seen == ["s0", "s1", "s2", "s3"]
    assert pages > 1


async def test_a_bound_of_retention_ends_the_walk_behind_it(
    store: DynamoStore,
    faulty: FaultyConnection,
    table_name: str,
) -> None:
    old = an_opened(-200 * DAY, session="old", expires_at=None)
    await store.open(old)
    assert await store.close(old, a_closed(old), ())
    bounded = DynamoStore(table_name, retention_days=60, connection=faulty)
    page = await bounded.sessions(Filter(), Reach(None), Window(10, at(60)))
    assert (page.rows, page.next_cursor) == ((), None)
    assert len((await store.sessions(Filter(), Reach(None), Window(10, at(60)))).rows) == 1


async def test_a_count_is_kept_for_a_minute_and_forgotten_with_a_write(
    store: DynamoStore,
    faulty: FaultyConnection,
) -> None:
    async def add(number: int) -> None:
        opened = an_opened(number, session=f"s{number}")
        await store.open(opened)
        assert await store.close(opened, a_closed(opened), ())

    async def queries(seconds: float) -> tuple[int, int]:
        faulty.sent.clear()
        page = await store.sessions(Filter(), Reach(None), Window(1, at(seconds)))
        return page.count, len(faulty.requests("Query"))

    for number in range(3):
        await add(number)
    counted = await queries(60)
    again = await queries(100)
    later = await queries(121)
    assert (counted[0], again[0], later[0]) == (3, 3, 3)
    assert again[1] < counted[1] == later[1]
    await add(4)
    assert (await queries(130))[0] == 4


class History:
    """The same random story, told to two stores."""

    def __init__(self, seed: int, stores: tuple[Store, Store]) -> None:
        self.choose = random.Random(seed)  # noqa: S311 - a story, no secret
        self.seconds = 0
        self.stores = stores

    async def goes_on(self, records: int) -> None:
        for _ in range(records):
            self.seconds += self.choose.choice((0, 1, 1, 7, DAY // 2))
            opened = self._opened()
            closed = a_closed(opened, a_usage()) if self.choose.random() < 0.85 else None
            for store in self.stores:
                await store.open(opened)
                if closed is not None:
                    assert await store.close(opened, closed, ())

    def _opened(self) -> Opened:
        choose = self.choose
        person = choose.choice(PEOPLE)
        opened = an_opened(
            self.seconds,
            session=choose.choice(("s-1", "s-2", "s-3", "s-4", "s-5", None)),
            prompt=choose.choice(("Go on.", "And now?", None)),
            auxiliary=choose.random() < 0.2,
            agent=choose.choice((None, None, "agent-1")),
            client=choose.choice(CLIENTS),
            model=choose.choice(MODELS),
            provider_name=choose.choice(PROVIDERS),
        )
        return replace(opened, initiator_id=person, initiator_username=person)

    def filter(self) -> Filter:
        choose = self.choose
        first = at(choose.uniform(0, self.seconds))
        return Filter(
            initiator_id=choose.choice((None, None, *PEOPLE)),
            provider_name=choose.choice((None, None, *PROVIDERS)),
            model=choose.choice((None, None, *MODELS)),
            client=choose.choice((None, None, "codex")),
            session_id=choose.choice((None, None, None, "s-2")),
            started_after=choose.choice((None, first)),
            started_before=choose.choice((None, first + timedelta(days=3))),
        )

    @property
    def now(self) -> datetime:
        return at(self.seconds + 1)


def listing(
    store: Store, kind: str, asked: Filter, reach: Reach
) -> Callable[[Window], Awaitable[Rows]]:
    async def page_of(window: Window) -> Rows:
        if kind == "sessions":
            return await store.sessions(asked, reach, window)
        return await store.interceptions(asked, reach, window)

    return page_of


async def walked(
    history: History, pages: list[Callable[[Window], Awaitable[Rows]]], window: Window
) -> list[list[Any]]:
    """Walk in both stores, page by page, while the story goes on between the pages."""
    found: list[list[Any]] = [[] for _ in pages]
    cursors: list[str | None] = [None for _ in pages]
    live, first = [True for _ in pages], []
    turns = 0
    while any(live):
        for number, page_of in enumerate(pages):
            if live[number]:
                page = await page_of(replace(window, cursor=cursors[number]))
                found[number] += [row.id for row in page.rows]
                cursors[number] = page.next_cursor
                live[number] = page.next_cursor is not None
                if turns == 0:
                    first.append((page.count, page.count_exact))
        turns += 1
        if turns < 6:
            await history.goes_on(2)
    assert first[0] == first[1]
    return found


@pytest.mark.ministack
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_walks_are_those_of_the_embedded_store(
    dynamodb_ministack: DynamoStore, seed: int
) -> None:
    model = SqliteStore(None)
    await model.start()
    await dynamodb_ministack.start()
    history = History(seed, (model, dynamodb_ministack))
    await history.goes_on(40)
    for number in range(12):
        asked, reach = history.filter(), Reach(history.choose.choice((None, *PEOPLE)))
        window = Window(
            history.choose.randint(1, 6),
            history.now,
            inflight=history.choose.random() < 0.3,
            auxiliary=history.choose.random() < 0.3,
        )
        kind = "sessions" if number % 2 else "interceptions"
        pages = [listing(store, kind, asked, reach) for store in history.stores]
        ours, theirs = await walked(history, pages, window)
        assert ours == theirs, (kind, asked, reach, window)
    everything = Window(1000, history.now, inflight=True, auxiliary=True)
    sessions = [await s.sessions(Filter(), Reach(None), everything) for s in history.stores]
    assert sessions[0] == sessions[1]
    rows = [await s.interceptions(Filter(), Reach(None), everything) for s in history.stores]
    assert rows[0] == rows[1]
    await dynamodb_ministack.stop()
    await model.stop()
