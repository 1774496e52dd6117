"""The little of HTTP/1.1 that the Runtime API needs: an answer read, a chunk written."""

import asyncio
from dataclasses import dataclass
from typing import final


class NotHttp(Exception):
    """The peer does not speak HTTP/1.1."""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def keeps_open(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


def chunk(piece: bytes) -> bytes:
    """Return a piece of a body as one chunk (RFC 9112 7.1); an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer. Raises ``NotHttp``, ``EOFError`` when it is cut, and ``OSError``."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        status = int(first.split(" ")[1])
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.LimitOverrunError, IndexError, ValueError) as fault:
        raise NotHttp("expected an HTTP/1.1 answer") from fault
    return Answer(status, headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    pieces: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return b"".join(pieces)
