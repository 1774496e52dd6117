"""One request makes one request, and one answer takes bounded memory."""

import gzip
import json
import tracemalloc
from contextlib import nullcontext

import pytest

from aigateway.errors import UpstreamFault, UpstreamTimeout, UpstreamUnreachable
from aigateway.relay.asgi import Aborted
from aigateway.relay.scribe import Scribe
from aigateway.transcript.facts import Dialect
from aigateway.transcript.notebook import FACTS_LIMIT_BYTES
from aigateway.wire.frames import FRAME_LIMIT_BYTES
from aigateway.wire.messages import ResponseHead
from tests.builders import an_opened
from tests.clocks import HeldClock
from tests.unit.relay.stand_ins import (
    Listener,
    NotingRecords,
    ScriptedUpstream,
    a_request,
    an_exchange,
)

SSE = (b"content-type", b"text/event-stream")
PIECE = 64 * 1024


@pytest.mark.parametrize(
    "fault", [None, UpstreamUnreachable("m"), UpstreamTimeout("m"), "cut", 429, 500, 503, 529]
)
async def test_i11_one_request_makes_one_request_whatever_comes_back(
    fault: Exception | str | int | None,
) -> None:
    seen: list[str] = []
    upstream = ScriptedUpstream(seen)
    upstream.cut = fault == "cut"
    upstream.fault = fault if isinstance(fault, Exception) else None
    if isinstance(fault, int):
        upstream.head = ResponseHead(fault, ((b"retry-after", b"0"),))
    exchange, asides = an_exchange(NotingRecords(seen), upstream)
    ends_badly = fault is not None and not isinstance(fault, int)
    expected = pytest.raises((UpstreamFault, Aborted)) if ends_badly else nullcontext()
    with expected:
        await exchange.relay(an_opened(), a_request(), Listener(seen))
    await asides.join()
    assert seen.count("sending") == seen.count("last byte") == 1


def peak_of(scribe: Scribe, chunks: list[bytes], *, repeated: int) -> int:
    tracemalloc.start()
    try:
        for _ in range(repeated):
            for chunk in chunks:
                scribe.hear(bytes(bytearray(chunk)))  # a buffer of its own, as from a socket
        scribe.end(cut=True)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def a_scribe(*headers: tuple[bytes, bytes]) -> Scribe:
    head = ResponseHead(200, (SSE, *headers))
    return Scribe(head, Dialect.MESSAGES, streaming=True, clock=HeldClock())


def test_i12_a_frame_without_an_end_is_kept_up_to_its_limit() -> None:
    scribe = a_scribe()
    peak = peak_of(scribe, [b"data: " + bytes(PIECE)], repeated=4 * FRAME_LIMIT_BYTES // PIECE)
    assert scribe.deaf == "frame_too_large"
    assert peak < 3 * FRAME_LIMIT_BYTES


def test_i12_a_call_without_an_end_is_kept_up_to_the_limit_of_all_facts() -> None:
    scribe = a_scribe()
    block = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {}}
    opening = {"type": "content_block_start", "index": 0, "content_block": block}
    delta = {"type": "input_json_delta", "partial_json": "a" * PIECE}
    more = {"type": "content_block_delta", "index": 0, "delta": delta}
    scribe.hear(b"data: " + json.dumps(opening).encode() + b"\n\n")
    chunk = b"data: " + json.dumps(more).encode() + b"\n\n"
    peak = peak_of(scribe, [chunk], repeated=2 * FACTS_LIMIT_BYTES // PIECE)
    assert scribe.deaf == "facts_too_large"
    assert peak < 3 * FACTS_LIMIT_BYTES


def test_i12_a_small_body_that_unpacks_to_a_huge_one_is_not_followed() -> None:
    scribe = a_scribe((b"content-encoding", b"gzip"))
    bomb = gzip.compress(bytes(300 * 1024 * 1024), 1)
    chunks = [bomb[at : at + PIECE] for at in range(0, len(bomb), PIECE)]
    peak = peak_of(scribe, chunks, repeated=1)
    assert scribe.deaf in ("decoded_too_large", "frame_too_large")
    assert peak < 64 * 1024 * 1024
