import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

from aigateway.interception import Credential, Parents
from aigateway.ledger.rows import Interception, Page, Session, whole
from aigateway.sessions.interception_view import interception
from aigateway.sessions.threads import conversation_of
from aigateway.sessions.view import session_detail, sessions_page
from aigateway.transcript.facts import AnsweredCall, Thought, TokenUsage, ToolUsage
from tests.builders import (
    a_closed,
    a_prompt,
    a_thought,
    a_tool,
    a_usage,
    an_opened,
    at,
    charged,
)


def detail(*rows: Interception) -> dict[str, Any]:
    conversation = conversation_of(rows)
    return session_detail("session-1", rows, conversation.threads, conversation)


def a_session() -> Session:
    return Session(
        key="k", id="s", initiator_id="u", initiator_username="alice", client="Codex",
        metadata={"team": "x"}, providers=("openai", "anthropic"), provider_names=("b", "a"),
        models=("m2", "m1"), started_at=at(0), ended_at=None, last_active_at=at(1.5),
        last_prompt=None, threads=0, errors=0, tokens={"input_tokens": 5, "audio": 2},
        cost_micros=None, inflight=None,
    )  # fmt: skip


def test_a_page_says_when_its_count_is_not_exact() -> None:
    page = sessions_page(Page((a_session(),), 10_000, count_exact=False, next_cursor="c"))
    assert (page["count"], page["count_exact"], page["next_cursor"]) == (10_000, False, "c")
    exact = sessions_page(Page((), 0, count_exact=True, next_cursor=None))
    assert exact == {"count": 0, "sessions": []}


def test_a_session_in_a_list_is_sorted_and_has_four_counts() -> None:
    (row,) = sessions_page(Page((a_session(),), 1, count_exact=True, next_cursor=None))["sessions"]
    assert row == {
        "id": "s",
        "initiator": {"id": "u", "username": "alice"},
        "providers": ["anthropic", "openai"],
        "provider_names": ["a", "b"],
        "models": ["m1", "m2"],
        "client": "Codex",
        "metadata": {"Username": "alice", "team": "x"},
        "started_at": "2026-11-24T12:00:00.000000Z",
        "threads": 0,
        "token_usage_summary": {
            "input_tokens": 5,
            "output_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_write_input_tokens": 0,
        },
        "last_active_at": "2026-11-24T12:00:01.500000Z",
        "errors": 0,
    }


def test_costs_are_shown_where_something_has_a_price() -> None:
    session = replace(a_session(), cost_micros=0)
    (row,) = sessions_page(Page((session,), 1, count_exact=True, next_cursor=None))["sessions"]
    assert row["cost_micros"] == 0
    opened = [an_opened(number) for number in range(2)]
    free, priced = (whole(each, a_closed(each, a_usage())) for each in opened)
    assert "cost_micros" not in detail(free)
    closed = charged(a_closed(opened[1], a_usage()), 70)
    priced = whole(opened[1], closed)
    assert detail(free, priced)["cost_micros"] == 70
    (usage,) = interception(priced, {})["token_usages"]
    assert usage["cost_micros"] == 70
    assert usage["price_version"] == "prices 1"
    assert usage["output_price_micros"] == 15_000_000
    assert "cache_write_1h_price_micros" not in usage
    (unpriced,) = interception(free, {})["token_usages"]
    assert not {"cost_micros", "price_version", "input_price_micros"} & unpriced.keys()


def test_a_detail_holds_threads_actions_and_tool_calls() -> None:
    asking = an_opened(0, prompt="Look.")
    answering = an_opened(
        5,
        prompt=None,
        answered_calls=(AnsweredCall("toolu_1", is_error=False, result_bytes=4),),
    )
    hosted = replace(
        a_tool("srv_1", "web_search", '{"query": 1.0}'), server="tavily", executed_by="provider"
    )
    first = whole(asking, a_closed(asking, a_usage(), a_thought(), a_tool(), hosted))
    second = whole(answering, a_closed(answering, a_usage((1, 2, 3, 4)), seconds=3))
    document = detail(first, second)
    assert set(document) == {
        "id", "initiator", "providers", "models", "client", "metadata", "started_at", "ended_at",
        "page_started_at", "page_ended_at", "threads", "token_usage_summary",
    }  # fmt: skip
    assert document["ended_at"] == document["page_ended_at"] == "2026-11-24T12:00:08.000000Z"
    assert document["token_usage_summary"] == {
        "input_tokens": 11,
        "output_tokens": 22,
        "cache_read_input_tokens": 33,
        "cache_write_input_tokens": 44,
        "metadata": {},
    }
    (thread,) = document["threads"]
    assert (thread["prompt"], thread["id"]) == ("Look.", asking.id)
    (action,) = thread["agentic_actions"]
    assert action["thinking"] == [{"text": "Let me see."}]
    assert (action["interception_id"], action["outcome"]) == (asking.id, "completed")
    ran, searched = action["tool_calls"]
    assert ran == {
        "id": str(uuid5(UUID(asking.id), "tool_usage:2")),
        "interception_id": asking.id,
        "created_at": "2026-11-24T12:00:02.000000Z",
        "provider_response_id": "msg_1",
        "provider_tool_call_id": "toolu_1",
        "server_url": "",
        "tool": "Bash",
        "injected": False,
        "input": "{}",
        "metadata": {},
        "executed_by": "client",
        "result_is_error": False,
    }
    assert (searched["server_url"], searched["input"]) == ("tavily", '{"query": 1.0}')
    assert "result_is_error" not in searched


def test_a_failed_root_shows_its_error() -> None:
    opened = an_opened(0)
    failed = a_closed(opened, outcome="failed", error_type="overloaded", error_message="Overloaded")
    (thread,) = detail(whole(opened, failed))["threads"]
    assert (thread["error_type"], thread["error_message"]) == ("overloaded", "Overloaded")
    assert [action["outcome"] for action in thread["agentic_actions"]] == ["failed"]


def test_extras_are_summed_below_metadata() -> None:
    opened = an_opened(0)
    usage = a_usage(extra={"output_reasoning": 7, "service_tier": "standard"})
    document = detail(whole(opened, a_closed(opened, usage, usage)))
    assert document["token_usage_summary"]["metadata"] == {"output_reasoning": 14}


def test_a_sub_agent_and_a_side_request_are_marked() -> None:
    rows = (
        whole(an_opened(0, agent="a1"), None),
        whole(an_opened(1, auxiliary=True), None),
    )
    agent, side = detail(*rows)["threads"]
    assert (agent["agent_id"], agent["auxiliary"], side["auxiliary"]) == ("a1", False, True)
    assert "ended_at" not in agent


def test_a_running_session_has_no_end() -> None:
    document = detail(whole(an_opened(0), None))
    assert "ended_at" not in document
    assert document["threads"][0]["agentic_actions"] == []


def test_a_hint_is_shown_only_where_it_is_a_mask() -> None:
    for hint, shown in (
        ("sk-a...wxyz", "sk-a...wxyz"),
        ("sk-ant-secret", "..."),
        ("sk-ant-sec...ret-and-more", "..."),
        (None, "..."),
    ):
        opened = an_opened(0, credential=Credential("byok", hint))
        assert interception(whole(opened, None), {})["credential_hint"] == shown


def test_an_interception_has_every_field_and_child() -> None:
    opened = an_opened(
        0,
        prompt=None,
        agent="a1",
        parents=Parents("p", "r"),
        retry_count=2,
        answered_calls=(AnsweredCall("toolu_0", None, 5),),
    )
    prompt = replace(a_prompt("Why?"), kind="interjection", filter_version=3, cut_bytes=9)
    opened = replace(opened, prompt=prompt)
    closed = a_closed(
        opened,
        TokenUsage("msg_1", 1, 2, 3, 4, {"x": 5}, "served", '{"a":[1,2.5]}', partial=True),
        Thought("msg_1", "reasoning_summary", "Hm.", truncated=True),
        ToolUsage("msg_1", None, "item", "patch", None, {"n": "s"}, "*** x", "text", "client"),
        credential_hint="sk-a...wxyz",
        provider_response_id="msg_1",
        notes={"redacted_thinking_blocks": 1},
        stop_reason="tool_use",
    )
    document = interception(whole(opened, closed), {})
    assert json.loads(json.dumps(document)) == document
    assert document["correlating_tool_call_ids"] == ["toolu_0"]
    assert (document["thread_parent_id"], document["thread_root_id"]) == ("p", "r")
    assert document["credential_hint"] == "sk-a...wxyz"
    assert document["metadata"]["redacted_thinking_blocks"] == 1
    assert document["session_id"] == "session-1"
    (told,) = document["user_prompts"]
    assert told["metadata"] == {"kind": "interjection", "filter_version": 3, "cut_bytes": 9}
    assert (told["prompt"], told["prompt_bytes"], told["source_role"]) == ("Why?", 4, "user")
    (tokens,) = document["token_usages"]
    assert tokens["raw_usage"] == {"a": [1, 2.5]}
    assert (tokens["partial"], tokens["provider_model"]) == (True, "served")
    (thought,) = document["model_thoughts"]
    assert (thought["content"], thought["metadata"]) == ("Hm.", {"source": "reasoning_summary"})
    (call,) = document["tool_usages"]
    assert (call["provider_tool_call_id"], call["provider_item_id"]) == (None, "item")
    assert (call["input"], call["input_format"], call["sequence"]) == ("*** x", "text", 2)


def test_texts_that_cannot_be_read_are_named_and_left_out() -> None:
    opened = an_opened(0)
    row = replace(
        whole(replace(opened, prompt=None), a_closed(opened)),
        has_prompt=True,
        payload_error="prompt_missing",
    )
    document = interception(row, {})
    assert document["metadata"]["payload_error"] == "prompt_missing"
    assert document["user_prompts"] == []
    assert "payload_error" not in interception(whole(opened, None), {})["metadata"]
    (thread,) = detail(row)["threads"]
    assert "prompt" not in thread


def test_an_interception_in_flight_has_no_end_yet() -> None:
    document = interception(whole(an_opened(0), None), {})
    assert (document["ended_at"], document["outcome"]) == (None, None)
    assert (document["response_bytes"], document["usage_missing"]) == (0, False)
    assert document["token_usages"] == document["tool_usages"] == []
    assert "http_status" not in document


def test_a_usage_object_that_is_no_json_is_left_out() -> None:
    for raw in ("", "[1]", "{", '{"a":1e999}', "\ud800"):
        opened = an_opened(0)
        usage = replace(a_usage(), raw=raw)
        document = interception(whole(opened, a_closed(opened, usage)), {})
        assert document["token_usages"][0]["raw_usage"] == {}
