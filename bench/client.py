"""The client of every measurement: sockets and as little else as possible."""

import selectors
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import final

from bench.traffic import LAST_CHUNK, LAST_EVENT

Address = tuple[str, int]
END = b"\r\n" + LAST_CHUNK
PATIENCE_SECONDS = 30.0
PIECE_BYTES = 1 << 16


class Broken(Exception):
    """What was measured does not work: a figure about it would mean nothing."""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds since the request was sent: the body's first byte, its last event, its end."""

    head: bytes
    body: bytes
    first: float
    event: float
    end: float


@final
class Connection:
    """A kept connection, for one request at a time. Raises ``Broken``."""

    def __init__(self, address: Address) -> None:
        self._socket = connected(address)

    def exchange(self, request: bytes) -> Answer:
        received = bytearray()
        at = first = event = 0.0
        body_at = 0
        began = time.perf_counter()
        self._socket.sendall(request)
        while not received.endswith(END):
            try:
                piece = self._socket.recv(PIECE_BYTES)
            except TimeoutError:
                raise Broken("a response did not come to its end") from None
            at = time.perf_counter() - began
            if not piece:
                raise Broken(f"a response broke off after {len(received)} bytes")
            seen = len(received)
            received += piece
            body_at = body_at or _body_at(received)
            if not first and body_at and len(received) > body_at:
                first = at
            if not event and received.find(LAST_EVENT, max(seen - len(LAST_EVENT), 0)) >= 0:
                event = at
        head, body = bytes(received[:body_at]), unchunked(bytes(received[body_at:]))
        return Answer(head, body, first, event, at)

    def close(self) -> None:
        self._socket.close()


def connected(address: Address) -> socket.socket:
    connection = socket.create_connection(address, timeout=PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _body_at(received: bytearray) -> int:
    """Return where the body begins, or 0 as long as the head is not whole."""
    at = received.find(b"\r\n\r\n")
    if at < 0:
        return 0
    check_status(bytes(received[:at]))
    return at + 4


def check_status(head: bytes) -> None:
    line = head.partition(b"\r\n")[0]
    if line.split(b" ")[1:2] != [b"200"]:
        raise Broken(f"expected status 200, got: {line.decode('latin-1')}")


def unchunked(coded: bytes) -> bytes:
    """Undo the chunked coding. Raises ``Broken``."""
    pieces: list[bytes] = []
    at = 0
    while True:
        line_end = coded.find(b"\r\n", at)
        try:
            size = int(coded[at:line_end], 16)
        except ValueError:
            raise Broken("the chunked coding of a response is broken") from None
        if size == 0:
            return b"".join(pieces)
        pieces.append(coded[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2


def load(address: Address, request: bytes, *, concurrency: int, total: int) -> float:
    """Send ``total`` requests, so many at a time on kept connections; return the seconds it took.

    Raises ``Broken``.
    """
    tails: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as selector, ExitStack() as opened:
        for _ in range(min(concurrency, total)):
            connection = opened.enter_context(connected(address))
            selector.register(connection, selectors.EVENT_READ)
            tails[connection] = b""
        began = time.perf_counter()
        for connection in tails:
            connection.sendall(request)
        sent, done = len(tails), 0
        while done < total:
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                raise Broken(f"{len(tails)} responses did not come to their end")
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if not _has_ended(key.fileobj, tails):
                    continue
                done += 1
                if sent < total:
                    key.fileobj.sendall(request)
                    sent += 1
        return time.perf_counter() - began


def _has_ended(connection: socket.socket, tails: dict[socket.socket, bytes]) -> bool:
    piece = connection.recv(PIECE_BYTES)
    if not piece:
        raise Broken("a response broke off")
    if not tails[connection]:
        check_status(piece)
    tail = (tails[connection] + piece)[-len(END) :]
    ended = tail == END
    tails[connection] = b"" if ended else tail
    return ended
