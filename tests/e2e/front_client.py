"""A client that sees every chunk of a response, and when it came."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, final


@final
@dataclass(slots=True)
class Got:
    """One response. ``whole`` is false when it broke off; times are Unix seconds."""

    status: int
    headers: list[tuple[str, str]]
    head_at: float
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    whole: bool = False
    ended_at: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON of any shape
        return json.loads(self.body)

    def values(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given == name]


@final
class Client:
    """One kept-alive connection to a front on loopback."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def send(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        chunked: int = 0,
    ) -> None:
        """Send a request; ``chunked``: in chunks of that size."""
        length = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
        lines = [f"{method} {target} HTTP/1.1", "Host: front"]
        lines += [f"{name}: {value}" for name, value in (*headers, length)]
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if chunked:
            parts = [body[at : at + chunked] for at in range(0, len(body), chunked)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        self._writer.write(body)
        await self._writer.drain()

    async def write(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def head(self) -> Got:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n"))[:-4].decode().split("\r\n")
        pairs = [line.partition(":")[::2] for line in lines]
        headers = [(name.lower(), value.strip()) for name, value in pairs]
        return Got(int(first.split()[1]), headers, time.time())

    async def piece(self, got: Got) -> bytes:
        """Read one chunk, empty at the end of the body."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        piece = (await self._reader.readexactly(size + 2))[:-2]
        if piece:
            got.pieces.append((time.time(), piece))
        return piece

    async def rest(self, got: Got, method: str = "GET") -> Got:
        """Read to the end of the response, or to where it breaks off."""
        try:
            if got.values("transfer-encoding"):
                while await self.piece(got):
                    pass
            elif method != "HEAD":
                size = int((got.values("content-length") or ["0"])[0])
                got.pieces.append((time.time(), await self._reader.readexactly(size)))
            got.whole = True
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        got.ended_at = time.time()
        return got

    async def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        chunked: int = 0,
    ) -> Got:
        await self.send(method, target, headers, body, chunked=chunked)
        return await self.rest(await self.head(), method)


async def ask(
    port: int,
    target: str,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> Got:
    """Send one request over a connection of its own."""
    async with Client(port) as client:
        return await client.ask(method, target, headers, body)
