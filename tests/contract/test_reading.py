"""What a store promises about one session and its texts."""

from aigateway.interception import Parents
from aigateway.ledger.listing import Reach
from aigateway.ledger.store import Store
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at

ALL = Reach(None)
NOW = at(1000)


async def test_a_session_comes_bare_and_oldest_first(store: Store) -> None:
    records = [an_opened(seconds) for seconds in (3, 1, 2)]
    for opened in records:
        await store.open(opened)
    first = records[1]
    await store.close(first, a_closed(first, a_thought(), a_tool(), a_usage()), ())
    (group,) = await store.session("session-1", ALL, NOW)
    assert [row.id for row in group] == [records[n].id for n in (1, 2, 0)]
    assert all(row.bare and row.opened.prompt is None and row.has_prompt for row in group)
    assert group[1].closed is None
    ended = group[0]
    assert ended.closed is not None
    assert ended.closed.rows == ()
    assert (ended.closed.outcome, ended.closed.ended_at) == ("completed", at(3))
    assert ended.calls == (("toolu_1", "Bash"),)
    assert ended.tokens["cache_write_input_tokens"] == 40


async def test_bare_interceptions_can_be_filled(store: Store) -> None:
    ended, open_one = an_opened(1), an_opened(2)
    closed = a_closed(ended, a_thought(), a_tool(), a_usage(), notes={"n": 1})
    await store.open(ended)
    await store.open(open_one)
    await store.close(ended, closed, ())
    (group,) = await store.session("session-1", ALL, NOW)
    full = await store.filled(tuple(reversed(group)))
    assert [row.opened for row in full] == [open_one, ended]
    assert [row.closed for row in full] == [None, closed]
    assert not any(row.bare for row in full)
    assert await store.filled(()) == ()


async def test_one_session_id_of_two_people_gives_two_groups(store: Store) -> None:
    for who in ("u-alice", "u-bob"):
        await store.open(an_opened(1, initiator_id=who))
    groups = await store.session("session-1", ALL, NOW)
    assert sorted(group[0].opened.initiator_id for group in groups) == ["u-alice", "u-bob"]
    assert [len(group) for group in groups] == [1, 1]


async def test_without_a_client_session_the_root_names_the_session(store: Store) -> None:
    root = an_opened(1, session=None)
    child = an_opened(2, session=None, prompt=None, parents=Parents(root.id, root.id))
    for opened in (root, child):
        await store.open(opened)
    (group,) = await store.session(root.id, ALL, NOW)
    assert [row.id for row in group] == [root.id, child.id]


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    await store.open(an_opened(1))
    for unknown in ("", "session-2", "a#b%c", an_opened(2).id, "x" * 300):
        assert await store.session(unknown, ALL, NOW) == ()
    for unknown in ("", "x", an_opened(1).id, "00000000-0000-4000-8000-000000000000"):
        assert await store.interception(unknown, ALL, NOW) is None


async def test_a_session_id_may_hold_any_character(store: Store) -> None:
    for number, session in enumerate(("a#b%c", "ü 😀", "'; DROP TABLE session; --", "x" * 256)):
        opened = an_opened(number, session=session)
        await store.open(opened)
        ((found,),) = await store.session(session, ALL, NOW)
        assert found.id == opened.id
