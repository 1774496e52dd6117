"""What a closing record says: the response's own words, unless the transport knows better."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aigateway.errors import (
    Answerable,
    BackgroundNotSupported,
    CircuitOpen,
    InvalidJson,
    KeyPoolExhausted,
    KeyPoolUnauthorized,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from aigateway.interception import Closed
from aigateway.relay.closing import Progress, closed_by_refusal, closed_by_scribe
from aigateway.relay.scribe import Scribe
from aigateway.relay.upstream import KeysUsed
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import ResponseHead
from tests.builders import an_opened, at
from tests.clocks import HeldClock
from tests.unit.relay.stand_ins import STREAM

OPENED = an_opened()
SSE = (b"content-type", b"text/event-stream")
UNFINISHED = STREAM[: STREAM.index(b"event: message_stop")]


def closed(
    body: bytes,
    *,
    status: int = 200,
    headers: tuple[tuple[bytes, bytes], ...] = (SSE,),
    cut: bool = False,
    dialect: Dialect = Dialect.MESSAGES,
    metadata: dict[str, str | int] | None = None,
    **changed: Any,  # noqa: ANN401 - fields of Progress
) -> Closed:
    head = ResponseHead(status, headers)
    scribe = Scribe(head, dialect, streaming=True, clock=HeldClock())
    scribe.hear(body)
    scribe.end(cut=cut)
    plain: dict[str, Any] = {"first_byte_at": at(1), "delivered_bytes": len(body)}
    progress = Progress(scribe, head, **plain | changed)
    opened = replace(OPENED, dialect=dialect, metadata=metadata or {})
    keys = KeysUsed("sk-a...wxyz", 1)
    return closed_by_scribe(opened, progress, ended_at=at(2), keys=keys, cut=cut)


def test_a_whole_stream_is_completed_with_everything_it_said() -> None:
    record = closed(STREAM, headers=(SSE, (b"request-id", b"req_1")))
    assert (record.id, record.outcome, record.error_type) == (OPENED.id, "completed", None)
    assert (record.http_status, record.provider_request_id) == (200, "req_1")
    assert (record.provider_response_id, record.provider_model) == ("msg_1", "m")
    assert record.stop_reason == "end_turn"
    assert (record.first_byte_at, record.ended_at) == (at(1), at(2))
    assert (record.response_bytes, record.undelivered_bytes) == (len(STREAM), 0)
    assert (record.key_attempts, record.credential_hint) == (1, "sk-a...wxyz")
    assert record.tokens["input_tokens"] == 3
    assert not record.usage_missing
    assert not record.usage_partial


def test_bytes_that_did_not_reach_the_client_are_counted() -> None:
    assert closed(STREAM, delivered_bytes=10).undelivered_bytes == len(STREAM) - 10


def test_a_cut_stream_is_recorded_as_upstream_cut() -> None:
    record = closed(UNFINISHED, cut=True)
    assert (record.outcome, record.error_type) == ("upstream_cut", "server_error")
    assert record.usage_partial


def test_a_stream_that_ends_politely_without_its_last_event_is_a_cut_too() -> None:
    assert closed(UNFINISHED).outcome == "upstream_cut"
    assert closed(b"").outcome == "upstream_cut"
    assert closed(b"").usage_missing


@pytest.mark.parametrize("stopped", ["client_disconnected", "gateway_timeout"])
def test_after_the_last_event_the_answer_is_whole_whoever_hangs_up(stopped: str) -> None:
    assert closed(STREAM, cut=True, stopped=stopped).outcome == "completed"


@pytest.mark.parametrize(
    ("stopped", "error_type"), [("client_disconnected", None), ("gateway_timeout", "timeout")]
)
def test_before_that_the_record_says_who_stopped_it(stopped: str, error_type: str | None) -> None:
    for body in (UNFINISHED, b""):
        record = closed(body, cut=True, stopped=stopped)
        assert (record.outcome, record.error_type) == (stopped, error_type)
    progress = Progress(stopped=stopped)  # type: ignore[arg-type]  # cases are plain words
    record = closed_by_scribe(OPENED, progress, ended_at=at(1), keys=KeysUsed("sk-a...wxyz", 2))
    assert (record.key_attempts, record.credential_hint) == (2, "sk-a...wxyz")
    assert (record.outcome, record.error_type) == (stopped, error_type)
    assert record.http_status is None
    assert record.usage_missing


@pytest.mark.parametrize(
    ("status", "dialect", "error_type"),
    [
        (400, Dialect.MESSAGES, "bad_request"),
        (401, Dialect.MESSAGES, "unauthorized"),
        (403, Dialect.CHAT, "unauthorized"),
        (404, Dialect.CHAT, "bad_request"),
        (408, Dialect.CHAT, "timeout"),
        (409, Dialect.CHAT, "unknown"),
        (413, Dialect.CHAT, "bad_request"),
        (422, Dialect.RESPONSES, "bad_request"),
        (429, Dialect.RESPONSES, "rate_limited"),
        (500, Dialect.RESPONSES, "server_error"),
        (503, Dialect.CHAT, "overloaded"),
        (503, Dialect.MESSAGES, "server_error"),
        (529, Dialect.MESSAGES, "overloaded"),
    ],
)
@pytest.mark.parametrize("coding", [b"identity", b"unheard-of"])
def test_an_error_answer_is_failed_by_its_status_also_when_it_cannot_be_read(
    status: int, dialect: Dialect, error_type: str, coding: bytes
) -> None:
    shown = ((b"content-type", b"application/json"), (b"content-encoding", coding))
    for cut in (False, True):
        record = closed(b"{}", status=status, headers=shown, dialect=dialect, cut=cut)
        assert (record.outcome, record.error_type) == ("failed", error_type)
        assert record.http_status == status
        assert not record.usage_missing, "nobody expects usage from an error"


UNREAD = (SSE, (b"content-encoding", b"unheard-of"))


def test_a_deaf_scribe_leaves_the_outcome_as_relayed() -> None:
    record = closed(STREAM, headers=UNREAD)
    assert (record.outcome, record.deaf) == ("completed", "unknown_encoding")
    assert record.usage_missing
    assert record.response_bytes == len(STREAM)


def test_a_deaf_scribe_hides_no_cut_and_no_end_from_outside() -> None:
    assert closed(STREAM, headers=UNREAD, cut=True).outcome == "upstream_cut"
    for stopped in ("client_disconnected", "gateway_timeout"):
        assert closed(b"", headers=UNREAD, cut=True, stopped=stopped).outcome == stopped


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (InvalidJson("m"), "bad_request"),
        (BackgroundNotSupported("m"), "bad_request"),
        (UpstreamUnreachable("m"), "server_error"),
        (UpstreamTimeout("m"), "timeout"),
        (KeyPoolExhausted("m", 9), "rate_limited"),
        (KeyPoolUnauthorized("m"), "unauthorized"),
        (CircuitOpen("m", 30), "overloaded"),
    ],
)
def test_an_answer_of_our_own_is_failed_and_has_no_providers_status(
    error: Answerable, error_type: str
) -> None:
    record = closed_by_refusal(OPENED, error, at(1))
    assert (record.outcome, record.error_type, record.error_message) == ("failed", error_type, "m")
    assert record.http_status is None
    assert record.ended_at - OPENED.started_at == timedelta(seconds=1)


def test_a_refusal_behind_attempts_says_what_the_last_one_came_to() -> None:
    keys = KeysUsed("sk-b...wxyz", 2, 429)
    record = closed_by_refusal(OPENED, KeyPoolExhausted("m", 9), at(1), keys)
    found = (record.http_status, record.key_attempts, record.credential_hint)
    assert found == (429, 2, "sk-b...wxyz")


def test_a_background_response_that_goes_on_is_completed_without_usage() -> None:
    queued = b'{"id":"resp_1","object":"response","status":"queued","model":"m","output":[]}'
    headers = ((b"content-type", b"application/json"),)
    asked = closed(
        queued, dialect=Dialect.RESPONSES, headers=headers, metadata={"background": "true"}
    )
    assert (asked.outcome, asked.usage_missing) == ("completed", True)
    unasked = closed(queued, dialect=Dialect.RESPONSES, headers=headers)
    assert unasked.outcome == "failed"


def test_a_key_in_a_providers_error_message_is_masked() -> None:
    body = b'{"type":"error","error":{"type":"x","message":"bad key sk-ant-0123456789abcdef"}}'
    record = closed(body, status=401, headers=((b"content-type", b"application/json"),))
    assert record.error_message == "bad key sk-a..."


@pytest.mark.parametrize(
    ("secret", "said", "kept"),
    [
        ("odd-form-0123456789wxyz", "odd-form-0123456789wxyz is bad", "odd-...wxyz is bad"),
        ("sk-abcdefghijklmnopqr", "bad: sk-abcdefghijklmnopqr.", "bad: sk-a...opqr."),
        ("test", "a test failed", "a test failed"),
        (None, "key sk-abcdefghijk is bad", "key sk-a... is bad"),
    ],
)
def test_i10_what_a_provider_quotes_of_its_key_is_hidden_whatever_the_form(
    secret: str | None, said: str, kept: str
) -> None:
    keys = KeysUsed("...", 1, secret=secret)
    assert keys.hidden_in(said) == kept
    assert secret is None or secret not in repr(keys)
