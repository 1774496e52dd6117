"""Responses in any pieces, and our own transport against httpx as the measure."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from hypothesis import given, settings
from hypothesis import strategies as some

from aigateway.clock import SystemClock
from aigateway.errors import UpstreamCut, UpstreamUnreachable
from aigateway.relay.http1 import Response
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.relay.httpx_upstream import HttpxUpstream
from aigateway.relay.upstream import Upstream
from aigateway.wire.messages import ResponseHead
from tests.peers import LOOPBACK, a_request, peer, read_request

TOKEN = "ABCDEFXYZabcxyz0189-_.!#$%&'*+^`|~"
names = some.text(TOKEN, min_size=1, max_size=12).map(lambda name: b"X-" + name.encode())
words = some.text(
    some.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=20
).filter(lambda text: not any(128 <= ord(character) < 160 for character in text))
contents = some.lists(words, max_size=3).map(
    lambda several: " ".join(several).strip().encode("latin-1")
)
blanks = some.sampled_from([b"", b" ", b"\t"])
lines = some.lists(some.tuples(names, blanks, contents, blanks), max_size=5).map(
    lambda headers: b"".join(b"%b:%b%b%b\r\n" % header for header in headers)
)
statuses = some.sampled_from([200, 201, 204, 304, 400, 401, 404, 413, 429, 500, 502, 529])
announced = some.sampled_from(
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Soon\r\nLink: a\r\n\r\n"]
)
bodies = some.lists(some.binary(min_size=1, max_size=40), max_size=5)
extensions = some.sampled_from([b"", b";a", b";a=b", b';a="b c"', b";a=1;b=2"])
cuts = some.lists(some.integers(0, 2000), max_size=6)


@some.composite
def responses(draw: some.DrawFn) -> bytes:
    """Draw a valid response, framed in one of the three ways."""
    status, pieces = draw(statuses), draw(bodies)
    start = draw(announced) + b"HTTP/1.1 %d Words\r\n" % status + draw(lines)
    if status in (204, 304):
        return start + b"\r\n"
    framing = draw(some.sampled_from(["counted", "chunked", "until the end"]))
    if framing == "counted":
        body = b"".join(pieces)
        return start + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if framing == "until the end":
        return start + b"\r\n" + b"".join(pieces)
    chunks = [b"%x%b\r\n%b\r\n" % (len(p), draw(extensions), p) for p in pieces]
    last = b"0\r\n" + draw(lines) + b"\r\n"
    return start + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + last


def sliced(whole: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted({place for place in at if 0 < place < len(whole)}), len(whole)]
    return [whole[a:b] for a, b in pairwise(places)]


def understood(pieces: list[bytes]) -> tuple[ResponseHead | None, bytes, bool, bool]:
    response = Response()
    body = b""
    for piece in pieces:
        response.feed(piece)
        body += response.take()
    ended = response.ended
    response.feed_end()
    return response.head, body, response.ended and ended, response.malformed


@given(responses(), cuts)
def test_a_response_does_not_depend_on_its_pieces(whole: bytes, at: list[int]) -> None:
    expected = understood([whole])
    assert understood(sliced(whole, at)) == expected
    assert understood([whole[i : i + 1] for i in range(len(whole))]) == expected
    assert expected[0] is not None
    assert not expected[3]


broken = some.tuples(responses(), some.binary(max_size=20), some.integers(0, 200)).map(
    lambda drawn: drawn[0][: drawn[2]] + drawn[1] + drawn[0][drawn[2] :]
)


@given(broken | some.binary(max_size=80), cuts)
def test_not_even_a_broken_response_depends_on_its_pieces(whole: bytes, at: list[int]) -> None:
    assert understood(sliced(whole, at)) == understood([whole])


@final
@dataclass(frozen=True, slots=True)
class Relayed:
    """What a transport made of a response; ``head`` is missing where it is unreachable."""

    head: ResponseHead | None
    body: bytes
    cut: bool


async def relayed(upstream: Upstream, pieces: list[bytes]) -> Relayed:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    body = b""
    async with peer(script) as provider:
        try:
            answer = await upstream.send(a_request(provider))
        except UpstreamUnreachable:
            return Relayed(None, body, cut=False)
        try:
            async for chunk in answer.chunks:
                body += chunk
        except UpstreamCut:
            return Relayed(answer.head, body, cut=True)
        finally:
            await answer.aclose()
            await upstream.aclose()
    return Relayed(answer.head, body, cut=False)


@settings(max_examples=100, deadline=None)
@given(responses(), cuts, some.none() | some.integers(0, 400))
def test_i01_our_transport_hears_what_httpx_hears(
    whole: bytes, at: list[int], breaks_off: int | None
) -> None:
    pieces = sliced(whole[:breaks_off], at)

    async def both() -> tuple[Relayed, Relayed]:
        ours = await relayed(Http1Upstream(SystemClock(), LOOPBACK), pieces)
        return ours, await relayed(HttpxUpstream(SystemClock(), LOOPBACK), pieces)

    ours, theirs = asyncio.run(both())
    assert ours == theirs
