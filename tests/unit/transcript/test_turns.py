"""What each kind of message or item is to the trailing run of a conversation."""

import json
from typing import Any

import pytest

from aigateway.transcript.facts import AnsweredCall, Dialect, Opening
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening

MEMBERS = {Dialect.MESSAGES: "messages", Dialect.CHAT: "messages", Dialect.RESPONSES: "input"}
TEXTS = {Dialect.MESSAGES: "text", Dialect.CHAT: "text", Dialect.RESPONSES: "output_text"}
HELLO = {"role": "user", "content": "hello"}


def opened(dialect: Dialect, *said: dict[str, Any], client: str = "Unknown") -> Opening:
    body = json.dumps({"model": "m", MEMBERS[dialect]: said}).encode()
    return read_opening(dialect, body, filter_for(client))


def prompted(dialect: Dialect, *said: dict[str, Any]) -> tuple[str, str] | None:
    prompt = opened(dialect, *said).prompt
    return None if prompt is None else (prompt.text, prompt.kind)


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("dialect", Dialect)
def test_what_a_program_adds_behind_a_prompt_ends_no_run(dialect: Dialect, role: str) -> None:
    added = {"role": role, "content": "be brief"}
    assert prompted(dialect, HELLO, added) == ("hello", "prompt")


@pytest.mark.parametrize("dialect", Dialect)
def test_an_answer_of_text_at_the_end_is_one_to_go_on_with(dialect: Dialect) -> None:
    begun = {"role": "assistant", "content": [{"type": TEXTS[dialect], "text": "He"}]}
    assert prompted(dialect, HELLO, begun) == ("hello", "prefill")


@pytest.mark.parametrize(
    ("dialect", "output"),
    [
        (Dialect.MESSAGES, {"role": "assistant", "content": [{"type": "thinking"}]}),
        (Dialect.CHAT, {"role": "assistant", "content": None, "audio": {"id": "a"}}),
        (Dialect.RESPONSES, {"type": "reasoning", "summary": []}),
        (Dialect.RESPONSES, {"type": "compaction", "encrypted_content": "x"}),
        (Dialect.RESPONSES, {"role": "assistant", "content": [{"type": "output_image"}]}),
        (Dialect.RESPONSES, {"role": "critic", "content": [{"type": "output_text"}]}),
    ],
)
def test_any_other_output_at_the_end_leaves_no_prompt(
    dialect: Dialect, output: dict[str, Any]
) -> None:
    assert prompted(dialect, HELLO, output) is None
    assert prompted(dialect, HELLO, output, HELLO | {"content": "go on"}) == ("go on", "prompt")


def test_an_approval_is_no_human_s_word_and_ends_no_run() -> None:
    approval = {"type": "mcp_approval_response", "approve": True, "approval_request_id": "m"}
    assert prompted(Dialect.RESPONSES, HELLO, approval) == ("hello", "prompt")


@pytest.mark.parametrize("role", ["tool", "function"])
def test_results_of_chat_are_told_by_either_role(role: str) -> None:
    called = {"role": "assistant", "tool_calls": [{"id": "c"}]}
    given = opened(Dialect.CHAT, called, {"role": role, "tool_call_id": "c", "content": "é"})
    assert [(call.call_id, call.result_bytes) for call in given.answered_calls] == [("c", 2)]
    assert opened(Dialect.CHAT, called, {"role": role, "content": "x"}).answered_calls == ()


def test_an_end_of_a_segment_before_its_beginning_cuts_nothing() -> None:
    text = "</system-reminder> a <system-reminder>b</system-reminder> c"
    found = opened(Dialect.MESSAGES, HELLO | {"content": text}, client="Claude Code").prompt
    assert found is not None
    assert (found.text, found.cut_bytes) == ("</system-reminder> a\nc", 37)


def test_what_was_cut_out_of_a_prompt_is_counted_in_bytes() -> None:
    text = "<system-reminder>é</system-reminder>hello"
    found = opened(Dialect.MESSAGES, HELLO | {"content": text}, client="Claude Code").prompt
    assert found is not None
    assert (found.text, found.cut_bytes) == ("hello", 37)


def test_an_answer_may_be_text_of_every_kind_and_still_be_gone_on_with() -> None:
    parts = [{"type": kind} for kind in ("output_text", "text", "refusal")]
    begun = {"role": "assistant", "content": parts}
    assert prompted(Dialect.RESPONSES, HELLO, begun) == ("hello", "prefill")


def test_only_a_result_with_an_id_answers_a_call_of_messages() -> None:
    parts = [
        {"type": "tool_result", "content": "a"},
        {"type": "text", "text": "b", "tool_use_id": "t1"},
        {"type": "tool_result", "tool_use_id": "t2", "content": "c", "is_error": "yes"},
    ]
    found = opened(Dialect.MESSAGES, {"role": "user", "content": parts})
    assert found.answered_calls == (AnsweredCall("t2", None, 1),)
