"""A page costs what it shows, not what is stored: counted in steps of SQLite's machine.

`make lists` runs it with 100,000 records.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import final

import pytest

from aigateway.ledger.listing import COUNT_LIMIT, EXAMINED_LIMIT, Filter, Reach, Window
from aigateway.ledger.sqlite import SqliteStore
from tests.builders import at
from tests.histories import SPAN_SECONDS, Oracle, People, rows_wanted

FEW = 3_000
LIMIT = 20
EVERY = 20
"""Steps between two calls of the counting handler."""
NOW = at(SPAN_SECONDS + 1)
STEPS_PER_ROW = 150
"""A row that is examined, with the look-ups that decide whether it is shown: twice the dearest."""
STEPS_PER_SHOWN = 1_500
MOST_GROWN = 1.7
"""Five times the records may make a page so much dearer: its rows differ a little."""

NAMED = {
    "nothing": Filter(),
    "initiator": Filter(initiator_id="u-0"),
    "provider": Filter(provider="anthropic"),
    "provider_name": Filter(provider_name="anthropic"),
    "rare provider_name": Filter(provider_name="rare"),
    "model": Filter(model="model-0"),
    "client": Filter(client="claude code"),
}
OTHERS = {
    "session_id": Filter(session_id="s-1"),
    "no such model": Filter(model="none"),
    "no such client": Filter(client="none"),
    "no such initiator": Filter(initiator_id="nobody"),
    "started_after": Filter(started_after=at(SPAN_SECONDS / 2)),
    "started_before": Filter(started_before=at(SPAN_SECONDS / 2)),
    "before everything": Filter(started_before=at(-1)),
}


@final
@dataclass(slots=True)
class Steps:
    """Counts what the connection of a store does."""

    store: SqliteStore
    counted: int = 0

    async def start(self) -> None:
        await self.store._database.read(lambda c: c.set_progress_handler(self._count, EVERY))

    def _count(self) -> int:
        self.counted += EVERY
        return 0

    async def of(
        self, listing: str, asked: Filter, reach: Reach, window: Window
    ) -> tuple[int, str | None]:
        """Return the steps of one page, and the cursor of the next."""
        before = self.counted
        page = await getattr(self.store, listing)(asked, reach, window)
        return self.counted - before, page.next_cursor


@final
@dataclass(frozen=True, slots=True)
class Filled:
    """A store with a long history; ``small`` and ``large``: pages with a fifth of it, and all."""

    rows: int
    store: SqliteStore
    steps: Steps
    small: dict[str, int]
    large: dict[str, int]


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    async def fill() -> Filled:
        rows, store = rows_wanted(FEW), SqliteStore(None)
        people = People(Random(rows), rows)  # noqa: S311 - no secret, the same every time
        steps, oracle, history = Steps(store), Oracle(store), list(people.history(rows))
        await store.start()
        await steps.start()
        await oracle.add(*history[: rows // 5])
        small = await second_pages(steps)
        await oracle.add(*history[rows // 5 :])
        return Filled(rows, store, steps, small, await second_pages(steps))

    made = asyncio.run(fill())
    yield made
    asyncio.run(made.store.stop())


async def second_pages(steps: Steps) -> dict[str, int]:
    """Return the steps of full second pages, whose count is known by then."""
    costs = {}
    for listing in ("sessions", "interceptions"):
        for name, asked in NAMED.items():
            for reach in (Reach(None), Reach("u-0")):
                window = Window(LIMIT, NOW)
                _, cursor = await steps.of(listing, asked, reach, window)
                if cursor is None:
                    continue
                cost, rest = await steps.of(listing, asked, reach, replace(window, cursor=cursor))
                if rest is not None:
                    costs[f"{listing} {name} {reach.initiator_id}"] = cost
    return costs


def test_a_page_of_any_single_filter_costs_the_same_in_a_longer_ledger(filled: Filled) -> None:
    small, large = filled.small, filled.large
    compared = small.keys() & large.keys()
    assert len(compared) >= len(NAMED) * 2
    grown = {n: (small[n], large[n]) for n in compared if large[n] > small[n] * MOST_GROWN}
    assert grown == {}


@pytest.mark.parametrize("also", [False, True])
@pytest.mark.parametrize("listing", ["sessions", "interceptions"])
async def test_no_page_examines_more_than_its_bound(
    filled: Filled, listing: str, also: bool
) -> None:
    page = min(EXAMINED_LIMIT, filled.rows) * STEPS_PER_ROW + LIMIT * STEPS_PER_SHOWN
    count = min(COUNT_LIMIT, filled.rows) * STEPS_PER_ROW
    first_costs, later_costs = {}, {}
    for name, asked in (NAMED | OTHERS).items():
        window = Window(LIMIT, NOW, inflight=also, auxiliary=also)
        first_costs[name], cursor = await filled.steps.of(listing, asked, Reach(None), window)
        window = replace(window, cursor=cursor)
        later_costs[name], _ = await filled.steps.of(listing, asked, Reach(None), window)
    assert {name: cost for name, cost in later_costs.items() if cost > page} == {}
    assert {name: cost for name, cost in first_costs.items() if cost > page + count} == {}


async def test_an_offset_costs_the_rows_that_it_drops(filled: Filled) -> None:
    for listing in ("sessions", "interceptions"):
        window = Window(LIMIT, NOW, offset=filled.rows // 20)
        cost, _ = await filled.steps.of(listing, Filter(), Reach(None), window)
        rows = filled.rows // 20 + LIMIT + min(COUNT_LIMIT, filled.rows)
        assert cost < rows * STEPS_PER_ROW + LIMIT * STEPS_PER_SHOWN
