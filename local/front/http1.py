"""HTTP/1.1 as a server reads and writes it, on asyncio's streams. No TLS, no upgrade."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import final

HEAD_LIMIT_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
"""A chunk up to this size is handed on whole, a larger one in parts of this size."""

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What a header's name or a method may be made of (RFC 9110 section 5.6.2)."""

SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
LENGTH = re.compile(r"[0-9]{1,18}")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class BadMessage(Exception):
    """What came is no HTTP/1.1 message, or its head is too large."""


class Broken(Exception):
    """The other end went away before its message was whole."""


@final
@dataclass(frozen=True, slots=True)
class Request:
    """A request's head; header names in lower case, bytes as latin-1."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def value(self, name: str) -> str | None:
        """The header's values joined by commas, ``None`` when there is none (RFC 9110 5.3)."""
        values = [value for given, value in self.headers if given == name]
        return ",".join(values) if values else None

    def keeps_alive(self) -> bool:
        return "close" not in (self.value("connection") or "").lower()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request's head, ``None`` when the client is done with the connection.

    Raises ``BadMessage`` or ``Broken``.
    """
    try:
        block = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise Broken from end
        return None
    except asyncio.LimitOverrunError as over:
        raise BadMessage("the head is too large") from over
    except ConnectionError:
        return None
    first, *lines = block[:-4].decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if not TOKEN.fullmatch(method) or not target or version != "HTTP/1.1":
        raise BadMessage("no HTTP/1.1 request line")
    return Request(method, target, tuple(_header(line) for line in lines))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not TOKEN.fullmatch(name):
        raise BadMessage("no header line")
    return name.lower(), value.strip(" \t")


@final
class Body:
    """A request's body as it comes. ``trailers`` are complete once the pieces have ended.

    Raises ``BadMessage`` when its framing is wrong; ``Broken`` while reading when its end is
    missing.
    """

    def __init__(self, reader: asyncio.StreamReader, request: Request) -> None:
        self._reader = reader
        coding, length = request.value("transfer-encoding"), request.value("content-length")
        self.chunked = coding is not None
        if self.chunked and ((coding or "").lower() != "chunked" or length is not None):
            raise BadMessage("no body that can be read")
        if length is not None and not LENGTH.fullmatch(length):
            raise BadMessage("no content length")
        self.length = int(length or 0)
        self.trailers: dict[str, str] = {}

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            if not self.chunked:
                async for piece in self._parts(self.length):
                    yield piece
                return
            while size := await self._chunk_size():
                async for piece in self._parts(size):
                    yield piece
                if await self._reader.readexactly(2) != b"\r\n":
                    raise BadMessage("a chunk is longer than it said")
            await self._read_trailers()
        except (asyncio.IncompleteReadError, ConnectionError) as end:
            raise Broken from end

    async def whole(self, limit: int) -> bytes | None:
        """Read all of it and return it; ``None`` when it has more than ``limit`` bytes."""
        kept, size = bytearray(), 0
        async for piece in self.pieces():
            size += len(piece)
            if size <= limit:
                kept += piece
        return bytes(kept) if size <= limit else None

    async def _parts(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self._reader.readexactly(min(size, PIECE_BYTES))
            size -= len(piece)
            yield piece

    async def _chunk_size(self) -> int:
        size = (await self._line()).partition(b";")[0].strip()
        if not SIZE.fullmatch(size):
            raise BadMessage("no chunk size")
        return int(size, 16)

    async def _read_trailers(self) -> None:
        while line := await self._line():
            name, value = _header(line.decode("latin-1"))
            self.trailers[name] = value

    async def _line(self) -> bytes:
        try:
            return (await self._reader.readuntil(b"\r\n"))[:-2]
        except asyncio.LimitOverrunError as over:
            raise BadMessage("a line is too long") from over


def response_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return b"\r\n".join(_encoded(line) for line in lines) + b"\r\n\r\n"


def plain_response(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """A response in one piece, with its length and date."""
    framing = (("Date", date()), ("Content-Length", str(len(body))))
    return response_head(status, (*framing, *headers)) + body


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def date() -> str:
    return formatdate(usegmt=True)


def _encoded(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()


@final
class Listener:
    """A socket and the connections it accepted; ``stop`` breaks off those that still live."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, listening: socket.socket | None = None) -> int:
        """Listen on a bound socket, or on a free port of loopback; return the port."""
        bound = listening or socket.create_server(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        self._server = await asyncio.start_server(
            self._connected, sock=bound, limit=HEAD_LIMIT_BYTES
        )
        return port

    async def finished(self) -> None:
        """Wait until every connection has ended."""
        if self._connections:
            await asyncio.wait(self._connections)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await self.finished()
        if self._server is not None:
            await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._run(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, Broken, BadMessage):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
