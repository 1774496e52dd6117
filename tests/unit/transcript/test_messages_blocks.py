"""Blocks of Messages in the spellings and broken orders that no recording has."""

import json
from typing import Any

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
