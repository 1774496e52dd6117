"""Random histories, with people working on between the pages, against a plain list in memory."""

import asyncio
from dataclasses import dataclass, replace
from typing import final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigateway.interception import Opened
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Session
from aigateway.ledger.sqlite import SqliteStore
from tests.builders import an_opened, at
from tests.histories import Oracle, Remembered

WALK_BEGINS = 10_000.0
MOVES_PER_WALK = 7
"""A session that is prompted more often during one walk may be shown twice."""


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """One interception to come."""

    session: str | None
    who: str
    model: str
    client: str
    prompt: str | None
    agent: str | None
    auxiliary: bool
    ended: bool
    after_ms: int

    def made(self, seconds: float) -> tuple[Opened, bool]:
        opened = an_opened(
            seconds,
            session=self.session,
            agent=self.agent,
            auxiliary=self.auxiliary,
            prompt=self.prompt,
            client=self.client,
            model=self.model,
            initiator_id=self.who,
        )
        return opened, self.ended


sessions = [f"s-{number}" for number in range(8)]
turns = st.builds(
    Turn,
    session=st.sampled_from([*sessions, None]),
    who=st.sampled_from(["u-alice", "u-alice", "u-bob"]),
    model=st.sampled_from(["m-1", "m-1", "m-2"]),
    client=st.sampled_from(["Codex", "Codex", "Claude Code"]),
    prompt=st.sampled_from(["Go on.", "Go on.", "Go on.", None]),
    agent=st.sampled_from([*[None] * 5, "agent-1"]),
    auxiliary=st.sampled_from([*[False] * 5, True]),
    ended=st.sampled_from([*[True] * 5, False]),
    after_ms=st.integers(0, 3000),
)
some_filters = st.builds(
    Filter,
    initiator_id=st.sampled_from([None, "u-alice"]),
    model=st.sampled_from([None, "m-1"]),
    client=st.sampled_from([None, "codex"]),
    session_id=st.sampled_from([None, None, None, "s-1"]),
    started_after=st.sampled_from([None, None, at(5), at(WALK_BEGINS)]),
    started_before=st.sampled_from([None, None, at(20), at(WALK_BEGINS)]),
)
windows = st.builds(
    Window,
    limit=st.integers(1, 3),
    now=st.just(at(WALK_BEGINS)),
    inflight=st.booleans(),
    auxiliary=st.booleans(),
)


@given(
    history=st.lists(turns, min_size=6, max_size=25),
    meanwhile=st.lists(turns, min_size=2, max_size=MOVES_PER_WALK),
    asked=st.one_of(st.just(Filter()), some_filters),
    reach=st.sampled_from([Reach(None), Reach(None), Reach("u-alice")]),
    window=windows,
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_walk_shows_the_list_as_it_was_when_it_began(
    history: list[Turn], meanwhile: list[Turn], asked: Filter, reach: Reach, window: Window
) -> None:
    async def run() -> None:
        oracle = Oracle(SqliteStore(None))
        await oracle.store.start()
        for turn in history:
            await oracle.add(turn.made(turn.after_ms / 100))
        await check_walk(oracle, meanwhile, asked, reach, window)
        await check_sums(oracle)
        await check_interceptions(oracle, asked, reach, window)
        await oracle.store.stop()

    asyncio.run(run())


async def check_walk(
    oracle: Oracle, meanwhile: list[Turn], asked: Filter, reach: Reach, window: Window
) -> None:
    expected = oracle.matching(asked, reach, window)
    places = {key: session.place for key, session in oracle.sessions.items()}
    shown: list[str] = []
    coming = list(meanwhile)
    seconds = WALK_BEGINS
    is_first = True
    while is_first or window.cursor is not None:
        page = await oracle.store.sessions(asked, reach, window)
        if is_first:
            assert page.count == len(expected)
        is_first = False
        shown += [session.key for session in page.rows]
        window = replace(window, cursor=page.next_cursor)
        for turn in (coming.pop(), coming.pop()) if len(coming) > 1 else ():
            seconds += 1 + turn.after_ms / 1000
            await oracle.add(turn.made(seconds))
    assert len(set(shown)) == len(shown)
    assert [key for key in shown if key in expected] == expected
    by_place = sorted(shown, key=lambda key: (places[key], key), reverse=True)
    assert shown == by_place


async def check_sums(oracle: Oracle) -> None:
    everything = Window(100, at(WALK_BEGINS), inflight=True, auxiliary=True)
    page = await oracle.store.sessions(Filter(), Reach(None), everything)
    assert page.count == len(oracle.sessions)
    assert {session.key for session in page.rows} == set(oracle.sessions)
    for session in page.rows:
        check_sum(session, oracle.sessions[session.key])


async def check_interceptions(oracle: Oracle, asked: Filter, reach: Reach, window: Window) -> None:
    expected = [
        opened
        for session in oracle.sessions.values()
        for opened, is_ended in session.records
        if asked.fits(opened)
        and reach.initiator_id in (None, opened.initiator_id)
        and (is_ended or window.inflight)
    ]
    expected.sort(key=lambda opened: (opened.started_at, opened.id), reverse=True)
    shown: list[Opened] = []
    is_first = True
    while is_first or window.cursor is not None:
        is_first = False
        page = await oracle.store.interceptions(asked, reach, window)
        assert page.count == len(expected)
        shown += [row.opened for row in page.rows]
        window = replace(window, cursor=page.next_cursor)
    assert shown == expected


def check_sum(session: Session, remembered: Remembered) -> None:
    records = [opened for opened, _ in remembered.records]
    ended = [opened for opened, is_ended in remembered.records if is_ended]
    assert session.threads == sum(opened.is_human for opened in ended)
    assert session.inflight == len(records) - len(ended)
    assert session.tokens["input_tokens"] == 10 * len(ended)
    assert session.models == tuple(sorted({opened.model for opened in records}))
    assert session.started_at == min(opened.started_at for opened in records)
    assert (session.ended_at is None) == (not ended)
