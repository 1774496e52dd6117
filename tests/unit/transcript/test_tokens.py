import json
from typing import Any

import pytest

from aigateway.transcript.facts import Answered, Dialect, TokenUsage
from aigateway.transcript.notebook import Notebook
from aigateway.transcript.reader import reader_for
from aigateway.transcript.tokens import (
    COUNT_LIMIT,
    RAW_LIMIT_CHARACTERS,
    Tally,
    count,
    numbers_within,
    raw_usage,
)
from aigateway.wire.frames import Frame
from aigateway.wire.jsontext import JsonText


def test_every_positive_number_inside_an_object_has_the_path_to_it_as_its_name() -> None:
    usage = {"a": {"b": 1, "c": 2.0}, "d": 0, "e": -1, "f": "3", "g": True, "h": None}
    assert dict(numbers_within(usage, "x")) == {"x_a_b": 1, "x_a_c": 2}


def test_a_number_is_taken_up_to_the_limit_of_all_counts() -> None:
    usage = {"most": COUNT_LIMIT, "more": COUNT_LIMIT + 1}
    assert dict(numbers_within(usage, "x")) == {"x_most": COUNT_LIMIT}


@pytest.mark.parametrize("depth", [1, 2])
def test_of_an_object_with_very_many_numbers_48_are_taken(depth: int) -> None:
    usage: object = {str(position): 1 for position in range(40)}
    for _ in range(depth):
        usage = {"a": usage, "b": usage}
    assert len(list(numbers_within(usage, "x"))) == 48


def usages(dialect: Dialect, **body: Any) -> list[TokenUsage]:  # noqa: ANN401
    reader = reader_for(dialect, 200)
    facts = [*reader.read(Frame(None, json.dumps(body).encode())), *reader.end(cut=False)]
    return [fact for fact in facts if isinstance(fact, TokenUsage)]


def test_a_compaction_of_messages_counts_its_input_without_the_cached_part() -> None:
    counts = {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 3}
    usage = {**counts, "iterations": [{"type": "compaction", **counts}, {"type": "message"}]}
    found = usages(Dialect.MESSAGES, type="message", content=[], usage=usage)
    assert [(each.input, each.cache_read) for each in found] == [(5, 3), (5, 3)]
    assert [each.extra.get("iteration") for each in found] == [None, "compaction"]


@pytest.mark.parametrize("details", [None, 5, {"cached_tokens": 2}])
def test_cache_writes_of_responses_are_told_apart_in_either_place(details: object) -> None:
    writes = {"cache_write_tokens_details": {"ephemeral_5m": 4}}
    usage = {"input_tokens": 9, "input_tokens_details": details}
    [found] = usages(Dialect.RESPONSES, object="response", output=[], usage=usage | writes)
    assert found.extra == {"cache_write_tokens_details_ephemeral_5m": 4}
    inside = {"input_tokens": 9, "input_tokens_details": writes}
    [found] = usages(Dialect.RESPONSES, object="response", output=[], usage=inside)
    assert found.extra == {"cache_write_tokens_details_ephemeral_5m": 4}


def test_of_very_many_compactions_64_are_counted() -> None:
    usage = {"input_tokens": 1, "iterations": [{"type": "compaction", "input_tokens": 2}] * 70}
    found = usages(Dialect.MESSAGES, type="message", content=[], usage=usage)
    assert [each.input for each in found] == [1, *[2] * 64]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (-7, -7),
        (7.0, 7),
        (7.5, None),
        (float(COUNT_LIMIT), COUNT_LIMIT),
        (float(COUNT_LIMIT + 1), None),
        (COUNT_LIMIT + 1, COUNT_LIMIT + 1),
        (True, None),
        ("7", None),
        (None, None),
    ],
)
def test_a_count_is_a_whole_number(value: object, expected: int | None) -> None:
    assert count(value) == expected


@pytest.mark.parametrize(
    ("number", "notes"),
    [
        (COUNT_LIMIT, {}),
        (0, {}),
        (COUNT_LIMIT + 1, {"usage_refused": 1}),
        (-1, {"usage_refused": 1}),
    ],
)
def test_a_report_is_refused_where_one_count_cannot_be_true(
    number: int, notes: dict[str, int]
) -> None:
    notebook = Notebook()
    notebook.identify("r", None)
    tally = Tally({"input": 1, "output": number}, "{}", input_includes_cache=False)
    assert len(tally.usage(notebook, partial=False)) == 1 - len(notes)
    assert notebook.answered() == [Answered("r", None, notes)]


@pytest.mark.parametrize(
    ("fresh", "expected", "notes"),
    [
        (7, 2, {}),
        (5, 0, {}),
        (4, 0, {"usage_clamped_input": 4, "usage_clamped_cached": 5}),
    ],
)
def test_an_input_smaller_than_its_cached_parts_is_0_and_noted(
    fresh: int, expected: int, notes: dict[str, int]
) -> None:
    notebook = Notebook()
    notebook.identify("r", None)
    counts = {"input": fresh, "cache_read": 3, "cache_write": 2}
    [usage] = Tally(counts, "{}", input_includes_cache=True).usage(notebook, partial=False)
    assert isinstance(usage, TokenUsage)
    assert (usage.input, usage.cache_read, usage.cache_write) == (expected, 3, 2)
    assert notebook.answered() == [Answered("r", None, notes)]


@pytest.mark.parametrize(("excess", "expected"), [(0, True), (1, False)])
def test_a_report_is_kept_as_sent_up_to_a_limit(excess: int, expected: bool) -> None:
    text = '{"a":"' + "x" * (RAW_LIMIT_CHARACTERS - 8 + excess) + '"}'
    body = JsonText.of(b'{"usage":' + text.encode() + b"}")
    assert raw_usage(body, "usage") == (text if expected else "{}")
    assert raw_usage(body, "none") == "{}"
