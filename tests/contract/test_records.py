"""What a store promises about opening and closing."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from aigateway.interception import Credential, Opened, Parents
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception, Session
from aigateway.ledger.store import ParentQuery, Store
from aigateway.steps import Step, steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.builders import (
    RETENTION,
    a_closed,
    a_prompt,
    a_thought,
    a_tool,
    a_usage,
    an_opened,
    at,
    charged,
)

ALL = Reach(None)
NOW = at(1000)


async def stored(store: Store, opened: Opened) -> Interception | None:
    return await store.interception(opened.id, ALL, NOW)


async def only_session(store: Store) -> Session:
    page = await store.sessions(Filter(), ALL, Window(10, NOW, inflight=True, auxiliary=True))
    (session,) = page.rows
    return session


async def test_i06_an_opened_record_is_there_once_open_returns(store: Store) -> None:
    opened = an_opened()
    await store.open(opened)
    found = await stored(store, opened)
    assert found is not None
    assert found.opened == opened
    assert found.closed is None
    assert found.has_prompt


async def test_i21_a_record_comes_back_equal_field_by_field(store: Store) -> None:
    opened = an_opened(
        0.123456,
        agent="agent-7",
        answered_calls=(AnsweredCall("toolu_0", None, 12), AnsweredCall("toolu_1", True, 0)),  # noqa: FBT003
        previous_response_id="resp_0",
        parents=Parents(an_opened(-5).id, an_opened(-9).id),
        retry_count=0,
        agent_firewall_session_id="f-1",
        agent_firewall_sequence_number=0,
        credential=Credential("byok", "sk-a...wxyz"),
        metadata={"Username": "alice", "größe": 3},
    )
    closed = a_closed(
        opened,
        a_thought("Möglich… 🤔"),
        a_tool("toolu_2", text='{"command": "ls"}'),
        a_tool(None, name="web_search"),
        a_usage(extra={"cache_ephemeral_5m_input": 3, "service_tier": "standard"}),
        seconds=2.345678,
        outcome="failed",
        error_type="overloaded",
        error_message="Overloaded: " + "é" * 400,
        http_status=529,
        provider_request_id="req_1",
        provider_response_id="msg_1",
        provider_model="claude-sonnet-4-5-20250929",
        stop_reason="tool_use",
        first_byte_at=at(0.5),
        response_bytes=4096,
        undelivered_bytes=7,
        key_attempts=2,
        usage_partial=True,
        deaf="frame_too_large",
        notes={"redacted_thinking_blocks": 1},
    )
    await store.open(opened)
    assert await store.close(opened, closed, ())
    found = await stored(store, opened)
    assert found is not None
    assert found.opened == opened
    assert found.closed == closed
    assert found.tokens == closed.tokens
    assert found.calls == closed.calls
    assert found.parents == opened.parents


async def test_i21_the_least_record_comes_back_equal(store: Store) -> None:
    opened = replace(
        an_opened(session=None, prompt=None), expires_at=None, metadata={}, streaming=False
    )
    closed = a_closed(opened, http_status=None)
    await store.open(opened)
    assert await store.close(opened, closed, ())
    found = await stored(store, opened)
    assert found is not None
    assert (found.opened, found.closed) == (opened, closed)
    assert not found.has_prompt


@pytest.mark.parametrize("text", ["", "a\0b", "line\r\nline", "🤖" * 300, "half \ud83d of a pair"])
async def test_any_text_can_be_stored(store: Store, text: str) -> None:
    opened = replace(an_opened(), prompt=a_prompt(text))
    closed = a_closed(opened, a_thought(text), a_tool("toolu_1", text=text))
    await store.open(opened)
    assert await store.close(opened, closed, ())
    found = await stored(store, opened)
    assert found is not None
    assert found.opened.prompt == opened.prompt
    assert found.closed is not None
    assert found.closed.rows == closed.rows


async def test_half_of_a_surrogate_pair_in_a_name_keeps_no_record_open(store: Store) -> None:
    opened = an_opened(model="m\ud83d", session="s\ud83d", prompt="p\ud83d")
    closed = a_closed(opened, a_tool("c\ud83d", name="t\ud83d"), stop_reason="\ud83d")
    await store.open(opened)
    assert await store.close(opened, closed, steps_of_closing(opened, closed))
    found = await stored(store, opened)
    assert found is not None
    assert found.closed is not None


async def test_a_text_of_two_megabytes_comes_back_whole(store: Store) -> None:
    text = "".join(f"{number:07x}" for number in range(300_000))
    opened = an_opened(prompt=text)
    closed = a_closed(opened, a_thought(text))
    await store.open(opened)
    assert await store.close(opened, closed, ())
    found = await stored(store, opened)
    assert found is not None
    assert (found.opened, found.closed) == (opened, closed)


async def test_i07_opening_twice_changes_nothing(store: Store) -> None:
    opened = an_opened()
    await store.open(opened)
    before = await only_session(store)
    await store.open(opened)
    assert await only_session(store) == before
    assert before.inflight == 1


async def test_i07_opening_again_after_the_close_changes_nothing(store: Store) -> None:
    opened = an_opened()
    await store.open(opened)
    await store.close(opened, a_closed(opened), ())
    await store.open(opened)
    found = await stored(store, opened)
    assert found is not None
    assert found.closed == a_closed(opened)
    assert (await only_session(store)).inflight == 0


async def test_i07_only_the_first_close_counts(store: Store) -> None:
    opened = an_opened()
    first = a_closed(opened, a_usage())
    other = a_closed(opened, a_usage((1, 1, 1, 1)), outcome="abandoned")
    await store.open(opened)
    assert await store.close(opened, first, (Step("J", ("x",), "n", 1),))
    assert not await store.close(opened, other, (Step("J", ("x",), "n", 1),))
    found = await stored(store, opened)
    assert found is not None
    assert found.closed == first
    assert (await only_session(store)).tokens["input_tokens"] == 10
    assert await store.counters() == {("J", ("x",)): {"n": 1}}


async def test_i07_of_many_closers_at_once_one_wins(store: Store) -> None:
    opened = an_opened()
    closed = a_closed(opened, a_usage())
    await store.open(opened)
    steps = steps_of_closing(opened, closed)
    won = await asyncio.gather(*(store.close(opened, closed, steps) for _ in range(4)))
    assert sorted(won) == [False, False, False, True]
    session = await only_session(store)
    assert session.tokens == closed.tokens
    assert session.threads == 1
    (amounts,) = (await store.counters()).values()
    assert amounts["c"] == 1


async def test_closing_what_was_never_opened_is_refused_and_leaves_nothing(store: Store) -> None:
    opened = an_opened()
    assert not await store.close(opened, a_closed(opened), (Step("J", ("x",), "n", 1),))
    assert await stored(store, opened) is None
    assert await store.counters() == {}


async def test_records_opened_and_closed_at_once_are_all_there(store: Store) -> None:
    records = [an_opened(number, session=f"s-{number % 3}") for number in range(12)]
    await asyncio.gather(*(store.open(opened) for opened in records))
    closings = (store.close(opened, a_closed(opened, a_usage()), ()) for opened in records)
    assert all(await asyncio.gather(*closings))
    page = await store.sessions(Filter(), ALL, Window(10, NOW))
    assert [session.tokens["output_tokens"] for session in page.rows] == [80, 80, 80]
    assert all([await stored(store, opened) for opened in records])


async def test_a_session_sums_up_its_interceptions(store: Store) -> None:
    first = an_opened(0, prompt="One.")
    answer = an_opened(5, prompt=None, parents=Parents(first.id, first.id), model="claude-haiku-4")
    agent = an_opened(6, agent="agent-1", prompt="Do it.")
    title = an_opened(7, auxiliary=True, prompt="Title?")
    second = an_opened(9, prompt="Two." + "x" * 300, client="Codex")
    for opened in (first, answer, agent, title, second):
        await store.open(opened)
        outcome = "failed" if opened is title else "completed"
        await store.close(opened, a_closed(opened, a_usage(), outcome=outcome), ())
    session = await only_session(store)
    assert session.key == first.session_key
    assert session.id == "session-1"
    assert (session.initiator_id, session.initiator_username) == ("u-alice", "alice")
    assert session.client == "Claude Code"
    assert session.metadata == first.metadata
    assert session.providers == session.provider_names == ("anthropic",)
    assert session.models == ("claude-haiku-4", "claude-sonnet-4-5")
    assert session.started_at == first.started_at
    assert session.ended_at == at(11)
    assert session.last_active_at == second.started_at
    assert session.last_prompt == ("Two." + "x" * 300)[:200]
    assert session.threads == 2
    assert session.errors == 1
    assert session.tokens == {
        "input_tokens": 50,
        "output_tokens": 100,
        "cache_read_input_tokens": 150,
        "cache_write_input_tokens": 200,
    }


async def test_a_late_prompt_does_not_move_its_session_back(store: Store) -> None:
    late, newest = an_opened(1, prompt="Earlier."), an_opened(2, prompt="Later.")
    await store.open(newest)
    await store.open(late)
    session = await only_session(store)
    assert session.last_active_at == newest.started_at
    assert session.last_prompt == "Later."


async def test_parents_that_the_closing_brings_make_it_no_root(store: Store) -> None:
    root, child = an_opened(0), an_opened(1, prompt=None)
    parents = Parents(root.id, root.id)
    for opened, late in ((root, None), (child, parents)):
        await store.open(opened)
        await store.close(opened, a_closed(opened, parents=late), ())
    assert (await only_session(store)).threads == 1
    found = await stored(store, child)
    assert found is not None
    assert found.parents == parents


async def test_closings_add_up_to_counters(store: Store) -> None:
    for number, outcome in enumerate(("completed", "failed", "completed")):
        opened = an_opened(number)
        facts = (a_usage(), a_tool(name="Bash"), a_tool("toolu_2", name="mcp__files__read"))
        closed = a_closed(opened, *facts, first_byte_at=at(number + 1), outcome=outcome)
        await store.open(opened)
        await store.close(opened, closed, steps_of_closing(opened, closed))
    ((name, amounts),) = (await store.counters()).items()
    labels = ("anthropic", "claude-sonnet-4-5", "/v1/messages", "POST", "Claude Code", "u-alice")
    assert name == ("R", labels)
    assert amounts == {
        "c": 2,
        "f": 1,
        "p": 3,
        "d1": 3,
        "ds": 6000,
        "b3": 3,
        "bs": 3000,
        "n:Bash": 3,
        "n:mcp__files__read": 3,
        "t:input": 30,
        "t:output": 60,
        "t:cache_read_input_tokens": 90,
        "t:cache_write_input_tokens": 120,
        "up:anthropic": 3,
    }


async def test_costs_come_back_and_add_up_in_their_session(store: Store) -> None:
    """A cost of nothing is known; without a price nothing is."""
    for number, costs in enumerate(((), (0,), (70, 5), ())):
        opened = an_opened(number)
        closed = charged(a_closed(opened, a_usage(), a_usage()), *costs)
        await store.open(opened)
        assert await store.close(opened, closed, steps_of_closing(opened, closed))
        found = await stored(store, opened)
        assert found is not None
        assert found.closed == closed
        assert found.cost_micros == (sum(costs) if costs else None)
        assert (await only_session(store)).cost_micros == (None, 0, 75, 75)[number]
    ((bare, *others),) = await store.session("session-1", ALL, NOW)
    assert [row.cost_micros for row in (bare, *others)] == [None, 0, 75, None]
    ((_, amounts),) = (await store.counters()).items()
    assert (amounts["uc"], amounts["up:anthropic"]) == (75, 5)


async def test_steps_without_a_record_are_added(store: Store) -> None:
    odd = Step("J", ("a|b#c%d", ""), "n:x.y/z", 2)
    await store.count((odd, Step("P", ("openai", "/v1/models", "GET"), "n", 1)))
    await store.count((odd,))
    await store.count(())
    assert await store.counters() == {
        ("J", ("a|b#c%d", "")): {"n:x.y/z": 4},
        ("P", ("openai", "/v1/models", "GET")): {"n": 1},
    }


def asking(*call_ids: str, **changed: str | None) -> ParentQuery:
    asked: dict[str, str | None] = {
        "initiator_id": "u-alice",
        "client_session_id": "session-1",
        "agent_id": None,
        "response_id": None,
    }
    named = asked | changed
    return ParentQuery(
        str(named["initiator_id"]),
        named["client_session_id"],
        named["agent_id"],
        call_ids,
        named["response_id"],
    )


async def called(store: Store, opened: Opened, *call_ids: str, response: str = "msg_1") -> None:
    await store.open(opened)
    facts = [a_tool(call_id) for call_id in call_ids]
    await store.close(opened, a_closed(opened, *facts, provider_response_id=response), ())


@pytest.mark.parametrize("session", ["session-1", None])
async def test_the_parent_is_the_newest_that_made_one_of_the_calls(
    store: Store, session: str | None
) -> None:
    old, new = an_opened(0, session=session), an_opened(1, session=session)
    await called(store, old, "call_0", "call_1")
    await called(store, new, "call_0")
    for ids, parent in ((("call_0",), new), (("call_9", "call_1"), old)):
        found = await store.parents(asking(*ids, client_session_id=session))
        assert found == Parents(parent.id, parent.id)
    assert await store.parents(asking("call_9", client_session_id=session)) is None


async def test_the_root_is_the_parents_own_root(store: Store) -> None:
    root = an_opened(0)
    at_start = an_opened(1, parents=Parents(root.id, root.id))
    at_end = an_opened(2, prompt=None)
    await called(store, at_start, "call_a")
    await store.open(at_end)
    late = Parents(at_start.id, root.id)
    await store.close(at_end, a_closed(at_end, a_tool("call_b"), parents=late), ())
    assert await store.parents(asking("call_a")) == Parents(at_start.id, root.id)
    assert await store.parents(asking("call_b")) == Parents(at_end.id, root.id)


async def test_a_response_id_is_the_last_resort(store: Store) -> None:
    by_call, by_response = an_opened(0), an_opened(1)
    await called(store, by_call, "call_0", response="resp_1")
    await called(store, by_response, response="resp_2")
    assert await store.parents(asking("call_0", response_id="resp_2")) == Parents(
        by_call.id, by_call.id
    )
    assert await store.parents(asking("call_9", response_id="resp_2")) == Parents(
        by_response.id, by_response.id
    )


async def test_the_same_agents_call_goes_before_a_newer_one(store: Store) -> None:
    mine, other = an_opened(0, agent="agent-1"), an_opened(1)
    await called(store, mine, "call_0")
    await called(store, other, "call_0")
    found = await store.parents(asking("call_0", agent_id="agent-1"))
    assert found == Parents(mine.id, mine.id)
    found = await store.parents(asking("call_0"))
    assert found == Parents(other.id, other.id)


async def test_threads_never_join_two_people_or_two_sessions(store: Store) -> None:
    await called(store, an_opened(0), "call_0", response="resp_1")
    await called(store, an_opened(1, session=None), "call_1", response="resp_2")
    for scope in (
        asking("call_0", initiator_id="u-bob", response_id="resp_1"),
        asking("call_0", client_session_id="session-2", response_id="resp_1"),
        asking("call_0", client_session_id=None, response_id="resp_1"),
        asking("call_1", response_id="resp_2"),
    ):
        assert await store.parents(scope) is None


async def test_orphans_are_the_open_ones_started_before_oldest_first(store: Store) -> None:
    opened = [an_opened(seconds) for seconds in (3, 1, 2, 4)]
    for each in opened:
        await store.open(each)
    await store.close(opened[2], a_closed(opened[2]), ())
    found = await store.orphans(at(4), 10)
    assert found == (opened[1], opened[0])
    assert await store.orphans(at(4), 1) == (opened[1],)


async def test_what_started_later_is_no_parent(store: Store) -> None:
    first, later = an_opened(0), an_opened(2)
    await called(store, first, "call_0")
    await called(store, later, "call_0")
    for session in ("session-1", None):
        await called(store, an_opened(0, session=None), "call_0")
        asked = asking("call_0", client_session_id=session)
        for moment, is_found in ((0.0, False), (1.0, True)):
            found = await store.parents(replace(asked, before=at(moment)))
            assert (found is not None) is is_found
            assert found is None or found.thread_parent_id != later.id


async def lost(store: Store, opened: Opened, *call_ids: str) -> None:
    """Store a record whose look-up of its parents failed."""
    await store.open(opened)
    facts = [a_tool(call_id) for call_id in call_ids]
    await store.close(opened, a_closed(opened, *facts, parents_unknown=True), ())


async def test_parents_are_repaired_once_and_the_thread_is_counted_no_more(store: Store) -> None:
    root, child = an_opened(0), an_opened(1, prompt=None)
    await called(store, root, "call_0")
    await lost(store, child, "call_1")
    assert (await only_session(store)).threads == 2
    assert await store.unparented(10) == (child,)
    assert await store.orphans(NOW, 10) == ()
    parents = Parents(root.id, root.id)
    assert await store.repair_parent(child, parents)
    assert not await store.repair_parent(child, Parents(child.id, child.id))
    assert await store.unparented(10) == ()
    found = await stored(store, child)
    assert found is not None
    assert found.parents == parents
    assert found.closed == a_closed(child, a_tool("call_1"), parents=parents)
    session = await only_session(store)
    assert (session.threads, session.inflight) == (1, 0)
    assert await store.parents(asking("call_1")) == Parents(child.id, root.id)


async def test_who_took_a_repaired_record_for_its_root_gets_the_true_one(store: Store) -> None:
    root, child, grandchild = an_opened(0), an_opened(1, prompt=None), an_opened(2, prompt=None)
    await called(store, root, "call_0")
    await lost(store, child, "call_1")
    await store.open(grandchild)
    taken = Parents(child.id, child.id)
    await store.close(grandchild, a_closed(grandchild, a_tool("call_2"), parents=taken), ())
    await store.repair_parent(child, Parents(root.id, root.id))
    found = await stored(store, grandchild)
    assert found is not None
    assert found.parents == Parents(child.id, root.id)
    assert await store.parents(asking("call_2")) == Parents(grandchild.id, root.id)


async def test_a_record_without_parents_is_settled_as_a_root(store: Store) -> None:
    opened = an_opened()
    await lost(store, opened)
    assert await store.repair_parent(opened, None)
    assert not await store.repair_parent(opened, None)
    assert await store.unparented(10) == ()
    assert (await only_session(store)).threads == 1
    found = await stored(store, opened)
    assert found is not None
    assert found.closed == a_closed(opened)


async def test_a_sub_agents_repair_takes_no_thread_from_the_session(store: Store) -> None:
    root, agent = an_opened(0), an_opened(1, agent="agent-1", prompt=None)
    await called(store, root, "call_0")
    await lost(store, agent)
    assert await store.repair_parent(agent, Parents(root.id, root.id))
    assert (await only_session(store)).threads == 1


async def test_records_without_parents_come_oldest_first_and_no_others(store: Store) -> None:
    one, two, known = an_opened(1, prompt=None), an_opened(0, prompt=None), an_opened(2)
    for opened in (one, two):
        await lost(store, opened)
    await called(store, known)
    assert await store.unparented(10) == (two, one)
    assert await store.unparented(1) == (two,)
    assert not await store.repair_parent(known, Parents(one.id, one.id))
    assert not await store.repair_parent(an_opened(3), Parents(one.id, one.id))


async def test_i15_everything_of_a_record_is_gone_at_its_expiry(store: Store) -> None:
    opened = an_opened()
    await called(store, opened, "call_0")
    assert opened.expires_at is not None
    last = opened.expires_at - timedelta(seconds=1)
    for now, is_there in ((last, True), (opened.expires_at, False)):
        window = Window(10, now, inflight=True, auxiliary=True)
        assert bool((await store.sessions(Filter(), ALL, window)).rows) is is_there
        assert (await store.sessions(Filter(), ALL, window)).count == is_there
        assert bool((await store.interceptions(Filter(), ALL, window)).rows) is is_there
        assert bool(await store.session("session-1", ALL, now)) is is_there
        assert bool(await store.interception(opened.id, ALL, now)) is is_there


async def test_a_session_lives_as_long_as_its_youngest_interception(store: Store) -> None:
    old, young = an_opened(0), an_opened(3600)
    for opened in (old, young):
        await store.open(opened)
        await store.close(opened, a_closed(opened), ())
    now = at(1800) + RETENTION
    ((found,),) = await store.session("session-1", ALL, now)
    assert found.id == young.id
    assert (await store.sessions(Filter(), ALL, Window(10, now))).count == 1


async def test_purging_deletes_nothing_that_is_alive(store: Store) -> None:
    forever = replace(an_opened(0, session="s-0"), expires_at=None)
    gone, alive = an_opened(1, session="s-1"), an_opened(3600, session="s-1")
    for opened in (forever, gone, alive):
        await called(store, opened, "call_0")
    now = at(1800) + RETENTION
    assert await store.purge(now, 100) >= 0
    for opened, is_there in ((forever, True), (gone, False), (alive, True)):
        assert bool(await store.interception(opened.id, ALL, now)) is is_there
    assert (await store.sessions(Filter(), ALL, Window(10, now))).count == 2
