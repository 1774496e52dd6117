"""Bedrock's answers in the words of Anthropic's service."""

import json
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterable
from typing import Any, final

import pytest

from aigateway.errors import UpstreamCut
from aigateway.relay.bedrock_answer import kind_of_error, translated
from aigateway.relay.upstream import Answer
from aigateway.wire.messages import Headers, ResponseHead, value, values
from local.scripted.eventstream import message
from tests.unit.relay.stand_ins import EVENTS

FRAMES: Headers = (
    (b"Content-Type", b"application/vnd.amazon.eventstream"),
    (b"X-Amzn-RequestId", b"r-1"),
    (b"x-amzn-bedrock-content-type", b"application/json"),
)


@final
class Body:
    """A body in pieces; ``cut``: it breaks off behind them."""

    def __init__(self, pieces: Iterable[bytes], *, cut: bool = False) -> None:
        self.closed = False
        self._chunks = self._given(list(pieces), cut=cut)

    async def _given(self, pieces: list[bytes], *, cut: bool) -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece
        if cut:
            raise UpstreamCut("broke off")

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        self.closed = True


def framed(data: bytes) -> bytes:
    payload = json.dumps({"bytes": b64encode(data).decode(), "p": "abc"}).encode()
    return message({":event-type": "chunk", ":message-type": "event"}, payload)


def failing(name: str, payload: bytes) -> bytes:
    return message({":exception-type": name, ":message-type": "exception"}, payload)


def data_of(event: bytes) -> bytes:
    return event.partition(b"data: ")[2].removesuffix(b"\n\n")


async def heard(answer: Answer) -> tuple[bytes, bool]:
    """Return the body, and whether it broke off."""
    body = b""
    try:
        async for chunk in answer.chunks:
            assert chunk
            body += chunk
    except UpstreamCut:
        return body, True
    return body, False


def streaming(*pieces: bytes, cut: bool = False) -> Answer:
    return translated(Answer(ResponseHead(200, FRAMES), Body(pieces, cut=cut)))


def failed(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    given = ((b"content-type", b"application/json"), (b"x-amzn-requestid", b"r-1"), *headers)
    return translated(Answer(ResponseHead(status, given), Body([body])))


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
async def test_a_stream_is_that_of_anthropics_service_byte_for_byte(size: int) -> None:
    frames = b"".join(framed(data_of(event)) for event in EVENTS)
    answer = streaming(*(frames[at : at + size] for at in range(0, len(frames), size)))
    assert await heard(answer) == (b"".join(EVENTS), False)
    assert answer.head.status == 200
    assert values(answer.head.headers, b"content-type") == (b"text/event-stream; charset=utf-8",)
    assert value(answer.head.headers, b"request-id") == b"r-1"
    assert value(answer.head.headers, b"x-amzn-requestid") == b"r-1"


async def test_bytes_of_an_event_are_never_written_again() -> None:
    data = b'{ "type" : "message_stop", "n":1.0e2, "t":"\\u00e9\xc3\xa9", "x-metrics":{} }'
    assert await heard(streaming(framed(data))) == (
        b"event: message_stop\ndata: " + data + b"\n\n",
        False,
    )


async def test_line_ends_within_an_event_stay_within_it() -> None:
    body, _ = await heard(streaming(framed(b'{"type":\n"ping"\r\n}')))
    assert body == b'event: ping\ndata: {"type":\ndata: "ping"\ndata: }\n\n'


async def test_an_event_without_a_plain_name_bears_none() -> None:
    body, _ = await heard(streaming(framed(b'{"type":"a\\nb"}'), framed(b"[1]")))
    assert body == b'data: {"type":"a\\nb"}\n\ndata: [1]\n\n'


async def test_messages_that_are_no_chunk_are_left_out() -> None:
    other = message({":event-type": "unheard-of", ":message-type": "event"}, b"x")
    body, cut = await heard(streaming(other, message({}, b""), framed(b'{"type":"ping"}')))
    assert (body, cut) == (b'event: ping\ndata: {"type":"ping"}\n\n', False)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "rate_limit_error"),
        ("validationException", "invalid_request_error"),
        ("modelTimeoutException", "timeout_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("internalServerException", "api_error"),
        ("modelStreamErrorException", "api_error"),
        ("unheardOfException", "api_error"),
    ],
)
async def test_an_exception_of_the_stream_is_an_error_event(name: str, kind: str) -> None:
    body, cut = await heard(
        streaming(framed(b'{"type":"ping"}'), failing(name, b'{"message":"too \xc3\xa9"}'))
    )
    assert not cut
    event = (
        b'event: error\ndata: {"type":"error","error":{"type":"%b","message":"too \xc3\xa9"}}\n\n'
    )
    assert body == b'event: ping\ndata: {"type":"ping"}\n\n' + event % kind.encode()


async def test_an_error_of_the_stream_and_one_without_words_are_error_events() -> None:
    told = {":message-type": "error", ":error-code": "500", ":error-message": "words"}
    body, _ = await heard(streaming(message(told, b""), failing("xException", b"no json")))
    first, second, _ = body.split(b"\n\n")
    assert json.loads(data_of(first))["error"] == {"type": "api_error", "message": "words"}
    assert json.loads(data_of(second))["error"] == {"type": "api_error", "message": "xException"}


@pytest.mark.parametrize(
    "end",
    [
        b"\0" * 12,
        framed(b'{"type":"ping"}')[:-1],
        message({":event-type": "chunk", ":message-type": "event"}, b"{}"),
        message({":event-type": "chunk", ":message-type": "event"}, b"[]"),
        message({":event-type": "chunk", ":message-type": "event"}, b'{"bytes":"*"}'),
        message({":event-type": "chunk", ":message-type": "event"}, b'{"bytes":"\xc3\xa9"}'),
        framed(b"no json"),
    ],
)
async def test_i19_damage_ends_a_stream_as_a_cut_behind_what_came_before(end: bytes) -> None:
    good = framed(b'{"type":"ping"}')
    assert await heard(streaming(good + end)) == (b'event: ping\ndata: {"type":"ping"}\n\n', True)


async def test_i19_a_cut_stays_a_cut_and_closing_reaches_the_connection() -> None:
    body = Body([framed(b'{"type":"ping"}')], cut=True)
    answer = translated(Answer(ResponseHead(200, FRAMES), body))
    assert (await heard(answer))[1]
    await answer.aclose()
    assert body.closed


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, b"ValidationException:http://x/", "invalid_request_error"),
        (403, b"AccessDeniedException", "permission_error"),
        (404, b"ResourceNotFoundException", "not_found_error"),
        (408, b"ModelTimeoutException", "timeout_error"),
        (409, b"ConflictException", "invalid_request_error"),
        (424, b"ModelErrorException", "api_error"),
        (429, b"ThrottlingException", "rate_limit_error"),
        (429, b"ModelNotReadyException", "overloaded_error"),
        (500, b"InternalServerException", "api_error"),
        (503, b"ServiceUnavailableException", "overloaded_error"),
        (503, b"", "api_error"),
        (529, b"", "overloaded_error"),
    ],
)
async def test_an_error_keeps_its_status_and_gets_the_dialects_words(
    status: int, name: bytes, kind: str
) -> None:
    answer = failed(
        status, b'{"message":"no"}', (b"x-amzn-errortype", name), (b"retry-after", b"3")
    )
    body, _ = await heard(answer)
    assert json.loads(body) == {
        "type": "error",
        "error": {"type": kind, "message": "no"},
        "request_id": "r-1",
    }
    assert answer.head.status == status
    assert value(answer.head.headers, b"retry-after") == b"3"
    assert value(answer.head.headers, b"request-id") == b"r-1"
    await answer.aclose()


async def test_i10_what_was_signed_stays_with_us() -> None:
    said = "Wrong.\nThe canonical string was x-amz-security-token:planted AKIAPLANTED00000000"
    body, _ = await heard(failed(403, json.dumps({"message": said}).encode()))
    assert json.loads(body)["error"]["message"] == "Wrong."
    body, _ = await heard(failed(400, b'{"Message":"key AKIAPLANTED00000000 \\n second"}'))
    assert json.loads(body)["error"]["message"] == "key AKIA... \n second"


@pytest.mark.parametrize("said", [b"", b"<html>", b"[]", b'{"message":5}', b"x" * 1_100_000])
async def test_an_error_that_says_nothing_readable_passes_as_it_is(said: bytes) -> None:
    pieces = [said[at : at + 65536] for at in range(0, len(said), 65536)]
    answer = translated(Answer(ResponseHead(502, ()), Body(pieces)))
    assert await heard(answer) == (said, False)


async def test_a_cut_within_an_error_is_a_cut() -> None:
    answer = translated(Answer(ResponseHead(502, ()), Body([b'{"mess'], cut=True)))
    assert await heard(answer) == (b"", True)


@pytest.mark.parametrize(
    "headers",
    [(*FRAMES, (b"content-encoding", b"gzip")), ((b"content-type", b"application/json"),)],
)
async def test_other_answers_pass_as_they_are(headers: Headers) -> None:
    answer = translated(Answer(ResponseHead(200, headers), Body([b"a", b"b"])))
    assert await heard(answer) == (b"ab", False)
    assert values(answer.head.headers, b"content-type") == values(headers, b"content-type")


def test_a_kind_of_error_is_read_without_namespace_and_link() -> None:
    def kind(*headers: tuple[bytes, bytes]) -> Any:  # noqa: ANN401 - compared below
        return kind_of_error(ResponseHead(403, headers))

    assert kind() is None
    assert kind((b"x-amzn-ErrorType", b"com.amazon#ExpiredTokenException:http://x/")) == (
        "ExpiredTokenException"
    )
