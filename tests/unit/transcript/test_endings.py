import json

import pytest

from aigateway.transcript.endings import error_type_of_status, error_type_of_words
from aigateway.transcript.facts import Dialect, Ended
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, "bad_request") for status in (400, 404, 413, 422)),
        *((status, "unauthorized") for status in (401, 403)),
        *((status, "unknown") for status in (302, 402, 409, 418)),
        (408, "timeout"),
        (429, "rate_limited"),
        (529, "overloaded"),
        (500, "server_error"),
        (504, "server_error"),
    ],
)
def test_a_status_has_an_error_type(status: int, expected: str) -> None:
    assert {error_type_of_status(status, dialect) for dialect in Dialect} == {expected}


def test_503_means_overloaded_in_the_openai_family_only() -> None:
    assert error_type_of_status(503, Dialect.CHAT) == "overloaded"
    assert error_type_of_status(503, Dialect.RESPONSES) == "overloaded"
    assert error_type_of_status(503, Dialect.MESSAGES) == "server_error"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("rate_limit_error", "rate_limited"),
        ("insufficient_quota", "rate_limited"),
        ("overloaded_error", "overloaded"),
        ("api_error", "server_error"),
        ("server_error", "server_error"),
        ("invalid_request_error", "bad_request"),
        ("authentication_error", "unauthorized"),
        ("permission_error", "unauthorized"),
        ("billing_error", "unauthorized"),
        ("gateway_timeout", "timeout"),
        ("invalid_prompt", "bad_request"),
        ("image_too_large", "bad_request"),
        ("cyber_policy_violation", "bad_request"),
        ("content_filter", "bad_request"),
        ("context_length_exceeded", "bad_request"),
        ("not_found_error", "bad_request"),
        ("request_too_large", "bad_request"),
        (429, "rate_limited"),
        ("529", "overloaded"),
        (7, "unknown"),
        ("new_kind", "unknown"),
        (None, "unknown"),
        (True, "unknown"),
    ],
)
def test_a_word_of_an_error_object_has_an_error_type(word: object, expected: str) -> None:
    assert error_type_of_words([word, None], Dialect.CHAT) == expected
    assert error_type_of_words([None, word], Dialect.CHAT) == expected


def test_the_first_word_that_is_known_decides() -> None:
    words = ["rate_limit_exceeded", "invalid_request_error"]
    assert error_type_of_words(words, Dialect.CHAT) == "rate_limited"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (399, "rate_limited"),
        (400, "bad_request"),
        (599, "server_error"),
        (600, "rate_limited"),
        ("0000529", "overloaded"),
        ("00000529", "rate_limited"),
    ],
)
def test_a_number_that_is_no_status_of_an_error_leaves_it_to_the_next_word(
    number: object, expected: str
) -> None:
    assert error_type_of_words([number, "rate_limit_error"], Dialect.CHAT) == expected


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (Dialect.MESSAGES, "server_error"),
        (Dialect.CHAT, "overloaded"),
        (Dialect.RESPONSES, "overloaded"),
    ],
)
def test_503_is_read_in_its_dialect_as_a_status_and_as_a_code_in_a_stream(
    dialect: Dialect, expected: str
) -> None:
    assert list(reader_for(dialect, 503).end(cut=False)) == [
        Ended("failed", 503, expected, None, None)  # type: ignore[arg-type] # parametrized
    ]
    reader = reader_for(dialect, 200)
    error = {"type": "error", "error": {"code": "503"}}
    assert list(reader.read(Frame("error", json.dumps(error).encode()))) == []
    assert list(reader.end(cut=False)) == [Ended("failed", 200, expected, None, None)]  # type: ignore[arg-type] # parametrized


def test_a_failed_response_is_read_in_the_dialect_of_responses() -> None:
    response = {"object": "response", "status": "failed", "error": {"code": 503}}
    reader = reader_for(Dialect.RESPONSES, 200)
    assert list(reader.read(Frame(None, json.dumps(response).encode()))) == []
    assert list(reader.end(cut=False)) == [Ended("failed", 200, "overloaded", None, "failed")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (json.dumps({"error": {"message": " no ", "type": "x"}}), "no"),
        (json.dumps({"type": "error", "error": {"type": "t", "message": "no"}}), "no"),
        (json.dumps({"error": "no"}), "no"),
        (json.dumps({"message": "no"}), "no"),
        (json.dumps({"Message": "no"}), "no"),
        (json.dumps({"detail": "no"}), "no"),
        (json.dumps({"error": {"message": ["no"]}}), None),
        (json.dumps([1]), None),
        ("upstream connect error\nmore", "upstream connect error"),
        ("<html><body>no</body></html>", None),
        ('{"error": {"mess', None),
        ('["no', None),
        ("", None),
        (json.dumps({"error": {"message": "é" * 5000}}), "é" * 2048),
    ],
)
@pytest.mark.parametrize("event", [None, "", "error"])
def test_the_message_of_an_error_is_found_in_a_body_or_a_stream(
    body: str, event: str | None, message: str | None
) -> None:
    reader = reader_for(Dialect.CHAT, 400)
    assert list(reader.read(Frame(event, body.encode()))) == []
    assert list(reader.end(cut=False)) == [Ended("failed", 400, "bad_request", message, None)]
