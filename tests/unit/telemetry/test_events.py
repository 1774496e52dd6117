"""A record and its lines."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from aigateway.caller.clients import Client
from aigateway.interception import Charge, Closed, Opened, Parents
from aigateway.telemetry.events import METADATA_NAMES, NAME_BYTES, Fields, lines_of
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_prompt, a_thought, a_tool, a_usage, an_opened

SHARED = {
    "initiator_id": "u-alice",
    "client": "Claude Code",
    "provider": "anthropic",
    "provider_name": "anthropic",
    "model": "claude-sonnet-4-5",
    "session_id": "session-1",
}
START, END = "2026-11-24T12:00:00.000000Z", "2026-11-24T12:00:02.000000Z"


def lines(
    opened: Opened, closed: Closed, *, stored: bool = True, content: bool = True
) -> list[Fields]:
    return [*lines_of(opened, closed, stored=stored, content=content)]


def own(line: Fields) -> Fields:
    """Return what a line says beside what all of them say."""
    return {name: value for name, value in line.items() if name not in (*SHARED, "interception_id")}


def a_record() -> tuple[Opened, Closed]:
    opened = an_opened()
    facts = (a_usage(extra={"tier": "x"}), a_tool(), a_tool("t2", "Read"), a_thought())
    return opened, a_closed(opened, *facts, provider_response_id="msg_1")


def test_a_record_has_a_line_for_its_start_each_row_and_its_end() -> None:
    found = lines(*a_record())
    assert [line["record_type"] for line in found] == [
        "interception_start",
        "prompt_usage",
        "token_usage",
        "tool_usage",
        "tool_usage",
        "model_thought",
        "interception_end",
    ]


def test_every_line_says_whose_it_is_and_of_which_interception() -> None:
    opened, closed = a_record()
    for line in lines(opened, closed):
        assert line.items() >= {**SHARED, "interception_id": opened.id}.items()
        assert "stored" not in line
    for line in lines(opened, closed, stored=False):
        assert line["stored"] is False


def test_each_kind_has_its_members() -> None:
    start, prompt, usage, tool, _, thought, end = map(own, lines(*a_record()))
    assert start == {
        "record_type": "interception_start",
        "api_key_id": "0123456789abcdef",
        "client_session_id": "session-1",
        "started_at": START,
        "metadata": {
            "Username": "alice",
            "request_user_agent": "claude-cli/2.1.0",
            "prompt_filter": 3,
        },
        "correlating_tool_call_id": None,
        "thread_parent_id": None,
        "thread_root_id": None,
    }
    assert prompt == {
        "record_type": "prompt_usage",
        "msg_id": "msg_1",
        "prompt": "Fix the build.",
        "created_at": START,
        "metadata": {"kind": "prompt"},
    }
    assert usage == {
        "record_type": "token_usage",
        "msg_id": "msg_1",
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 30,
        "cache_write_input_tokens": 40,
        "created_at": END,
        "metadata": {"tier": "x"},
        "provider_model": "claude-sonnet-4-5",
        "cost_micros": None,
    }
    assert tool == {
        "record_type": "tool_usage",
        "msg_id": "msg_1",
        "tool_call_id": "toolu_1",
        "item_id": None,
        "tool": "Bash",
        "input": "{}",
        "server_url": None,
        "injected": False,
        "invocation_error": None,
        "created_at": END,
        "metadata": {},
    }
    assert thought == {
        "record_type": "model_thought",
        "content": "Let me see.",
        "created_at": END,
        "metadata": {"source": "thinking"},
    }
    assert end == {
        "record_type": "interception_end",
        "ended_at": END,
        "outcome": "completed",
        "error_type": None,
        "http_status": 200,
        "duration_ms": 2000,
    }


def test_a_price_is_told_with_the_tokens_that_have_one() -> None:
    opened = an_opened()
    closed = a_closed(opened, a_usage())
    charge = Charge(1234, "2026-07", None, None, None, None, None)
    priced = replace(closed, rows=tuple(replace(row, charge=charge) for row in closed.rows))
    assert lines(opened, priced)[2]["cost_micros"] == 1234


def test_parents_found_beside_the_request_are_told_and_so_is_the_call_it_answers() -> None:
    calls = AnsweredCall("toolu_0", None, 1), AnsweredCall("toolu_1", None, 3)
    opened = an_opened(answered_calls=calls)
    parents = Parents("p", "r")
    start = lines(opened, a_closed(opened, parents=parents))[0]
    assert (start["thread_parent_id"], start["thread_root_id"]) == ("p", "r")
    assert start["correlating_tool_call_id"] == "toolu_1"
    known = replace(opened, parents=parents)
    assert lines(known, a_closed(known))[0]["thread_root_id"] == "r"


def test_what_was_cut_out_of_a_prompt_is_told() -> None:
    opened = an_opened(prompt=None)
    opened = replace(opened, prompt=replace(a_prompt("x"), filter_version=3, cut_bytes=7))
    metadata = lines(opened, a_closed(opened))[1]["metadata"]
    assert metadata == {"kind": "prompt", "filter_version": 3, "cut_bytes": 7}


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [("tool_usage", "input", '{"a":"\ud800é"}'), ("model_thought", "content", "Let me see.")],
)
def test_without_content_a_text_is_its_length_and_hash(kind: str, name: str, text: str) -> None:
    opened = an_opened()
    closed = a_closed(opened, a_tool(text='{"a":"\ud800é"}'), a_thought())
    whole = next(line for line in lines(opened, closed) if line["record_type"] == kind)
    without = lines(opened, closed, content=False)
    found = next(line for line in without if line["record_type"] == kind)
    encoded = text.encode("utf-8", "surrogatepass")
    measures: dict[str, Any] = {
        f"{name}_bytes": len(encoded),
        f"{name}_sha256": hashlib.sha256(encoded).hexdigest(),
    }
    assert found == {each: v for each, v in whole.items() if each != name} | measures


def test_without_content_a_prompt_is_measured_as_it_was_sent() -> None:
    prompt = replace(a_prompt("Fix"), bytes=2_000_000, sha256="ef" * 32, truncated=True)
    opened = replace(an_opened(), prompt=prompt)
    found = own(lines(opened, a_closed(opened), content=False)[1])
    assert found == {
        "record_type": "prompt_usage",
        "msg_id": None,
        "prompt_bytes": 2_000_000,
        "prompt_sha256": "ef" * 32,
        "created_at": START,
        "metadata": {"kind": "prompt"},
    }


def test_no_name_from_outside_fills_a_line() -> None:
    long = "é" * NAME_BYTES
    client = Client("Unknown", None, long)
    opened = replace(an_opened(model=long, metadata={"tag": long}), client=client)
    for line in lines(opened, a_closed(opened, a_tool(long, long))):
        cut = "é" * (NAME_BYTES // 2)
        assert line["model"] == cut
        if line["record_type"] == "interception_start":
            assert line["metadata"] == {"Username": "alice", "request_user_agent": cut, "tag": cut}
        if line["record_type"] == "tool_usage":
            assert (line["tool"], line["tool_call_id"]) == (cut, cut)


def test_no_number_of_names_from_outside_fills_a_line() -> None:
    opened = an_opened()
    closed = a_closed(opened, a_usage(extra={str(number): number for number in range(1000)}))
    metadata = lines(opened, closed)[2]["metadata"]
    assert metadata == {str(number): number for number in range(METADATA_NAMES)}


def test_a_clock_that_went_back_makes_no_negative_duration() -> None:
    opened = an_opened()
    assert lines(opened, a_closed(opened, seconds=-3))[-1]["duration_ms"] == 0
