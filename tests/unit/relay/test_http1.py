"""Bytes into responses and requests into bytes, without a connection."""

import gc
import weakref
from dataclasses import replace

import pytest

from aigateway.errors import UpstreamUnreachable
from aigateway.relay.http1 import FRAMING_LIMIT, Response, head_of
from aigateway.relay.upstream import UpstreamRequest
from tests.unit.relay.stand_ins import PROVIDER

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
REQUEST = UpstreamRequest(PROVIDER, "POST", b"/v1/x", ((b"A", b"1"),), b"{}", None, 1.0, 1.0)


def fed(*pieces: bytes, bodiless: bool = False) -> Response:
    response = Response(bodiless=bodiless)
    for piece in pieces:
        response.feed(memoryview(piece))
    return response


def status_of(response: Response) -> int | None:
    return None if response.head is None else response.head.status


def test_a_response_that_has_ended_lets_another_request_follow() -> None:
    response = fed(COUNTED[:20], COUNTED[20:])
    assert (status_of(response), response.take()) == (200, b"hi")
    assert response.ended
    assert response.persistent


def test_a_response_that_has_ended_needs_no_collector() -> None:
    response = fed(COUNTED)
    left = weakref.ref(response)
    gc.disable()
    try:
        del response
        assert left() is None
    finally:
        gc.enable()


def test_trailers_are_no_headers() -> None:
    response = fed(CHUNKED + b"2\r\nhi\r\n0\r\nX-Trailer: 1\r\n\r\n")
    assert response.head is not None
    assert response.head.headers == ((b"Transfer-Encoding", b"chunked"),)
    assert response.ended


@pytest.mark.parametrize(
    "announced",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\nX: 1\r\n\r\n" * 3,
    ],
)
def test_a_head_that_announces_another_leaves_no_trace(announced: bytes) -> None:
    assert fed(announced).head is None
    assert fed(announced + COUNTED).head == fed(announced, COUNTED).head == fed(COUNTED).head


@pytest.mark.parametrize(
    "bytes_",
    [
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"\x16\x03\x01\x02",
    ],
)
def test_what_is_no_response_is_malformed(bytes_: bytes) -> None:
    response = fed(bytes_)
    assert response.malformed
    assert response.head is None


def test_what_had_come_before_malformed_bytes_stays() -> None:
    response = fed(CHUNKED + b"3\r\nabc\r\nzz\r\n")
    assert (status_of(response), response.take()) == (200, b"abc")
    assert response.malformed
    assert not response.ended


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        (b"", True),
        (b"Content-Length: 9\r\n", False),
        (b"Transfer-Encoding: Chunked\r\n", False),
    ],
)
def test_the_end_of_the_stream_ends_only_what_has_no_other_end(head: bytes, ends: bool) -> None:
    response = fed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
    response.feed_end()
    assert response.ended == ends
    assert not response.persistent


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n",
        b"HTTP/1.1 600 Odd\r\n",
        b"HTTP/1.1 999 Odd\r\n",
    ],
)
def test_a_head_that_no_client_could_be_given_is_malformed(head: bytes) -> None:
    response = fed(head + b"\r\n")
    assert response.malformed
    assert response.head is None


def test_the_end_of_the_stream_ends_nothing_without_a_head() -> None:
    response = fed(b"HTTP/1.1 200 OK\r\nX: 1\r\n")
    response.feed_end()
    assert not response.ended


@pytest.mark.parametrize(
    ("start", "filler"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Filler: %b\r\n" % (b"x" * 1000)),
        (b"HTTP/1.1 200 OK\r\nX-Filler:", b"x" * 1000),
        (CHUNKED + b"1;", b"x" * 1000),
        (CHUNKED + b"0\r\n", b"X-Filler: %b\r\n" % (b"x" * 1000)),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
    ],
)
def test_i12_what_never_comes_to_a_body_is_given_up(start: bytes, filler: bytes) -> None:
    response = fed(start)
    sent = len(start)
    while not response.malformed:
        assert sent <= FRAMING_LIMIT
        response.feed(filler)
        sent += len(filler)
    assert sent > FRAMING_LIMIT


@pytest.mark.parametrize("more", [b"junk", COUNTED, b"\0"])
def test_bytes_behind_the_end_spoil_only_what_would_follow(more: bytes) -> None:
    for response in (fed(COUNTED + more), fed(COUNTED, more)):
        assert response.take() == b"hi"
        assert response.ended
        assert not response.persistent
        assert not response.malformed


def test_an_answer_to_head_ends_with_its_head() -> None:
    response = fed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", bodiless=True)
    assert response.ended
    assert response.persistent
    spoilt = fed(COUNTED, bodiless=True)
    assert (spoilt.unread_bytes, spoilt.persistent) == (0, False)


def test_a_head_is_written_as_it_is() -> None:
    host = b"Host: 127.0.0.1:1\r\n"
    assert head_of(REQUEST) == (
        b"POST /v1/x HTTP/1.1\r\n" + host + b"A: 1\r\nContent-Length: 2\r\n\r\n"
    )
    empty = replace(REQUEST, body=b"")
    assert head_of(empty).endswith(b"A: 1\r\nContent-Length: 0\r\n\r\n")
    bare = replace(empty, method="GET", headers=())
    assert head_of(bare) == b"GET /v1/x HTTP/1.1\r\n" + host + b"\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, headers=((b"A", b"1\r\nB: 2"),)),
        replace(REQUEST, headers=((b"A", b"1\nB: 2"),)),
        replace(REQUEST, headers=((b"A", b"1\r"),)),
        replace(REQUEST, headers=((b"A\r\nB", b"1"),)),
        replace(REQUEST, headers=((b"A", b"1\0"),)),
        replace(REQUEST, headers=((b"A", b"\x1b[31m"),)),
        replace(REQUEST, headers=((b"A", b"\x7f"),)),
        replace(REQUEST, target=b"/\xff"),
        replace(REQUEST, target=b"/x HTTP/1.1\r\nA:"),
        replace(REQUEST, target=b"/x y"),
        replace(REQUEST, target=b""),
        replace(REQUEST, method="GET /\r\n"),
    ],
)
def test_i10_a_head_that_would_say_something_else_is_not_written(
    request_: UpstreamRequest,
) -> None:
    with pytest.raises(UpstreamUnreachable, match="out of place"):
        head_of(request_)
