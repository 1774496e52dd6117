"""Blocks of Messages in the spellings and broken orders that no recording has."""

import json
from typing import Any

import pytest

from aigateway.transcript.facts import Answered, Dialect, Ended, Fact, Thought, ToolUsage
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame

TOOL = {"type": "tool_use", "id": "t", "name": "look"}


def body(*content: object) -> Frame:
    return Frame(None, json.dumps({"type": "message", "content": content}).encode())


def event(kind: str, **members: Any) -> Frame:  # noqa: ANN401
    return Frame(kind, json.dumps({"type": kind, **members}).encode())


def heard(*frames: Frame) -> list[Fact]:
    reader = reader_for(Dialect.MESSAGES, 200)
    facts = [fact for frame in frames for fact in reader.read(frame)]
    return [*facts, *reader.end(cut=True)]


def calls(*frames: Frame) -> list[tuple[str, str]]:
    found = [fact for fact in heard(*frames) if isinstance(fact, ToolUsage)]
    return [(fact.input, fact.input_format) for fact in found]


def test_what_is_no_block_is_left_out_of_a_message() -> None:
    tools = ({**TOOL, "input": {"a": number}} for number in (1, 2))
    assert calls(body("x", next(tools), None, next(tools))) == [
        ('{"a": 1}', "json"),
        ('{"a": 2}', "json"),
    ]


def test_a_thought_that_was_cut_off_before_its_first_word_is_nothing() -> None:
    begun = event("content_block_start", index=0, content_block={"type": "thinking"})
    assert [fact for fact in heard(begun) if isinstance(fact, Answered | Thought)] == []


def test_a_thought_without_end_costs_what_is_kept_of_it() -> None:
    begun = event("content_block_start", index=0, content_block={"type": "thinking"})
    piece = {"type": "thinking_delta", "thinking": "x" * 1024 * 1024}
    facts = heard(begun, *[event("content_block_delta", index=0, delta=piece)] * 20)
    [thought] = [fact for fact in facts if isinstance(fact, Thought)]
    assert (len(thought.text), thought.truncated) == (1024 * 1024, True)


def test_a_stop_reason_may_come_with_the_start() -> None:
    message = {"id": "m", "stop_reason": "refusal"}
    frames = [event("message_start", message=message), event("message_stop")]
    assert heard(*frames) == [Answered("m", None), Ended("completed", 200, None, None, "refusal")]


def begun(index: object, **block: Any) -> Frame:  # noqa: ANN401
    return event("content_block_start", index=index, content_block={**TOOL, **block})


def piece(index: object, text: str) -> Frame:
    delta = {"type": "input_json_delta", "partial_json": text}
    return event("content_block_delta", index=index, delta=delta)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 1), ("0", "1"), (1, "1"), (None, 0), ([1], 0), ({}, 0)]
)
def test_blocks_that_are_open_together_are_told_apart_by_their_index(
    first: object, second: object
) -> None:
    frames = [
        begun(first, id="a"),
        begun(second, id="b"),
        piece(first, '{"a":'),
        piece(second, "[1"),
        piece(first, "1}"),
        piece(second, "]"),
        event("content_block_stop", index=second),
    ]
    assert calls(*frames) == [('{"a":1}', "partial"), ("[1]", "json")]


def test_a_block_ends_where_another_one_begins_with_its_index() -> None:
    frames = [begun(0, id="a"), piece(0, "{}"), begun(0, id="b"), piece(0, "[")]
    assert calls(*frames) == [("{}", "json"), ("[", "partial")]


def test_a_block_that_ends_after_the_stop_reason_is_judged_by_it() -> None:
    reason = event("message_delta", delta={"stop_reason": "max_tokens"})
    stop = event("content_block_stop", index=0)
    assert calls(begun(0), piece(0, "{"), reason, stop) == [("{", "partial")]


def test_an_error_after_a_stop_reason_keeps_both() -> None:
    reason = event("message_delta", delta={"stop_reason": "end_turn"})
    error = event("error", error={"type": "overloaded_error", "message": "busy"})
    ended = heard(reason, error)[-1]
    assert ended == Ended("failed", 200, "overloaded", "busy", "end_turn")


def test_a_tool_block_without_name_and_input_has_empty_ones() -> None:
    block = {"type": "tool_use", "id": "t"}
    stop = event("content_block_stop", index=0)
    start = event("content_block_start", index=0, content_block=block)
    found = [fact for fact in heard(start, stop) if isinstance(fact, ToolUsage)]
    assert [(fact.name, fact.input) for fact in found] == [("", "")]


def test_an_input_of_more_than_one_mebibyte_is_judged_as_a_whole() -> None:
    text = json.dumps({"a": "x" * 2 * 1024 * 1024})
    stop = event("content_block_stop", index=0)
    [(stored, kind)] = calls(begun(0), piece(0, text), stop)
    assert (len(stored), kind) == (256 * 1024, "json")


def broken_delta(data: bytes, name: str = "content_block_delta") -> bool:
    """Whether the event was read, and so found to be broken."""
    facts = heard(Frame(name, data))
    return Answered(None, None, {"unreadable_events": 1}) in facts


def test_pings_and_answer_text_are_never_read_and_anything_else_is() -> None:
    assert not broken_delta(b'{"delta":{"type":"text_delta","text":"')
    assert not broken_delta(b"{", name="ping")
    assert broken_delta(b'{"delta":{"type":"input_json_delta","partial_json":"')
    assert broken_delta(b'{"type":"text_delta","delta":{"type":"thinking_delta"')
    assert broken_delta(b'{"type":"text_delta","delta":{"type":"input_json_delta"')
    assert broken_delta(b'{"type":"text_delta"', name="content_block_start")
