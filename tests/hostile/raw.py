"""Requests as bytes, and what comes back, read by a client that trusts nothing."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from tests.e2e.product import KEY

PATIENCE_SECONDS = 20.0
PIECE_BYTES = 64 << 10
BODY = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'
MESSAGES = b"/anthropic/v1/messages"
PLAIN_ANSWER = b"{}"
BODILESS = (100, 204, 304)
STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*")


@final
@dataclass(frozen=True, slots=True)
class Heard:
    """One response. ``whole``: its body came to its end."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool

    def values(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given == name]

    @property
    def code(self) -> str | None:
        """Return the code of the gateway's own errors."""
        return next(iter(self.values("x-ai-gateway-error")), None)

    @property
    def record(self) -> str | None:
        found = self.values("x-ai-gateway-interception-id")
        assert len(found) <= 1
        return found[0] if found else None


def posted(*headers: bytes, path: bytes = MESSAGES, body: bytes = BODY) -> bytes:
    """Return a whole request, whose connection ends with its answer."""
    return request(b"POST", path, b"Content-Length: %d" % len(body), *headers, body=body)


def request(method: bytes, path: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request of the admin with nothing but these headers more."""
    lines = [b"%b %b HTTP/1.1" % (method, path), b"Host: x", b"Connection: close"]
    lines += [b"Authorization: Bearer " + KEY.encode(), *headers]
    return b"\r\n".join([*lines, b"", body])


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def sent(port: int, content: bytes) -> list[Heard]:
    """Send bytes, and return the responses that come before the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        return read_all(client, content)


def read_until(client: socket.socket, mark: bytes) -> bytes:
    """Return what comes, up to the piece that completes the mark."""
    heard = b""
    while mark not in heard:
        piece = client.recv(PIECE_BYTES)
        assert piece, heard[:500]
        heard += piece
    return heard


def read_all(client: socket.socket, content: bytes = b"", heard: bytes = b"") -> list[Heard]:
    """Send, and read to the end of the connection; ``heard`` came before."""
    pieces = [heard]
    try:
        client.sendall(content)
        while piece := client.recv(PIECE_BYTES):
            pieces.append(piece)
    except ConnectionError:
        pass
    return list(responses(b"".join(pieces)))


def responses(heard: bytes) -> Iterator[Heard]:
    """Split what came into responses; bytes that are none fail the test."""
    at = 0
    while at < len(heard):
        end = heard.find(b"\r\n\r\n", at)
        assert end > 0, f"no head: {heard[at : at + 200]!r}"
        first, *lines = heard[at:end].split(b"\r\n")
        status = STATUS.fullmatch(first)
        assert status is not None, first[:200]
        pairs = [line.decode("latin-1").partition(": ") for line in lines]
        assert all(colon and name == name.strip() for name, colon, _ in pairs), lines
        headers = tuple((name.lower(), value) for name, _, value in pairs)
        if int(status[1]) in BODILESS:
            body, at, whole = b"", end + 4, True
        elif "transfer-encoding" in dict(headers):
            body, at, whole = _chunks(heard, end + 4)
        else:
            size = int(dict(headers)["content-length"])
            at = end + 4 + size
            body, whole = heard[end + 4 : at], len(heard) >= at
        yield Heard(int(status[1]), headers, body, whole)


def _chunks(heard: bytes, at: int) -> tuple[bytes, int, bool]:
    """Return a body in chunks, where it ends, and whether it does."""
    pieces: list[bytes] = []
    while (line := heard.find(b"\r\n", at)) >= 0:
        size = int(heard[at:line], 16)
        at = line + 2 + size + 2
        if at > len(heard):
            break
        if not size:
            return b"".join(pieces), at, True
        pieces.append(heard[line + 2 : at - 2])
    return b"".join(pieces), len(heard), False
