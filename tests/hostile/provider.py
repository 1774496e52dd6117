"""A provider that answers with any bytes, and holds each request to the letter of HTTP/1.1."""

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

Answer = Callable[["Provider"], Iterable[bytes]]
WANTED = b"x-answer"
CLOSING = b""
"""The last piece of an answer behind which the connection ends."""

FIRST = re.compile(rb"(?:GET|POST|DELETE) (/[!-~]*) HTTP/1\.1")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([!-~\x80-\xff \t]*)")
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """One request, complete and well formed; header names in lower case."""

    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for given, value in self.headers if given == name]


@final
class Provider:
    """``asked`` are the requests; ``faults`` what came and was no request, or a bad one.

    ``sent_bytes``: how much of its answers the gateway took so far. ``released``: answers that
    wait may go on.
    """

    def __init__(self, answers: Mapping[bytes, Answer]) -> None:
        self.asked: list[Asked] = []
        self.faults: list[str] = []
        self.sent_bytes = 0
        self.released = threading.Event()
        self._answers = answers
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def reset(self) -> None:
        self.asked.clear()
        self.faults.clear()
        self.sent_bytes = 0

    def close(self) -> None:
        self.released.set()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while (asked := self._read(stream)) is not None:
                    for piece in self._answer(asked):
                        if piece is CLOSING:
                            return
                        connection.sendall(piece)
                        self.sent_bytes += len(piece)
            except OSError:
                pass  # the gateway went away
            except ValueError as fault:
                self.faults.append(str(fault))

    def _answer(self, asked: Asked) -> Iterable[bytes]:
        wanted = next(iter(asked.values(WANTED)), None)
        return [PLAIN] if wanted is None else self._answers[wanted](self)

    def _read(self, stream: Iterable[bytes]) -> Asked | None:
        """Read one request. Raises ``ValueError`` where it is not plain as day."""
        lines = list(_lines(stream))
        if not lines:
            return None
        first = FIRST.fullmatch(lines[0])
        fields = [FIELD.fullmatch(line) for line in lines[1:]]
        if first is None or not all(fields):
            raise ValueError(f"no request: {lines[:3]!r}")
        headers = tuple((found[1].lower(), found[2]) for found in fields if found is not None)
        names = [name for name, _ in headers]
        once = all(names.count(name) <= 1 for name in (b"host", b"content-length"))
        if not once or b"host" not in names or b"transfer-encoding" in names:
            raise ValueError(f"framed in two ways: {headers!r}")
        size = int(dict(headers).get(b"content-length", b"0"))
        body = stream.read(size)  # type: ignore[attr-defined]  # a buffered reader
        if len(body) < size:
            return None
        asked = Asked(first[1], headers, body)
        self.asked.append(asked)
        return asked


def _lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    for line in stream:
        if line == b"\r\n":
            return
        if not line.endswith(b"\r\n"):
            raise ValueError(f"a line that ends in another way: {line[-80:]!r}")
        yield line[:-2]


@contextmanager
def providing(answers: Mapping[bytes, Answer]) -> Iterator[Provider]:
    provider = Provider(answers)
    try:
        yield provider
    finally:
        provider.close()
