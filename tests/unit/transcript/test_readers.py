"""What the recordings do not show: limits, odd orders, halves of characters."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from aigateway.errors import Misheard
from aigateway.transcript.facts import (
    Answered,
    Dialect,
    Ended,
    Fact,
    Thought,
    TokenUsage,
    ToolUsage,
)
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame


def frame(**event: Any) -> Frame:  # noqa: ANN401
    return Frame(str(event.get("type", "")), json.dumps(event).encode())


def heard(dialect: Dialect, frames: Iterable[Frame], *, cut: bool = False) -> list[Fact]:
    reader = reader_for(dialect, 200)
    facts = [fact for each in frames for fact in reader.read(each)]
    return [*facts, *reader.end(cut=cut)]


def body(dialect: Dialect, **members: Any) -> list[Fact]:  # noqa: ANN401
    return heard(dialect, [Frame(None, json.dumps(members).encode())])


def only(facts: Iterable[Fact], kind: type[Fact]) -> list[Any]:
    return [fact for fact in facts if isinstance(fact, kind)]


def tool_block(fragments: Iterable[object], index: int = 0) -> list[Frame]:
    block = {"type": "tool_use", "id": f"t{index}", "name": "Read", "input": {}}
    return [
        frame(type="content_block_start", index=index, content_block=block),
        *(
            frame(
                type="content_block_delta",
                index=index,
                delta={"type": "input_json_delta", "partial_json": fragment},
            )
            for fragment in fragments
        ),
        frame(type="content_block_stop", index=index),
    ]


def test_a_tool_call_is_told_at_its_own_end() -> None:
    reader = reader_for(Dialect.MESSAGES, 200)
    *before, stop = tool_block(["{}"])
    assert [fact for each in before for fact in reader.read(each)] == []
    assert [type(fact) for fact in reader.read(stop)] == [ToolUsage]


def test_input_that_is_no_json_waits_for_the_stop_reason_and_holds_back_what_follows() -> None:
    reader = reader_for(Dialect.MESSAGES, 200)
    frames = [*tool_block(['{"a'], 0), *tool_block(["{}"], 1)]
    assert [fact for each in frames for fact in reader.read(each)] == []
    told = list(reader.read(frame(type="message_delta", delta={"stop_reason": "max_tokens"})))
    assert [(fact.input, fact.input_format) for fact in only(told, ToolUsage)] == [
        ('{"a', "partial"),
        ("{}", "json"),
    ]


@pytest.mark.parametrize("stop_reason", ["tool_use", None])
def test_input_that_is_no_json_is_text_unless_it_was_cut_short(stop_reason: str | None) -> None:
    delta = frame(type="message_delta", delta={"stop_reason": stop_reason})
    facts = heard(Dialect.MESSAGES, [*tool_block(["rm -r"]), delta])
    assert [fact.input_format for fact in only(facts, ToolUsage)] == ["text"]


def test_a_character_split_between_two_fragments_is_whole_again() -> None:
    smile = "😀".encode()
    raw = [b'{"a":"' + smile[:2], smile[2:] + b'"}']
    frames = tool_block([])
    frames[1:1] = [
        Frame(
            "content_block_delta",
            b'{"index":0,"delta":{"type":"input_json_delta","partial_json":"'
            + piece.replace(b'"', b'\\"')
            + b'"}}',
        )
        for piece in raw
    ]
    assert [fact.input for fact in only(heard(Dialect.MESSAGES, frames), ToolUsage)] == [
        '{"a":"😀"}'
    ]


def test_a_surrogate_pair_split_between_two_chunks_is_whole_again() -> None:
    deltas = ({"reasoning_content": "\ud83d"}, {"reasoning_content": "\ude00"})
    chunks = [frame(choices=[{"index": 0, "delta": delta}]) for delta in deltas]
    facts = heard(Dialect.CHAT, [*chunks, Frame("", b"[DONE]")])
    assert [fact.text for fact in only(facts, Thought)] == ["😀"]


def test_a_long_input_is_cut_and_marked_but_judged_as_a_whole() -> None:
    text = json.dumps({"texts": "é" * 200_000}, ensure_ascii=False)
    facts = heard(Dialect.MESSAGES, tool_block([text]))
    (call,) = only(facts, ToolUsage)
    assert len(call.input.encode()) == 256 * 1024 - 1
    assert text.startswith(call.input)
    assert call.input_format == "json"
    assert call.metadata == {"truncated": "true", "input_bytes": str(len(text.encode()))}


def test_a_long_thought_is_cut_and_marked() -> None:
    block = {"type": "thinking", "thinking": "x" * 700_000}
    delta = {"type": "thinking_delta", "thinking": "y" * 700_000}
    frames = [
        frame(type="content_block_start", index=0, content_block=block),
        frame(type="content_block_delta", index=0, delta=delta),
        frame(type="content_block_stop", index=0),
    ]
    (thought,) = only(heard(Dialect.MESSAGES, frames), Thought)
    assert len(thought.text) == 1024 * 1024
    assert thought.truncated


@pytest.mark.parametrize("size", [0, 2_000, 3_000_000])
def test_a_response_of_endless_facts_is_misheard(size: int) -> None:
    reader = reader_for(Dialect.MESSAGES, 200)
    frames = tool_block(["x" * size] if size else [])
    with pytest.raises(Misheard, match="facts_too_large"):  # noqa: PT012 - somewhere on the way
        for _ in range(70_000):
            for each in frames:
                list(reader.read(each))


@pytest.mark.parametrize("dialect", Dialect)
def test_an_event_named_error_is_one_in_any_words(dialect: Dialect) -> None:
    assert heard(dialect, [Frame("error", b"the model is gone")]) == [
        Ended("failed", 200, "unknown", "the model is gone", None)
    ]


def test_a_stream_without_event_names_is_read_by_its_types() -> None:
    frames = [Frame("", each.data) for each in tool_block(["{}"])]
    stop = Frame("", b'{"type":"message_stop"}')
    facts = heard(Dialect.MESSAGES, [*frames, stop])
    assert [type(fact) for fact in facts] == [ToolUsage, Ended]


def test_answer_text_that_names_event_types_changes_nothing() -> None:
    tricky = 'say "type":"text_delta" and {"type":"input_json_delta"}'
    frames = tool_block([json.dumps({"a": tricky})])
    (call,) = only(heard(Dialect.MESSAGES, frames), ToolUsage)
    assert json.loads(call.input) == {"a": tricky}


def test_the_client_may_leave_after_the_terminal_event() -> None:
    for dialect, last in (
        (Dialect.MESSAGES, frame(type="message_stop")),
        (Dialect.CHAT, Frame("", b"[DONE]")),
        (Dialect.CHAT, frame(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])),
        (Dialect.RESPONSES, frame(type="response.completed", response={"status": "completed"})),
    ):
        ended = heard(dialect, [last], cut=True)[-1]
        assert isinstance(ended, Ended)
        assert ended.outcome == "completed"


def test_several_choices_need_a_finish_reason_each() -> None:
    chunks = [
        frame(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        frame(choices=[{"index": 1, "delta": {"content": "x"}}]),
    ]
    ended = heard(Dialect.CHAT, chunks)[-1]
    assert isinstance(ended, Ended)
    assert (ended.outcome, ended.stop_reason) == ("upstream_cut", "stop")


@pytest.mark.parametrize(
    ("status", "outcome", "error_type"),
    [
        ("completed", "completed", None),
        ("incomplete", "completed", None),
        ("failed", "failed", "unknown"),
        ("cancelled", "failed", "unknown"),
        ("queued", "failed", "unknown"),
        ("in_progress", "failed", "unknown"),
    ],
)
def test_a_responses_object_ends_by_its_status(
    status: str, outcome: str, error_type: str | None
) -> None:
    facts = body(Dialect.RESPONSES, object="response", id="r", status=status, output=[])
    assert facts == [Answered("r", None), Ended(outcome, 200, error_type, None, status)]  # type: ignore[arg-type] # parametrized


def test_a_compaction_is_a_complete_answer() -> None:
    facts = body(Dialect.RESPONSES, object="response.compaction", id="r", output=[])
    assert facts[-1] == Ended("completed", 200, None, None, "completed")


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("text", [b"{}", b"[]", b"null", b"not json", b'"x"', b"{"])
def test_a_body_of_another_kind_is_a_failure(dialect: Dialect, text: bytes) -> None:
    assert heard(dialect, [Frame(None, text)]) == [Ended("failed", 200, "unknown", None, None)]


@pytest.mark.parametrize("dialect", Dialect)
def test_an_error_body_with_status_200_is_a_failure_of_its_kind(dialect: Dialect) -> None:
    error = {"type": "overloaded_error", "message": "busy"}
    assert body(dialect, type="error", error=error)[-1] == Ended(
        "failed", 200, "overloaded", "busy", None
    )


@pytest.mark.parametrize("dialect", Dialect)
def test_a_body_that_is_too_deep_is_misheard(dialect: Dialect) -> None:
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    with pytest.raises(Misheard, match="too_deep"):
        reader_for(dialect, 200).read(Frame(None, deep))


def test_a_tool_search_and_a_program_are_run_where_they_say() -> None:
    output = [
        {"type": "tool_search_call", "execution": "client", "arguments": {"q": 1}},
        {"type": "tool_search_call", "execution": "server", "arguments": {"q": 2}},
        {"type": "program", "id": "p", "call_id": "c", "code": "1", "fingerprint": "f"},
        {"type": "shell_call", "action": {"commands": []}, "environment": {"type": "local"}},
        {"type": "mcp_approval_request", "name": "n", "server_label": "s", "arguments": "{}"},
        {"type": "mcp_list_tools", "tools": []},
        {"type": "image_generation_call", "action": "edit", "size": "1x1", "result": "iVBO"},
    ]
    facts = body(Dialect.RESPONSES, object="response", output=output)
    assert [(fact.name, fact.input, fact.executed_by) for fact in only(facts, ToolUsage)] == [
        ("tool_search_call", '{"q": 1}', "client"),
        ("tool_search_call", '{"q": 2}', "provider"),
        ("program", '{"code":"1"}', "provider"),
        ("shell_call", '{"commands": []}', "client"),
        ("n", "{}", "provider"),
        ("image_generation_call", '{"action":"edit","size":"1x1"}', "provider"),
    ]
    assert only(facts, Answered) == []


def test_a_call_made_by_code_says_so() -> None:
    by_code = {"caller": {"type": "program", "caller_id": "p"}}
    item = {"type": "function_call", "name": "n", "arguments": "{}", **by_code}
    direct = {**item, "caller": {"type": "direct"}}
    found = only(body(Dialect.RESPONSES, object="response", output=[item, direct]), ToolUsage)
    assert [call.metadata for call in found] == [{"caller": "program"}, {}]
    block = {"type": "tool_use", "name": "n", "input": {}, **by_code}
    (call,) = only(body(Dialect.MESSAGES, type="message", content=[block]), ToolUsage)
    assert call.metadata == {"caller": "program"}


def test_open_weight_reasoning_text_is_a_thought() -> None:
    item = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
    delta = frame(type="response.reasoning_text.delta", output_index=0, content_index=0, delta="h")
    added = frame(type="response.output_item.added", output_index=0, item={"type": "reasoning"})
    done = frame(type="response.output_item.done", output_index=0, item=item)
    whole = heard(Dialect.RESPONSES, [added, delta, done])
    assert only(whole, Thought) == [Thought(None, "reasoning_text", "hm", truncated=False)]
    part = heard(Dialect.RESPONSES, [added, delta])
    assert only(part, Thought) == [Thought(None, "reasoning_text", "h", truncated=True)]


def test_a_call_whose_arguments_were_complete_at_the_cut_is_whole() -> None:
    item = {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": ""}
    frames = [
        frame(type="response.output_item.added", output_index=0, item=item),
        frame(type="response.function_call_arguments.done", item_id="f", arguments="{}"),
    ]
    (call,) = only(heard(Dialect.RESPONSES, frames, cut=True), ToolUsage)
    assert (call.input, call.input_format, call.call_id) == ("{}", "json", "c")


def test_a_call_is_told_once_however_often_it_is_sent() -> None:
    item = {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "{}"}
    done = frame(type="response.output_item.done", output_index=0, item=item)
    response = {"status": "completed", "output": [{**item, "id": "other"}]}
    terminal = frame(type="response.completed", response=response)
    facts = heard(Dialect.RESPONSES, [done, done, terminal, terminal])
    assert len(only(facts, ToolUsage)) == 1


def test_counts_beyond_all_reason_are_refused_and_noted() -> None:
    usage = {"input_tokens": 10**13, "output_tokens": 1}
    facts = body(Dialect.MESSAGES, type="message", content=[], usage=usage)
    assert only(facts, TokenUsage) == []
    assert only(facts, Answered) == [Answered(None, None, {"usage_refused": 1})]


def test_usage_without_any_count_is_still_a_report() -> None:
    facts = body(Dialect.MESSAGES, type="message", content=[], usage={})
    assert [(fact.input, fact.output, fact.raw) for fact in only(facts, TokenUsage)] == [
        (0, 0, "{}")
    ]


def test_cache_writes_are_taken_off_the_input_and_deepseek_hits_count_as_cached() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "prompt_cache_hit_tokens": 60,
        "prompt_tokens_details": {"cache_write_tokens": 30},
    }
    (found,) = only(body(Dialect.CHAT, choices=[], usage=usage), TokenUsage)
    assert (found.input, found.cache_read, found.cache_write) == (10, 60, 30)
