"""What a provider may answer, as bytes: wrong, in two ways, without an end, or far too much."""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

from tests.hostile.planted_answers import ANSWERS as PLANTED
from tests.hostile.planted_answers import quoting
from tests.hostile.provider import CLOSING, PLAIN, Answer, Provider
from tests.hostile.raw import chunked

MEBIBYTE = 1 << 20
DEEP = 100_000
START = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GZIP = b"Content-Encoding: gzip"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST_EVENT = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m1"}}\n\n'
LAST_EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def headed(*headers: bytes, body: bytes = b"{}") -> bytes:
    """Return an answer of that body and its length, with these headers more."""
    lines = (*headers, b"Content-Length: %d" % len(body))
    return START + b"\r\n".join([*lines, b"", body])


def framed(*headers: bytes, body: bytes = b"{}") -> bytes:
    """Return an answer whose framing is among the headers."""
    return START + b"\r\n".join([*headers, b"", body])


UNREACHABLE: Mapping[bytes, bytes] = {
    b"a bare carriage return": headed(b"X-A: a\rX-B: b"),
    b"a bare line feed": headed(b"X-A: a\nX-B: b"),
    b"a zero byte": headed(b"X-A: a\0b"),
    b"a control character": headed(b"X-A: a\x01b"),
    b"an escape": headed(b"X-A: \x1b[31m"),
    b"a folded header": headed(b"X-A: a\r\n b"),
    b"a blank in a name": headed(b"X A: a"),
    b"a bracket in a name": headed(b"X(A: a"),
    b"a name beyond ASCII": headed(b"X\xff: a"),
    b"a length and chunks": framed(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
    b"two lengths": headed(b"Content-Length: 5"),
    b"a negative length": framed(b"Content-Length: -1"),
    b"another coding": framed(b"Transfer-Encoding: xchunked"),
    b"a coding before chunked": framed(b"Transfer-Encoding: gzip, chunked", body=chunked(b"{}")),
    b"a switch of protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n"
    b"Connection: Upgrade\r\n\r\n" + PLAIN,
    b"announcements without an end": b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" * 20_000 + PLAIN,
    b"status 99": b"HTTP/1.1 99 X\r\nContent-Length: 2\r\n\r\n{}",
    b"status 600": b"HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\n{}",
    b"status 999": b"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}",
    b"status 1000": b"HTTP/1.1 1000 X\r\nContent-Length: 2\r\n\r\n{}",
    b"a header of a megabyte": headed(b"X-A: " + b"a" * MEBIBYTE),
    b"HTTP/0.9": b"{}",
    b"noise": bytes(range(256)) * 4,
    b"nothing": b"",
}
"""Not HTTP/1.1, or not to be passed on: the client gets 502, the record is failed."""

CUT: Mapping[bytes, bytes] = {
    b"a length too long": framed(b"Content-Length: 200"),
    b"a chunk without a size": framed(
        b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\nzz\r\nhidden\r\n0\r\n\r\n"
    ),
    b"a chunk past all numbers": framed(
        b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n" + b"f" * 17 + b"\r\nhidden"
    ),
    b"chunks without an end": framed(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n"),
}
"""Broken within the body: what came is passed on, and stays a cut."""

RELAYED: Mapping[bytes, tuple[bytes, bytes]] = {
    b"a length too short": (framed(b"Content-Length: 1"), b"{"),
    b"two answers": (PLAIN + headed(body=b"[]"), b"{}"),
    b"announcements": (b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" * 3 + PLAIN, b"{}"),
    b"no length": (START + b"\r\n{}", b"{}"),
    b"HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\n{}", b"{}"),
    b"headers of the connection": (
        headed(b"Connection: X-Hidden", b"X-Hidden: a", b"Keep-Alive: a", b"Upgrade: a"),
        b"{}",
    ),
    b"headers of the gateway": (
        headed(b"X-AI-Gateway-Error: forged", b"X-AI-Gateway-Interception-Id: forged"),
        b"{}",
    ),
    b"cookies": (headed(b"Set-Cookie: a=b", b"Alt-Svc: a"), b"{}"),
    b"bytes beyond ASCII": (headed(b"Request-Id: " + b"\xff" * 3000), b"{}"),
    b"many headers": (headed(*(b"X-%d: a" % number for number in range(2000))), b"{}"),
    b"a type of many words": (
        b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n" % (b"text/event-stream;" * 1000)
        + b"Content-Length: 2\r\n\r\n{}",
        b"{}",
    ),
    b"a redirect inside": (
        b"HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 2\r\n\r\n{}",
        b"{}",
    ),
    b"a long wait": (
        b"HTTP/1.1 429 X\r\nRetry-After: %b\r\nContent-Length: 2\r\n\r\n{}" % (b"9" * 5000),
        b"{}",
    ),
}
"""Unusual and clear: answer and the body that the client gets of it."""


@final
@dataclass(frozen=True, slots=True)
class Vast:
    """An answer of many pieces. ``deaf``: why the scribe stops listening, if it does."""

    head: bytes
    pieces: Iterable[bytes]
    deaf: str | None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def document(body: bytes, *headers: bytes, deaf: str | None) -> Vast:
    lines = (*headers, b"Content-Length: %d" % len(body))
    return Vast(START + b"\r\n".join([*lines, b"", b""]), [body], deaf)


def stream(*pieces: bytes, deaf: str | None) -> Vast:
    return Vast(STREAM, [FIRST_EVENT, *pieces, LAST_EVENT], deaf)


def deep(pattern: bytes) -> bytes:
    """Return JSON of 100,000 levels; ``%b`` in the pattern is where the next one lies."""
    before, _, after = pattern.partition(b"%b")
    return before * DEEP + b"1" + after * DEEP


def wide() -> bytes:
    return json.dumps({f"member {number}": number for number in range(200_000)}).encode()


ODD = (
    b'{"id":"\xff\xfe","id":"m2","model":"\\ud800","type":"message","content":[],"usage":'
    b'{"input_tokens":' + b"9" * 20_000 + b',"output_tokens":-1e400}}'
)


def bomb(times: int) -> Vast:
    """Return 48 MiB of nothing, packed so often."""
    body = bytes(48 * MEBIBYTE)
    for _ in range(times):
        body = gzip.compress(body, 9, mtime=0)
    coding = b"Content-Encoding: " + b", ".join([b"gzip"] * times)
    return document(body, coding, deaf="decoded_too_large")


def large() -> Vast:
    size = b"Content-Length: %d\r\n\r\n" % (72 * MEBIBYTE)
    return Vast(START + size, [bytes(MEBIBYTE)] * 72, "frame_too_large")


VAST: Mapping[bytes, Callable[[], Vast]] = {
    b"deep lists": lambda: document(deep(b"[%b]"), deaf="too_deep"),
    b"deep objects": lambda: document(deep(b'{"a":%b}'), deaf="too_deep"),
    b"a wide object": lambda: document(wide(), deaf=None),
    b"odd texts and numbers": lambda: document(ODD, deaf=None),
    b"a bomb": lambda: bomb(1),
    b"a bomb in a bomb": lambda: bomb(2),
    b"no gzip at all": lambda: document(b"{}", GZIP, deaf="broken_encoding"),
    b"an event too deep": lambda: stream(b"data: " + deep(b"[%b]") + b"\n\n", deaf=None),
    b"a line of 8 MiB": lambda: stream(
        b"data: ", *[b"a" * MEBIBYTE] * 8, b"\n\n", deaf="frame_too_large"
    ),
    b"an event of many lines": lambda: stream(*[b"data: a\n" * 65_536] * 16, b"\n", deaf=None),
    b"a stream without a line": lambda: stream(*[b"a" * MEBIBYTE] * 24, deaf="frame_too_large"),
    b"a stream of empty lines": lambda: stream(*[b"\n" * MEBIBYTE] * 2, deaf=None),
    b"a stream of comments": lambda: stream(*[b": a\n\n" * 65_536] * 8, deaf=None),
    b"a body of 72 MiB": large,
}
"""Passed on byte for byte, whatever the scribe makes of it."""

NOT_READ = {b"a bomb", b"a bomb in a bomb", b"no gzip at all", b"a body of 72 MiB"}
"""What no dialect's own reader gets to see."""


def _sending(made: Callable[[], Vast]) -> Answer:
    def answer(_: Provider) -> Iterator[bytes]:
        vast = made()
        yield vast.head
        for piece in vast.pieces:
            yield b"%x\r\n%b\r\n" % (len(piece), piece) if vast.head is STREAM else piece
        if vast.head is STREAM:
            yield b"0\r\n\r\n"

    return answer


def _once(content: bytes) -> Answer:
    return lambda _: [content, CLOSING]


def _quoting(name: bytes) -> Answer:
    def answer(provider: Provider) -> Iterable[bytes]:
        asked = provider.asked[-1]
        (shown,) = asked.values(b"x-api-key") + asked.values(b"authorization")
        return [quoting(shown.decode().removeprefix("Bearer "))[name], CLOSING]

    return answer


def _without_end(_: Provider) -> Iterator[bytes]:
    yield STREAM
    while True:
        yield chunked(FIRST_EVENT * 1000)[:-5]


def _until_released(provider: Provider) -> Iterator[bytes]:
    yield STREAM + chunked(FIRST_EVENT)[:-5]
    provider.released.wait()
    yield chunked(LAST_EVENT)


ANSWERS: Mapping[bytes, Answer] = {
    **{name: _once(content) for name, content in {**UNREACHABLE, **CUT, **PLANTED}.items()},
    **{name: _once(content) for name, (content, _) in RELAYED.items()},
    **{name: _quoting(name) for name in quoting("")},
    **{name: _sending(made) for name, made in VAST.items()},
    b"without end": _without_end,
    b"until released": _until_released,
}
