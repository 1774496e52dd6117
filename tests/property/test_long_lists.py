"""Random filters and pages over a long history, with people working on between the pages.

`make lists` runs it with 20,000 records and more walks.
"""

from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import Any, final

import pytest

from aigateway.ledger.listing import COUNT_LIMIT, Filter, Reach, Window
from aigateway.ledger.sqlite import SqliteStore
from tests.builders import at
from tests.histories import SPAN_SECONDS, Oracle, People, rows_wanted

FEW = 1_500
WALKS, PAGES = 25, 12
MOVES = 7
"""A session that is prompted more often during one walk may be shown twice."""


@final
@dataclass(frozen=True, slots=True)
class Question:
    asked: Filter
    reach: Reach
    window: Window


def a_filter(random: Random, people: People) -> Filter:
    """Ask for up to three things, each of which some record has, or nearly."""
    early, late = sorted(random.uniform(0, SPAN_SECONDS * 1.05) for _ in range(2))
    values: dict[str, Any] = {
        "initiator_id": random.choice(people.users[:6]),
        "provider": random.choice(people.providers),
        "provider_name": random.choice([*people.providers, "rare"]),
        "model": random.choice(people.models),
        "client": random.choice(people.clients).upper(),
        "session_id": random.choice(people.names),
        "started_after": at(round(early, 3)),
        "started_before": at(round(late, 3)),
    }
    names = random.sample(sorted(values), random.choice([0, 1, 1, 1, 1, 2, 2, 3]))
    return Filter(**{name: values[name] for name in names})


def a_question(random: Random, people: People, now: float) -> Question:
    window = Window(
        1,
        at(now),
        offset=random.choice([0, 0, 0, random.randint(1, 40)]),
        inflight=random.random() < 0.3,
        auxiliary=random.random() < 0.3,
    )
    reach = Reach(None if random.random() < 0.7 else random.choice(people.users[:6]))
    return Question(a_filter(random, people), reach, window)


@final
class Walk:
    """One list from its first page to its last; between the pages others go on."""

    def __init__(self, oracle: Oracle, people: People, question: Question, now: float) -> None:
        self.oracle = oracle
        self.people = people
        self.question = question
        self.now = now
        self._moves: Counter[str] = Counter()

    async def work_on(self) -> None:
        """Add records to old sessions and new ones."""
        rows = []
        for _ in range(self.people.random.randint(1, 12)):
            self.now += round(self.people.random.uniform(0.001, 9), 3)
            name = self.people.random.choice([*self.people.names, f"new-{self.now}"])
            self._moves[name] += 1
            if self._moves[name] < MOVES:
                rows.append(self.people.turn(self.now, name))
        await self.oracle.add(*rows)

    async def shown(self, listing: str, expected: list[str]) -> list[str]:
        """Return what the pages show, and check what they say of themselves."""
        listed = getattr(self.oracle.store, listing)
        window, is_first, ids = self.question.window, True, []
        while is_first or window.cursor is not None:
            page = await listed(self.question.asked, self.question.reach, window)
            assert len(page.rows) <= window.limit
            if is_first and len(expected) <= COUNT_LIMIT and page.count_exact:
                assert page.count == len(expected)
            if not page.count_exact:
                assert page.count <= COUNT_LIMIT
            ids += [row.key if listing == "sessions" else row.id for row in page.rows]
            window = replace(window, cursor=page.next_cursor, offset=0)
            is_first = False
            await self.work_on()
        return ids


@pytest.mark.parametrize("listing", ["sessions", "interceptions"])
async def test_no_row_is_lost_or_repeated_while_others_arrive(listing: str) -> None:
    rows = min(rows_wanted(FEW), 20_000)
    random = Random(f"{listing} {rows}")  # noqa: S311 - no secret, the same every time
    people = People(random, rows)
    store = SqliteStore(None)
    await store.start()
    oracle = Oracle(store)
    await oracle.add(*people.history(rows))
    now, shown_rows, pages_of_many = SPAN_SECONDS + 1, 0, 0
    for _ in range(WALKS if rows == FEW else WALKS * 4):
        question = a_question(random, people, now)
        answers = oracle.matching if listing == "sessions" else oracle.interceptions
        everything = (question.asked, question.reach, question.window)
        expected = answers(*everything)
        question = replace(
            question,
            window=replace(
                question.window, limit=max(1, len(expected) // random.randint(1, PAGES))
            ),
        )
        walk = Walk(oracle, people, question, now)
        ids = await walk.shown(listing, expected)
        rest = expected[question.window.offset :]
        assert len(set(ids)) == len(ids), question
        known = set(expected)
        assert [id_ for id_ in ids if id_ in known] == rest, question
        now, shown_rows = walk.now + 60, shown_rows + len(rest)
        pages_of_many += len(rest) > question.window.limit
    assert shown_rows > rows // 4, "too little was asked for to mean anything"
    assert pages_of_many > WALKS // 3
    await store.stop()
