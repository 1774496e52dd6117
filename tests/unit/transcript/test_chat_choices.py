"""Choices of Chat Completions in the spellings and broken orders that no recording has."""

import json
from typing import Any

import pytest

from aigateway.transcript.facts import Dialect, Ended, Fact, Thought, TokenUsage, ToolUsage
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame


def body(*messages: dict[str, Any]) -> Frame:
    choices = [{"message": message, "finish_reason": "stop"} for message in messages]
    return Frame(None, json.dumps({"choices": choices}).encode())


def delta(**members: Any) -> Frame:  # noqa: ANN401
    return Frame("", json.dumps({"choices": [{"index": 0, "delta": members}]}).encode())


def heard(*frames: Frame) -> list[Fact]:
    reader = reader_for(Dialect.CHAT, 200)
    facts = [fact for frame in frames for fact in reader.read(frame)]
    return [*facts, *reader.end(cut=False)]


def calls(*frames: Frame) -> list[tuple[str | None, str, str]]:
    found = [fact for fact in heard(*frames) if isinstance(fact, ToolUsage)]
    return [(fact.call_id, fact.name, fact.input) for fact in found]


def thoughts(*frames: Frame) -> list[tuple[str, bool]]:
    found = [fact for fact in heard(*frames) if isinstance(fact, Thought)]
    return [(fact.text, fact.truncated) for fact in found]


DONE = Frame("", b"[DONE]")


def test_calls_and_choices_without_index_or_id_are_as_many_as_they_stand_there() -> None:
    called = {"tool_calls": [{"function": {"name": name, "arguments": "{}"}} for name in "ab"]}
    assert calls(body(called, called)) == [(None, name, "{}") for name in "abab"]


@pytest.mark.parametrize("index", [[0], "0", None, 0.5])
def test_an_index_that_is_no_whole_number_is_the_position(index: object) -> None:
    call = {"index": index, "id": "c", "function": {"name": "look", "arguments": "{}"}}
    choice = {"index": index, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    frame = Frame("", json.dumps({"choices": [choice]}).encode())
    assert calls(frame, DONE) == [("c", "look", "{}")]


def test_a_call_without_a_name_has_an_empty_one() -> None:
    assert calls(body({"tool_calls": [{"id": "c", "function": {}}]})) == [("c", "", "")]


def test_arguments_of_the_older_kind_may_be_an_object_too() -> None:
    legacy = {"name": "look", "arguments": {"a": 1}}
    assert calls(body({"function_call": legacy})) == [(None, "look", '{"a": 1}')]
    assert calls(delta(function_call=legacy), DONE) == [(None, "look", '{"a": 1}')]


def test_a_call_gets_its_id_from_whichever_fragment_brings_it() -> None:
    fragments = [
        {"index": 0, "function": {"name": "look", "arguments": "{"}},
        {"index": 0, "id": "c", "function": {"arguments": "}"}},
    ]
    frames = [delta(tool_calls=[fragment]) for fragment in fragments]
    assert calls(*frames, DONE) == [("c", "look", "{}")]


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning", "reasoning_details"])
@pytest.mark.parametrize("piece", [5, [5], {"text": 5}, [{"text": 5}], [{"summary": [5]}], [""]])
def test_reasoning_that_is_no_text_is_no_thought(member: str, piece: object) -> None:
    assert thoughts(delta(**{member: piece}), DONE) == []


def test_a_long_thought_costs_what_is_kept_of_it_and_is_marked() -> None:
    piece = delta(reasoning_content="x" * 1024 * 1024)
    [(text, truncated)] = thoughts(*[piece] * 20, DONE)
    assert (len(text), truncated) == (1024 * 1024, True)


@pytest.mark.parametrize(("frames", "expected"), [((), "partial"), ((DONE,), "json")])
def test_a_call_is_complete_where_the_stream_says_that_it_is_done(
    frames: tuple[Frame, ...], expected: str
) -> None:
    call = {"index": 0, "id": "c", "function": {"name": "look", "arguments": "{}"}}
    [found] = [
        fact for fact in heard(delta(tool_calls=[call]), *frames) if isinstance(fact, ToolUsage)
    ]
    assert found.input_format == expected


def chunk(event: str = "", **members: Any) -> Frame:  # noqa: ANN401
    return Frame(event, json.dumps(members).encode())


def test_an_error_after_a_finish_reason_keeps_both() -> None:
    finished = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    error = chunk(error={"type": "overloaded_error", "message": "busy"})
    assert heard(finished, error)[-1] == Ended("failed", 200, "overloaded", "busy", "stop")


def test_a_chunk_in_an_event_named_error_is_the_error_itself() -> None:
    error = chunk("error", code="overloaded", message="busy")
    assert heard(error)[-1] == Ended("failed", 200, "overloaded", "busy", None)
    assert heard(chunk("other", code="overloaded"))[-1] == Ended(
        "upstream_cut", 200, "server_error", None, None
    )


def test_usage_within_a_choice_is_kept_as_it_was_sent() -> None:
    usage = {"completion_tokens": 1, "prompt_tokens": 2}
    choices = ["x", {"delta": {}, "usage": usage, "finish_reason": "stop"}]
    [found] = [fact for fact in heard(chunk(choices=choices)) if isinstance(fact, TokenUsage)]
    assert (found.input, found.output, found.raw) == (2, 1, json.dumps(usage))


@pytest.mark.parametrize(
    ("tier", "extra"), [(5, {}), ("", {}), ("x" * 129, {"service_tier": "x" * 128})]
)
def test_a_service_tier_is_a_short_word(tier: object, extra: dict[str, str]) -> None:
    usage = {"prompt_tokens": 2, "completion_tokens": 1}
    facts = heard(chunk(choices=[], usage=usage, service_tier=tier))
    assert [fact.extra for fact in facts if isinstance(fact, TokenUsage)] == [extra]


def test_a_choice_that_never_began_is_not_waited_for() -> None:
    finished = {"index": 0, "delta": {}, "finish_reason": "length"}
    assert heard(chunk(choices=[finished])) == [Ended("completed", 200, None, None, "length")]
    begun = chunk(choices=[{"index": 1, "delta": {"content": ""}}])
    assert heard(chunk(choices=[finished]), begun) == [
        Ended("upstream_cut", 200, "server_error", None, "length")
    ]
