"""Items of Responses in the spellings and broken orders that no recording has."""

import json
from typing import Any

import pytest

from aigateway.transcript.facts import Answered, Dialect, Ended, Fact, Thought, ToolUsage
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame


def event(kind: str, **members: Any) -> Frame:  # noqa: ANN401
    name = f"response.{kind}"
    return Frame(name, json.dumps({"type": name, **members}).encode())


def added(item: dict[str, Any], **members: Any) -> Frame:  # noqa: ANN401
    return event("output_item.added", item=item, **({"output_index": 0} | members))


def done(item: dict[str, Any], **members: Any) -> Frame:  # noqa: ANN401
    return event("output_item.done", item=item, **({"output_index": 0} | members))


def heard(*frames: Frame) -> list[Fact]:
    reader = reader_for(Dialect.RESPONSES, 200)
    facts = [fact for frame in frames for fact in reader.read(frame)]
    return [*facts, *reader.end(cut=True)]


def calls(*frames: Frame) -> list[tuple[str, str]]:
    found = [fact for fact in heard(*frames) if isinstance(fact, ToolUsage)]
    return [(fact.input, fact.input_format) for fact in found]


def thoughts(*frames: Frame) -> list[tuple[str, str, bool]]:
    found = [fact for fact in heard(*frames) if isinstance(fact, Thought)]
    return [(fact.source, fact.text, fact.truncated) for fact in found]


REASONING = {"type": "reasoning", "id": "rs"}
COMMENTARY = {"type": "message", "id": "m", "phase": "commentary"}
CALL = {"type": "function_call", "id": "fc", "call_id": "c", "name": "look"}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "in_progress"}


def test_a_hosted_call_that_was_cut_off_keeps_the_action_that_it_began_with() -> None:
    action = {"type": "search", "query": "é"}
    frame = added({**SEARCH, "action": action})
    assert calls(frame) == [(json.dumps(action), "partial")]
    assert calls(added(SEARCH)) == [("", "partial")]


@pytest.mark.parametrize(
    ("given", "expected"), [({"a": 1}, '{"a": 1}'), ([1], "[1]"), (None, ""), (7, "7")]
)
def test_arguments_that_are_no_text_are_kept_as_they_were_sent(
    given: object, expected: str
) -> None:
    [(found, _)] = calls(done({**CALL, "arguments": given}))
    assert found == expected


def test_an_item_without_input_takes_what_its_deltas_brought() -> None:
    delta = event("function_call_arguments.delta", output_index=0, delta='{"a":1}')
    assert calls(added(CALL), delta, done(CALL)) == [('{"a":1}', "json")]


def test_a_hosted_call_that_says_nothing_has_no_input() -> None:
    assert calls(done({**SEARCH, "status": "completed"})) == [("", "text")]


def test_whole_input_that_is_no_json_was_cut_short_where_the_answer_was() -> None:
    whole = event("function_call_arguments.done", output_index=0, arguments='{"a')
    ended = event("incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}})
    assert calls(added(CALL), whole, ended) == [('{"a', "partial")]
    assert calls(added(CALL), whole) == [('{"a', "text")]


def test_an_item_without_an_index_is_found_by_its_id() -> None:
    item = {"type": "reasoning", "id": "rs", "summary": [{"text": "a"}]}
    frames = [
        added(REASONING, output_index=None),
        added({**REASONING, "id": "other"}, output_index=None),
        done(item, output_index=None),
    ]
    assert thoughts(*frames) == [("reasoning_summary", "a", False)]
    reader = reader_for(Dialect.RESPONSES, 200)
    assert [type(fact) for frame in frames for fact in reader.read(frame)] == [Thought]


@pytest.mark.parametrize("index", [[0], "0", -1, None])
def test_an_index_that_is_no_position_is_none(index: object) -> None:
    frames = [added(CALL, output_index=index), done({**CALL, "arguments": "{}"})]
    assert calls(*frames) == [("{}", "json")]
    other = {**CALL, "id": "other", "call_id": None, "arguments": "[]"}
    assert len(calls(added(CALL, output_index=index), done(other, output_index=index))) == 2


@pytest.mark.parametrize(
    ("kind", "response", "stop_reason"),
    [
        ("completed", {}, "completed"),
        ("incomplete", {}, "incomplete"),
        ("incomplete", {"status": "completed"}, "completed"),
        ("completed", {"status": "incomplete"}, "incomplete"),
        ("failed", {}, "failed"),
        ("cancelled", {"status": 7}, "cancelled"),
    ],
)
def test_a_response_ends_by_its_status_or_else_by_the_name_of_the_event(
    kind: str, response: dict[str, object], stop_reason: str
) -> None:
    ended = heard(event(kind, response=response))[-1]
    assert isinstance(ended, Ended)
    assert ended.stop_reason == stop_reason


@pytest.mark.parametrize("name", ["error", "response.error"])
def test_an_error_is_one_by_either_type(name: str) -> None:
    data = json.dumps({"type": name, "code": "overloaded", "message": "busy"}).encode()
    assert heard(Frame("", data)) == [Ended("failed", 200, "overloaded", "busy", None)]


@pytest.mark.parametrize("name", ["", "response.new_kind"])
def test_the_type_of_an_event_counts_before_its_name(name: str) -> None:
    frame = done({**CALL, "arguments": "{}"})
    assert calls(Frame(name, frame.data)) == [("{}", "json")]


def test_an_event_without_a_type_is_one_by_its_name() -> None:
    data = json.dumps({"output_index": 0, "item": {**CALL, "arguments": "{}"}}).encode()
    assert calls(Frame("response.output_item.done", data)) == [("{}", "json")]


@pytest.mark.parametrize("stage", ["delta", "done"])
def test_answer_text_is_read_only_where_there_is_a_commentary(stage: str) -> None:
    broken = Frame(f"response.output_text.{stage}", b"{")
    assert [fact for fact in heard(broken) if isinstance(fact, Answered)] == []
    [answered] = [fact for fact in heard(added(COMMENTARY), broken) if isinstance(fact, Answered)]
    assert answered.notes == {"unreadable_events": 1}


def completed(*output: object) -> Frame:
    return event("completed", response={"status": "completed", "output": output})


def test_the_whole_output_finishes_an_item_by_its_id_wherever_it_stands() -> None:
    item = {**REASONING, "summary": [{"text": "a"}]}
    delta = event("reasoning_summary_text.delta", item_id="rs", summary_index=0, delta="a")
    other = {"type": "reasoning", "id": "other", "summary": [{"text": "b"}]}
    frames = [added(REASONING, output_index=7), delta, completed(other, item)]
    assert thoughts(*frames) == [
        ("reasoning_summary", "a", False),
        ("reasoning_summary", "b", False),
    ]


def test_the_whole_output_finishes_an_item_by_its_position_where_ids_change() -> None:
    item = {**REASONING, "id": "new", "summary": [{"text": "a"}]}
    delta = event("reasoning_summary_text.delta", output_index=1, summary_index=0, delta="b")
    frames = [added(REASONING, output_index=1), delta, completed({"type": "message"}, item)]
    assert thoughts(*frames) == [("reasoning_summary", "a", False)]


def test_two_items_of_the_whole_output_are_two_though_they_share_an_id() -> None:
    first, second = ({**REASONING, "summary": [{"text": text}]} for text in "ab")
    assert [text for _, text, _ in thoughts(completed(first, second))] == ["a", "b"]


def test_what_is_no_item_is_left_out_of_the_whole_output() -> None:
    item = {**CALL, "arguments": {"a": 1}}
    assert calls(completed("x", item, None, {**item, "call_id": "d"})) == [('{"a": 1}', "json")] * 2


def test_after_the_whole_output_nothing_more_is_told() -> None:
    first, second = ({**REASONING, "id": text, "summary": [{"text": text}]} for text in "ab")
    frames = [completed(first), done(second, output_index=1), completed(first, second)]
    assert [text for _, text, _ in thoughts(*frames)] == ["a"]


@pytest.mark.parametrize("index", [0, 1, None])
def test_of_index_and_id_the_id_tells_whose_a_fragment_is(index: int | None) -> None:
    def piece(item_id: str, text: str) -> Frame:
        name = "reasoning_text.delta"
        return event(name, output_index=index, item_id=item_id, content_index=0, delta=text)

    begun = [added({**REASONING, "id": f"r{at}"}, output_index=at) for at in (1, 2)]
    assert thoughts(*begun, piece("r1", "a"), piece("r2", "b"), piece("r1", "c")) == [
        ("reasoning_text", "ac", True),
        ("reasoning_text", "b", True),
    ]


@pytest.mark.parametrize("index", range(3))
def test_a_fragment_without_index_and_id_is_nobodys(index: int) -> None:
    piece = event("reasoning_text.delta", content_index=0, delta="a")
    assert thoughts(added(REASONING, output_index=index), piece) == []


def test_the_parts_of_a_thought_are_told_apart_by_their_numbers() -> None:
    def piece(number: object, text: str, source: str = "reasoning_summary") -> Frame:
        member = "summary_index" if source == "reasoning_summary" else "content_index"
        numbered = {} if number is None else {member: number}
        return event(f"{source}_text.delta", item_id="rs", delta=text, **numbered)

    frames = [piece(0, "a"), piece(1, "b"), piece(0, "c"), piece(None, "d"), piece([1], "e")]
    assert thoughts(added(REASONING), *frames) == [
        ("reasoning_summary", "acde", True),
        ("reasoning_summary", "b", True),
    ]
    texts = [piece(0, "a", "reasoning"), piece(1, "b", "reasoning")]
    assert thoughts(added(REASONING), *texts) == [
        ("reasoning_text", "a", True),
        ("reasoning_text", "b", True),
    ]


def test_a_part_that_was_told_as_a_whole_is_not_cut_off_with_its_item() -> None:
    whole = event("reasoning_summary_text.done", item_id="rs", summary_index=0, text="ab")
    delta = event("reasoning_summary_text.delta", item_id="rs", summary_index=0, delta="ab")
    expected = [("reasoning_summary", "ab", False)]
    assert thoughts(added(REASONING), whole) == expected
    assert thoughts(added(REASONING), delta, whole) == expected


def test_an_item_that_ends_without_its_texts_has_those_that_were_heard() -> None:
    delta = event("reasoning_summary_text.delta", item_id="rs", summary_index=0, delta="ab")
    expected = [("reasoning_summary", "ab", False)]
    assert thoughts(added(REASONING), delta, done(REASONING)) == expected


def test_a_thought_without_end_costs_what_is_kept_of_it() -> None:
    piece = event("reasoning_text.delta", item_id="rs", content_index=0, delta="x" * 1024 * 1024)
    [(_, text, truncated)] = thoughts(added(REASONING), *[piece] * 20)
    assert (len(text), truncated) == (1024 * 1024, True)


def test_parts_of_a_thought_that_are_no_texts_are_left_out() -> None:
    parts = ["x", {"text": 5}, {"text": ""}, {"text": "a"}]
    expected = [("reasoning_summary", "a", False)]
    assert thoughts(done({**REASONING, "summary": parts})) == expected


def test_of_a_commentary_only_its_output_text_is_one() -> None:
    parts = [{"type": "refusal", "text": "no"}, {"type": "output_text", "text": "a"}]
    assert thoughts(done({**COMMENTARY, "content": parts})) == [("commentary", "a", False)]


@pytest.mark.parametrize(
    ("kind", "notes"),
    [
        ("computer_call_output", {}),
        ("message", {}),
        ("output", {"unknown_items": 1}),
        ("new_kind", {"unknown_items": 1}),
    ],
)
def test_an_item_of_an_unknown_kind_is_counted(kind: str, notes: dict[str, int]) -> None:
    begun = event("created", response={"id": "r"})
    found = [fact for fact in heard(begun, done({"type": kind})) if isinstance(fact, Answered)]
    assert found == [Answered("r", None, notes)]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"type": "container_reference"}, "provider"),
        ({"type": "local"}, "client"),
        ("container_reference", "client"),
    ],
)
def test_a_shell_call_is_run_by_the_provider_in_a_container_of_its_own(
    environment: object, expected: str
) -> None:
    item = {"type": "shell_call", "action": {"commands": []}, "environment": environment}
    found = [fact for fact in heard(done(item)) if isinstance(fact, ToolUsage)]
    assert [fact.executed_by for fact in found] == [expected]
