"""What a store promises about where a page begins, and about the names it has seen."""

from dataclasses import replace

import pytest

from aigateway.errors import CursorInvalid
from aigateway.interception import Opened
from aigateway.ledger.listing import Filter, NameKind, Reach, Window
from aigateway.ledger.store import Store
from aigateway.steps import passed_through, rejected, steps_of_closing
from tests.builders import a_closed, a_usage, an_opened, at

ALL, ALICE, BOB = Reach(None), Reach("u-alice"), Reach("u-bob")
NOW = at(1000)
EVERYTHING = Filter()


async def add(store: Store, opened: Opened) -> Opened:
    closed = a_closed(opened, a_usage())
    await store.open(opened)
    await store.close(opened, closed, steps_of_closing(opened, closed))
    return opened


async def seven(store: Store) -> list[str]:
    """Store seven sessions of one interception and return their numbers, the newest first."""
    for number in range(7):
        await add(store, an_opened(100 - number, session=f"s-{number}", model=f"m-{number % 2}"))
    return [f"s-{number}" for number in range(7)]


@pytest.mark.parametrize("offset", [0, 1, 3, 6, 7, 50])
async def test_an_offset_drops_so_many_and_the_cursor_goes_on(store: Store, offset: int) -> None:
    expected = await seven(store)
    for asked, rest in (
        (EVERYTHING, expected[offset:]),
        (Filter(model="m-0"), expected[::2][offset:]),
        (Filter(initiator_id="u-alice"), expected[offset:]),
    ):
        for listed in (store.sessions, store.interceptions):
            window = Window(2, NOW, offset=offset)
            shown: list[str] = []
            while window.cursor is not None or not shown:
                page = await listed(asked, ALL, window)
                shown += [
                    row.id if listed == store.sessions else row.opened.session_id  # type: ignore[union-attr]  # a row of its list
                    for row in page.rows
                ]
                assert page.count == (4 if asked.model else 7)
                window = Window(2, NOW, page.next_cursor)
                if page.next_cursor is None:
                    break
            assert shown == rest, (asked, listed)


async def test_an_offset_passes_over_what_is_not_shown(store: Store) -> None:
    await store.open(an_opened(50, session="open"))
    await add(store, an_opened(40, session="side", auxiliary=True))
    await seven(store)
    await add(store, an_opened(10, session="last"))
    page = await store.interceptions(EVERYTHING, ALL, Window(2, NOW, offset=7))
    assert [row.opened.session_id for row in page.rows] == ["side", "last"]
    page = await store.interceptions(EVERYTHING, ALL, Window(2, NOW, offset=7, inflight=True))
    assert [row.opened.session_id for row in page.rows] == ["open", "side"]
    listed = await store.sessions(EVERYTHING, ALL, Window(2, NOW, offset=7))
    assert [row.id for row in listed.rows] == ["last"]


async def test_a_page_follows_the_session_that_was_the_last(store: Store) -> None:
    expected = await seven(store)
    for asked, reach in (
        (EVERYTHING, ALL),
        (EVERYTHING, ALICE),
        (Filter(client="Claude Code"), ALL),
        (Filter(initiator_id="u-alice"), ALL),
    ):
        page = await store.sessions(asked, reach, Window(3, NOW, after="s-1"))
        assert [row.id for row in page.rows] == expected[2:5], asked
        rest = await store.sessions(asked, reach, Window(9, NOW, page.next_cursor))
        assert [row.id for row in rest.rows] == expected[5:]
        assert page.count == rest.count == 7
    end = await store.sessions(EVERYTHING, ALL, Window(3, NOW, after="s-6"))
    assert (end.rows, end.next_cursor, end.count) == ((), None, 7)


async def test_a_page_follows_a_session_without_a_client_session(store: Store) -> None:
    root = await add(store, an_opened(5, session=None))
    await add(store, an_opened(3, session="older"))
    page = await store.sessions(EVERYTHING, ALL, Window(3, NOW, after=root.id))
    assert [row.id for row in page.rows] == ["older"]


async def test_a_page_follows_the_interception_that_was_the_last(store: Store) -> None:
    rows = [await add(store, an_opened(100 - number, session="s")) for number in range(5)]
    for asked, reach in ((EVERYTHING, ALL), (EVERYTHING, ALICE), (Filter(session_id="s"), ALL)):
        page = await store.interceptions(asked, reach, Window(2, NOW, after=rows[1].id))
        assert [row.id for row in page.rows] == [row.id for row in rows[2:4]]
        rest = await store.interceptions(asked, reach, Window(2, NOW, page.next_cursor))
        assert [row.id for row in rest.rows] == [rows[4].id]


async def test_i17_nobody_begins_after_what_is_not_theirs(store: Store) -> None:
    mine = await add(store, an_opened(1, session="same"))
    await add(store, an_opened(2, session="same", initiator_id="u-bob"))
    theirs = await add(store, an_opened(3, session="bobs", initiator_id="u-bob"))
    expired = await add(store, an_opened(4, session="old", expires_at=at(5)))
    child = await add(store, an_opened(6, session="same"))
    for reach, asked, after in (
        (ALICE, EVERYTHING, "bobs"),
        (ALL, EVERYTHING, "same"),
        (ALL, EVERYTHING, "old"),
        (ALL, EVERYTHING, "nothing"),
        (ALL, EVERYTHING, "\ud800"),
        (ALL, EVERYTHING, child.id),
        (ALL, Filter(initiator_id="u-alice"), "bobs"),
    ):
        with pytest.raises(CursorInvalid):
            await store.sessions(asked, reach, Window(5, NOW, after=after))
    for reach, after in (
        (ALICE, theirs.id), (ALL, expired.id), (ALL, "nothing"), (ALL, mine.id[:-1] + "g"),
    ):  # fmt: skip
        with pytest.raises(CursorInvalid):
            await store.interceptions(EVERYTHING, reach, Window(5, NOW, after=after))
    one = await store.sessions(Filter(initiator_id="u-bob"), ALL, Window(5, NOW, after="same"))
    assert one.rows == ()
    own = await store.interceptions(EVERYTHING, BOB, Window(5, NOW, after=theirs.id))
    assert [row.opened.initiator_id for row in own.rows] == ["u-bob"]


async def test_a_count_is_remembered_for_a_minute_but_not_beyond_a_write(store: Store) -> None:
    await seven(store)
    first = await store.sessions(EVERYTHING, ALL, Window(1, NOW))
    assert first.count == 7
    await add(store, an_opened(200, session="new"))
    again = await store.sessions(EVERYTHING, ALL, Window(1, NOW, first.next_cursor))
    assert again.count == 8


async def names(
    store: Store, kind: NameKind, reach: Reach = ALL, prefix: str = "", window: Window | None = None
) -> list[str]:
    return list(await store.names(kind, reach, window or Window(100, NOW), prefix))


async def test_names_are_those_of_ended_interceptions(store: Store) -> None:
    assert await names(store, "models") == []
    await store.open(an_opened(0, model="running"))
    for number, (who, model, client, provider) in enumerate(
        [
            ("u-alice", "m|2", "Codex", "openai"),
            ("u-alice", "M#1", "Codex", "openai"),
            ("u-bob", "m-3", "Claude Code", "anthropic"),
            ("u-bob", "m-3", "Claude Code", "anthropic"),
        ]
    ):
        opened = an_opened(number, initiator_id=who, model=model, provider_name=provider)
        await add(store, replace(opened, client=replace(opened.client, name=client)))
    await store.count(())
    assert await names(store, "models") == ["M#1", "m-3", "m|2"]
    assert await names(store, "clients") == ["Claude Code", "Codex"]
    assert await names(store, "providers") == ["anthropic", "openai"]
    assert await names(store, "models", prefix="m") == ["M#1", "m-3", "m|2"]
    assert await names(store, "models", prefix="m|") == ["m|2"]
    assert await names(store, "models", window=Window(1, NOW, offset=1)) == ["m-3"]


async def test_i17_a_member_sees_the_names_of_its_own(store: Store) -> None:
    await add(store, an_opened(0, model="m-1", client="Codex"))
    await add(store, an_opened(1, model="m-2", initiator_id="u-bob", provider_name="eu"))
    assert await names(store, "models", ALICE) == ["m-1"]
    assert await names(store, "clients", BOB) == ["Claude Code"]
    assert await names(store, "providers", BOB) == ["eu"]
    assert await names(store, "models", Reach("u-nobody")) == []


async def test_refusals_and_passed_requests_name_nothing(store: Store) -> None:
    await store.count(
        (*rejected("not_allowed"), *passed_through("other", "/v1/models", "GET", 1, 1))
    )
    assert await names(store, "providers") == []
