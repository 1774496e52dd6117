"""What a store promises about lists: filters, reach, order, and walks over moving sessions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import final

import pytest

from aigateway.errors import CursorInvalid
from aigateway.interception import Opened
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception, Page, Session
from aigateway.ledger.store import Store
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at

ALL = Reach(None)
NOW = at(1000)
EVERYTHING = Filter()


async def add(store: Store, opened: Opened, *, ended: bool = True) -> Opened:
    await store.open(opened)
    if ended:
        await store.close(opened, a_closed(opened, a_usage()), ())
    return opened


async def shown(
    store: Store,
    asked: Filter = EVERYTHING,
    reach: Reach = ALL,
    *,
    inflight: bool = False,
    auxiliary: bool = False,
) -> list[str]:
    window = Window(100, NOW, inflight=inflight, auxiliary=auxiliary)
    page = await store.sessions(asked, reach, window)
    assert page.next_cursor is None
    assert page.count == len(page.rows)
    assert page.count_exact
    return [session.id for session in page.rows]


@final
@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk showed, and the number of its pages."""

    ids: list[str]
    pages: int


async def walk(
    page_of: Callable[[Window], Awaitable[Page[Session] | Page[Interception]]],
    limit: int,
    between: Callable[[int], Awaitable[None]] | None = None,
) -> Walked:
    ids: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = await page_of(Window(limit, NOW, cursor))
        assert len(page.rows) <= limit
        ids += [row.id for row in page.rows]
        cursor, pages = page.next_cursor, pages + 1
        if between is not None:
            await between(pages)
    return Walked(ids, pages)


async def test_sessions_come_by_their_newest_prompt(store: Store) -> None:
    for seconds, session in ((1, "a"), (2, "b"), (3, "c"), (4, "a")):
        await add(store, an_opened(seconds, session=session))
    await add(store, an_opened(9, session="b", prompt=None))
    await add(store, an_opened(10, session="c", agent="agent-1"))
    await add(store, an_opened(11, session="b", auxiliary=True))
    assert await shown(store) == ["a", "c", "b"]


async def test_a_session_without_a_prompt_stands_at_its_start(store: Store) -> None:
    await add(store, an_opened(1, session="a", prompt=None))
    await add(store, an_opened(2, session="b"))
    await add(store, an_opened(3, session="a", prompt=None))
    assert await shown(store) == ["b", "a"]


async def test_every_filter_finds_what_it_names(store: Store) -> None:
    plain = await add(store, an_opened(1, session="plain"))
    await add(
        store,
        an_opened(
            2,
            session="other",
            client="Codex",
            provider="openai",
            provider_name="eu|1",
            model="gpt-5.2#x",
            initiator_id="u-bob",
            initiator_username="bob",
        ),
    )
    for asked in (
        Filter(initiator_id="u-bob"),
        Filter(provider="openai"),
        Filter(provider_name="eu|1"),
        Filter(model="gpt-5.2#x"),
        Filter(client="cODEX"),
        Filter(session_id="other"),
        Filter(started_after=at(1.5)),
        Filter(provider="openai", model="gpt-5.2#x", client="Codex", started_before=NOW),
    ):
        assert await shown(store, asked) == ["other"], asked
        page = await store.interceptions(asked, ALL, Window(100, NOW))
        assert [row.opened.session_id for row in page.rows] == ["other"], asked
        assert page.count == 1
    for asked in (
        Filter(model="GPT-5.2#X"),
        Filter(model="gpt-5.2#x", client="Claude Code"),
        Filter(session_id="oth"),
        Filter(started_after=at(3)),
        Filter(initiator_id="u-alice", session_id="other"),
    ):
        assert await shown(store, asked) == []
        assert (await store.interceptions(asked, ALL, Window(100, NOW))).rows == ()
    assert await shown(store, Filter(started_before=plain.started_at)) == ["plain"]


async def test_bounds_are_inclusive_to_the_microsecond(store: Store) -> None:
    opened = await add(store, an_opened(1.000001))
    for asked, found in (
        (Filter(started_after=opened.started_at, started_before=opened.started_at), 1),
        (Filter(started_after=at(1.000002)), 0),
        (Filter(started_before=at(1.0)), 0),
    ):
        assert len(await shown(store, asked)) == found
        assert (await store.interceptions(asked, ALL, Window(9, NOW))).count == found


async def test_all_filters_must_hold_for_one_interception(store: Store) -> None:
    await add(store, an_opened(1, model="m-1", client="Codex"))
    await add(store, an_opened(2, model="m-2", client="Claude Code"))
    await add(store, an_opened(50, model="m-3"))
    assert await shown(store, Filter(model="m-1", client="Codex")) == ["session-1"]
    assert await shown(store, Filter(model="m-1", client="Claude Code")) == []
    between = Filter(started_after=at(10), started_before=at(40))
    assert await shown(store, between) == []
    assert await shown(store, replace(between, started_before=at(50))) == ["session-1"]
    assert await shown(store, Filter(model="m-1", started_after=at(10))) == []


async def test_a_filter_matches_the_whole_session_is_summed_up(store: Store) -> None:
    await add(store, an_opened(1, model="m-1"))
    await add(store, an_opened(2, model="m-2"))
    page = await store.sessions(Filter(model="m-2"), ALL, Window(10, NOW))
    (session,) = page.rows
    assert session.models == ("m-1", "m-2")
    assert session.tokens["input_tokens"] == 20
    assert session.threads == 2
    assert session.inflight is None


async def test_interceptions_in_flight_are_shown_when_asked_for(store: Store) -> None:
    await add(store, an_opened(1, session="open", model="m-1"), ended=False)
    await add(store, an_opened(2, session="both", model="m-1"))
    await add(store, an_opened(3, session="both", model="m-2"), ended=False)
    assert await shown(store) == ["both"]
    assert await shown(store, inflight=True) == ["both", "open"]
    assert await shown(store, Filter(model="m-2")) == []
    assert await shown(store, Filter(model="m-2"), inflight=True) == ["both"]
    assert await shown(store, Filter(started_after=at(3))) == []
    assert await shown(store, Filter(started_after=at(3)), inflight=True) == ["both"]
    page = await store.sessions(EVERYTHING, ALL, Window(10, NOW, inflight=True))
    assert [session.inflight for session in page.rows] == [1, 1]
    assert page.rows[1].ended_at is None
    listed = await store.interceptions(EVERYTHING, ALL, Window(10, NOW))
    assert (listed.count, len(listed.rows)) == (1, 1)
    listed = await store.interceptions(EVERYTHING, ALL, Window(10, NOW, inflight=True))
    assert (listed.count, len(listed.rows)) == (3, 3)
    assert listed.rows[0].closed is None


async def test_sessions_of_side_requests_are_shown_when_asked_for(store: Store) -> None:
    await add(store, an_opened(1, session="side", auxiliary=True))
    await add(store, an_opened(2, session="main", auxiliary=True))
    await add(store, an_opened(3, session="main"))
    assert await shown(store) == ["main"]
    assert await shown(store, auxiliary=True) == ["main", "side"]
    assert (await store.interceptions(EVERYTHING, ALL, Window(10, NOW))).count == 3


async def test_i17_a_member_sees_its_own_with_any_filter(store: Store) -> None:
    mine = await add(store, an_opened(1, session="same"))
    theirs = await add(
        store, an_opened(2, session="same", initiator_id="u-bob", initiator_username="bob")
    )
    alone = await add(store, an_opened(3, session=None, initiator_id="u-bob"))
    alice, bob = Reach("u-alice"), Reach("u-bob")
    for asked in (
        EVERYTHING,
        Filter(session_id="same"),
        Filter(model=mine.model),
        Filter(provider_name="anthropic", client="Claude Code"),
        Filter(started_after=at(0)),
        Filter(initiator_id="u-alice"),
    ):
        page = await store.sessions(asked, alice, Window(10, NOW, inflight=True, auxiliary=True))
        assert {row.initiator_id for row in page.rows} == {"u-alice"}, asked
        assert page.count == 1
        listed = await store.interceptions(asked, alice, Window(10, NOW))
        assert [row.id for row in listed.rows] == [mine.id], asked
        assert listed.count == 1
    for asked in (Filter(initiator_id="u-bob"), Filter(session_id=alone.id)):
        assert await shown(store, asked, alice) == []
        assert (await store.interceptions(asked, alice, Window(10, NOW))).count == 0
    assert await store.interception(theirs.id, alice, NOW) is None
    assert await store.interception(theirs.id, bob, NOW) is not None
    assert await store.session(alone.id, alice, NOW) == ()
    ((found,),) = await store.session("same", alice, NOW)
    assert found.id == mine.id


async def test_i17_a_cursor_is_of_no_use_to_another_caller_or_filter(store: Store) -> None:
    for seconds in range(4):
        who = "u-alice" if seconds % 2 else "u-bob"
        await add(store, an_opened(seconds, session=f"s-{seconds}", initiator_id=who))
    asked = Filter(client="Claude Code")
    for listed in (store.sessions, store.interceptions):
        cursor = (await listed(asked, Reach("u-alice"), Window(1, NOW))).next_cursor
        assert cursor is not None
        again = Window(5, NOW, cursor)
        assert len((await listed(asked, Reach("u-alice"), again)).rows) == 1
        for other, reach, window in (
            (asked, Reach("u-bob"), again),
            (asked, ALL, again),
            (EVERYTHING, Reach("u-alice"), again),
            (replace(asked, started_after=at(0)), Reach("u-alice"), again),
            (asked, Reach("u-alice"), replace(again, inflight=True)),
            (asked, Reach("u-alice"), replace(again, auxiliary=True)),
        ):
            with pytest.raises(CursorInvalid):
                await listed(other, reach, window)


async def test_an_altered_cursor_is_refused(store: Store) -> None:
    for seconds in range(3):
        await add(store, an_opened(seconds, session=f"s-{seconds}"))
    for listed, other in (
        (store.sessions, store.interceptions),
        (store.interceptions, store.sessions),
    ):
        cursor = (await listed(EVERYTHING, ALL, Window(1, NOW))).next_cursor
        assert cursor is not None
        changed = ("A" if cursor[20] != "A" else "B").join((cursor[:20], cursor[21:]))
        for text in ("", "x", "é", cursor[:-1], cursor + "A", cursor + "=", changed, "A" * 9999):
            with pytest.raises(CursorInvalid):
                await listed(EVERYTHING, ALL, Window(1, NOW, text))
        with pytest.raises(CursorInvalid):
            await other(EVERYTHING, ALL, Window(1, NOW, cursor))


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_a_walk_shows_every_session_once_in_order(store: Store, limit: int) -> None:
    expected = [f"s-{number}" for number in range(7)]
    for number in range(7):
        who = f"u-{number % 2}"
        await add(store, an_opened(100 - number, session=f"s-{number}", initiator_id=who))
    for asked, reach, ids in (
        (EVERYTHING, ALL, expected),
        (Filter(model="claude-sonnet-4-5"), ALL, expected),
        (EVERYTHING, Reach("u-0"), expected[::2]),
        (Filter(started_after=at(97)), ALL, expected[:4]),
    ):
        found = await walk(lambda w, a=asked, r=reach: store.sessions(a, r, w), limit)  # type: ignore[misc]
        assert found.ids == ids


async def test_a_walk_shows_sessions_where_they_stood_when_it_began(store: Store) -> None:
    for number in range(6):
        await add(store, an_opened(10 - number, session=f"s-{number}"))

    async def between(page: int) -> None:
        seconds = 2000 + page * 10
        for later, session in enumerate(("s-0", "s-5", "s-3", f"new-{page}")):
            await add(store, an_opened(seconds + later, session=session))

    for asked, reach in ((EVERYTHING, ALL), (EVERYTHING, Reach("u-alice"))):
        before = await shown(store, asked, reach)
        found = await walk(lambda w, a=asked, r=reach: store.sessions(a, r, w), 2, between)  # type: ignore[misc]
        assert found.ids == before


async def test_two_sessions_of_one_millisecond_are_both_shown(store: Store) -> None:
    for number in range(4):
        await add(store, an_opened(5, session=f"s-{number}"))
    found = await walk(lambda window: store.sessions(EVERYTHING, ALL, window), 1)
    assert sorted(found.ids) == ["s-0", "s-1", "s-2", "s-3"]
    assert found.ids == await shown(store)


async def test_the_limit_may_differ_from_page_to_page(store: Store) -> None:
    for number in range(5):
        await add(store, an_opened(10 - number, session=f"s-{number}"))
    first = await store.sessions(EVERYTHING, ALL, Window(1, NOW))
    assert first.count == 5
    rest = await store.sessions(EVERYTHING, ALL, Window(100, NOW, first.next_cursor))
    assert [session.id for session in rest.rows] == ["s-1", "s-2", "s-3", "s-4"]
    assert rest.count == 5
    assert rest.next_cursor is None


async def test_a_session_without_a_client_session_is_found_by_its_root(store: Store) -> None:
    opened = await add(store, an_opened(1, session=None))
    await add(store, an_opened(2, session="other"))
    assert await shown(store, Filter(session_id=opened.id)) == [opened.id]
    page = await store.interceptions(Filter(session_id=opened.id), ALL, Window(9, NOW))
    assert [row.id for row in page.rows] == [opened.id]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_interceptions_come_whole_newest_start_first(store: Store, limit: int) -> None:
    records = [an_opened(seconds, session=f"s-{seconds % 2}") for seconds in (5, 1, 90_000, 3, 4)]
    closings = [a_closed(o, a_thought(), a_tool(), a_usage()) for o in records]
    for opened, closed in zip(records, closings, strict=True):
        await store.open(opened)
        await store.close(opened, closed, ())
    now = at(90_010)
    page = await store.interceptions(EVERYTHING, ALL, Window(100, now))
    assert [row.opened for row in page.rows] == [records[n] for n in (2, 0, 4, 3, 1)]
    assert [row.closed for row in page.rows] == [closings[n] for n in (2, 0, 4, 3, 1)]
    assert not any(row.bare for row in page.rows)
    found = await walk(
        lambda w: store.interceptions(Filter(session_id="s-1"), ALL, replace(w, now=now)), limit
    )
    assert found.ids == [records[n].id for n in (0, 3, 1)]


async def test_interceptions_that_start_during_a_walk_do_not_disturb_it(store: Store) -> None:
    records = [await add(store, an_opened(seconds)) for seconds in range(5)]

    async def between(page: int) -> None:
        await add(store, an_opened(2000 + page))

    found = await walk(lambda w: store.interceptions(EVERYTHING, ALL, w), 2, between)
    assert found.ids == [opened.id for opened in reversed(records)]


async def test_a_page_of_heavy_texts_is_cut_short_but_nothing_is_lost(store: Store) -> None:
    for seconds in range(5):
        opened = an_opened(seconds)
        await store.open(opened)
        await store.close(opened, a_closed(opened, a_thought("x" * 1_500_000)), ())
    page = await store.interceptions(EVERYTHING, ALL, Window(100, NOW))
    assert 0 < len(page.rows) < 5
    found = await walk(lambda w: store.interceptions(EVERYTHING, ALL, w), 100)
    assert len(set(found.ids)) == len(found.ids) == 5
    assert found.pages > 1


async def test_an_empty_store_has_one_empty_page(store: Store) -> None:
    for listed in (store.sessions, store.interceptions):
        page = await listed(EVERYTHING, ALL, Window(10, NOW))
        assert (page.rows, page.count, page.count_exact, page.next_cursor) == ((), 0, True, None)


async def test_a_side_request_of_the_same_millisecond_does_not_hide_the_first_prompt(
    store: Store,
) -> None:
    await add(store, an_opened(1, prompt="A title, please.", auxiliary=True))
    await add(store, an_opened(1, prompt="Fix the build."))
    page = await store.sessions(EVERYTHING, ALL, Window(limit=10, now=NOW))
    assert [session.last_prompt for session in page.rows] == ["Fix the build."]
