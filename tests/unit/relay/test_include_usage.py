"""The named edit: when it is made, and what it keeps from the client."""

import json
from dataclasses import replace
from typing import Any

import pytest

from aigateway.relay.asgi import Aborted
from aigateway.relay.exchange import Exchange
from aigateway.relay.include_usage import (
    Withholding,
    asking_for_usage,
    is_extra_chunk,
    withholding_for,
)
from aigateway.relay.upstream import UpstreamRequest
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import Headers, ResponseHead
from tests.builders import an_opened
from tests.unit.relay.stand_ins import (
    SSE,
    Listener,
    NotingRecords,
    ScriptedUpstream,
    a_request,
    an_exchange,
)

CHAT = an_opened(dialect=Dialect.CHAT)
BODY = b'{"stream": true, "n": 1.0}'
ASKED = b'{"stream_options":{"include_usage":true},"stream": true, "n": 1.0}'


def event(chunk: dict[str, Any], ending: bytes = b"\n") -> bytes:
    return b"data: " + json.dumps(chunk).encode() + 2 * ending


def chunk(**members: object) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": []} | members


COUNTS = {"prompt_tokens": 5, "completion_tokens": 7}
TEXT = event(chunk(choices=[{"index": 0, "delta": {"content": "hi"}}], usage=None))
STOP = event(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None))
EXTRA = event(chunk(usage=COUNTS, service_tier="default", obfuscation="x7"))
DONE = b"data: [DONE]\n\n"


def test_a_chat_stream_that_does_not_ask_is_made_to_ask_unencoded() -> None:
    headers = ((b"X-A", b"1"), (b"Accept-Encoding", b"gzip, br"), (b"authorization", b"B"))
    asked = asking_for_usage(replace(a_request(BODY), headers=headers), CHAT)
    assert asked.body == ASKED
    assert asked.withholds_usage
    assert asked.headers == (
        (b"X-A", b"1"),
        (b"authorization", b"B"),
        (b"accept-encoding", b"identity"),
    )


WISHES = b'{"stream_options":{"include_usage":true}}'


@pytest.mark.parametrize(
    ("request_", "opened"),
    [
        (a_request(BODY), replace(CHAT, streaming=False)),
        (a_request(BODY), replace(CHAT, dialect=Dialect.MESSAGES)),
        (a_request(BODY), replace(CHAT, dialect=Dialect.RESPONSES)),
        (a_request(WISHES), CHAT),
        (replace(a_request(BODY), headers=((b"Content-Encoding", b"gzip"),)), CHAT),
        (
            replace(a_request(BODY), provider=replace(a_request().provider, inject_usage=False)),
            CHAT,
        ),
    ],
)
def test_any_other_request_goes_as_it_came(request_: UpstreamRequest, opened: Any) -> None:  # noqa: ANN401 - an Opened
    assert asking_for_usage(request_, opened) is request_


def test_a_body_said_to_be_plain_is_edited() -> None:
    request = replace(a_request(BODY), headers=((b"content-encoding", b"identity"),))
    assert asking_for_usage(request, CHAT).body == ASKED


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_i03_exactly_the_extra_chunk_is_withheld_wherever_the_stream_is_cut(ending: bytes) -> None:
    parts = [part.replace(b"\n", ending) for part in (b": hi\n\n", TEXT, STOP, EXTRA, DONE)]
    stream, kept = b"".join(parts), b"".join(parts[:3] + parts[4:])
    for size in (1, 2, 7, 64, len(stream)):
        passing = Withholding()
        got = [passing.forward(stream[at : at + size]) for at in range(0, len(stream), size)]
        assert b"".join(got) + passing.rest() == kept
        assert passing.withheld_bytes == len(parts[3])


def test_a_whole_event_is_forwarded_at_once_and_an_unfinished_one_at_the_end() -> None:
    passing = Withholding()
    assert passing.forward(TEXT + STOP[:9]) == TEXT
    assert passing.forward(STOP[9:20]) == b""
    assert passing.rest() == STOP[:20]
    assert passing.rest() == b""


def test_an_event_over_the_limit_ends_the_withholding_and_loses_nothing() -> None:
    passing = Withholding(limit=100)
    endless = b"data: " + b"x" * 200
    assert passing.forward(TEXT[:10]) == b""
    assert passing.forward(TEXT[10:] + endless) == TEXT + endless
    assert passing.forward(EXTRA) == EXTRA
    assert passing.rest() == b""


@pytest.mark.parametrize(
    "members",
    [
        {"usage": COUNTS, "prompt_filter_results": [{"prompt_index": 0}]},
        {"usage": COUNTS, "moderation": {"flagged": False}},
        {"usage": COUNTS, "error": {"message": "no"}},
        {"usage": None, "prompt_filter_results": [{}]},
        {"usage": None},
        {"usage": 5},
        {"usage": COUNTS, "choices": [{"index": 0, "delta": {}}]},
        {"usage": COUNTS, "choices": None},
    ],
)
def test_a_chunk_that_says_anything_else_is_not_extra(members: dict[str, Any]) -> None:
    assert not is_extra_chunk(event(chunk(**members)))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b": usage\n\n",
        b'data: {"choices":[],"usage":{}\n\n',
        b'data: [1,"usage"]\n\n',
        b'event: usage\ndata: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
    ],
)
def test_what_is_no_such_chunk_passes(raw: bytes) -> None:
    assert not is_extra_chunk(raw)


def test_empty_members_do_not_make_a_chunk_worth_keeping() -> None:
    assert is_extra_chunk(event(chunk(usage=COUNTS, prompt_filter_results=[], x=None), b"\r\n"))


def head(*headers: tuple[bytes, bytes]) -> ResponseHead:
    return ResponseHead(200, headers)


@pytest.mark.parametrize(
    ("headers", "withholds"),
    [
        (((b"content-type", b"text/event-stream; charset=utf-8"),), True),
        ((), True),
        (((b"content-type", b"application/json"),), False),
        (((b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")), False),
    ],
)
def test_only_a_plain_event_stream_is_read_before_it_is_forwarded(
    headers: Headers, withholds: bool
) -> None:
    for asked in (True, False):
        request = replace(a_request(), withholds_usage=asked)
        passing = withholding_for(request, head(*headers))
        assert passing.forward(EXTRA) == (b"" if asked and withholds else EXTRA)


def exchange_over(*chunks: bytes) -> tuple[Exchange, NotingRecords, Listener, ScriptedUpstream]:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    upstream = ScriptedUpstream(seen, chunks)
    upstream.head = SSE
    exchange, _ = an_exchange(records, upstream)
    return exchange, records, client, upstream


async def test_the_record_has_the_usage_that_the_client_does_not_see() -> None:
    stream = TEXT + STOP + EXTRA + DONE
    exchange, records, client, _ = exchange_over(stream[:50], stream[50:])
    await exchange.relay(CHAT, asking_for_usage(a_request(BODY), CHAT), client)
    assert client.body == TEXT + STOP + DONE
    (closed,) = records.closed
    assert closed.tokens["output_tokens"] == 7
    assert closed.response_bytes == len(stream)
    assert closed.undelivered_bytes == 0


async def test_i19_a_cut_inside_an_event_still_reaches_the_client() -> None:
    exchange, records, client, upstream = exchange_over(TEXT, STOP[:30])
    upstream.cut = True
    with pytest.raises(Aborted):
        await exchange.relay(CHAT, asking_for_usage(a_request(BODY), CHAT), client)
    assert client.body == TEXT + STOP[:30]
    assert records.closed[0].undelivered_bytes == 0


async def test_a_client_that_asks_itself_gets_every_byte() -> None:
    exchange, records, client, _ = exchange_over(TEXT, STOP, EXTRA, DONE)
    await exchange.relay(CHAT, asking_for_usage(a_request(WISHES), CHAT), client)
    assert client.body == TEXT + STOP + EXTRA + DONE
    assert records.closed[0].tokens["input_tokens"] == 5
