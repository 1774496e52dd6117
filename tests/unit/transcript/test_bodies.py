"""Which body or event is an answer of its dialect, and how it ends."""

import json
from typing import Any

import pytest

from aigateway.transcript.facts import Dialect, Ended
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame


def ended(dialect: Dialect, body: dict[str, Any]) -> Ended:
    reader = reader_for(dialect, 200)
    facts = [*reader.read(Frame(None, json.dumps(body).encode())), *reader.end(cut=False)]
    assert isinstance(facts[-1], Ended)
    return facts[-1]


@pytest.mark.parametrize(
    ("dialect", "body", "outcome"),
    [
        (Dialect.MESSAGES, {"content": []}, "completed"),
        (Dialect.MESSAGES, {"type": "message", "content": []}, "completed"),
        (Dialect.MESSAGES, {"type": "message", "content": {}}, "failed"),
        (Dialect.MESSAGES, {"type": "list", "content": []}, "failed"),
        (Dialect.CHAT, {"choices": []}, "completed"),
        (Dialect.CHAT, {"choices": [{"message": {"content": "x"}}]}, "completed"),
        (Dialect.CHAT, {"choices": {}}, "failed"),
        (Dialect.RESPONSES, {"output": []}, "completed"),
        (Dialect.RESPONSES, {"output": {}}, "failed"),
        (Dialect.RESPONSES, {"object": "response"}, "completed"),
        (Dialect.RESPONSES, {"object": "response.compaction"}, "completed"),
        (Dialect.RESPONSES, {"object": "list", "output": []}, "failed"),
    ],
)
def test_a_body_is_an_answer_by_its_kind_or_by_what_an_answer_has(
    dialect: Dialect, body: dict[str, Any], outcome: str
) -> None:
    assert ended(dialect, body).outcome == outcome


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (Dialect.MESSAGES, "server_error"),
        (Dialect.CHAT, "overloaded"),
        (Dialect.RESPONSES, "overloaded"),
    ],
)
def test_a_503_in_an_error_body_is_read_in_its_dialect(dialect: Dialect, expected: str) -> None:
    found = ended(dialect, {"type": "error", "error": {"code": 503, "message": "no"}})
    assert (found.outcome, found.error_type, found.message) == ("failed", expected, "no")


@pytest.mark.parametrize("dialect", Dialect)
def test_a_status_from_300_on_is_no_answer(dialect: Dialect) -> None:
    assert list(reader_for(dialect, 299).end(cut=False)) == [
        Ended("upstream_cut", 299, "server_error", None, None)
    ]
    assert list(reader_for(dialect, 300).end(cut=False)) == [
        Ended("failed", 300, "unknown", None, None)
    ]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("data", [b"[1]", b'"text"', b"null", b"5"])
def test_an_event_that_is_no_object_says_nothing(dialect: Dialect, data: bytes) -> None:
    reader = reader_for(dialect, 200)
    assert list(reader.read(Frame("", data))) == []
    assert list(reader.end(cut=False)) == [Ended("upstream_cut", 200, "server_error", None, None)]


@pytest.mark.parametrize("dialect", Dialect)
def test_an_error_event_of_broken_bytes_is_told_as_far_as_it_can_be(dialect: Dialect) -> None:
    reader = reader_for(dialect, 200)
    assert list(reader.read(Frame("error", b"gone \xff"))) == []
    assert list(reader.end(cut=False)) == [Ended("failed", 200, "unknown", "gone \ufffd", None)]
