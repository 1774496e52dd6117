"""A provider on loopback that does what a test scripts, and sees what arrives."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

from aigateway.pool.base_url import BaseUrl
from aigateway.pool.providers import Provider
from aigateway.relay.upstream import Answer, UpstreamRequest

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 2\r\n\r\nhi"
BODY = b'{"a":1}'
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(
    script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Provider]:
    """Run ``script`` for each connection; what it is in the midst of at the end is cancelled."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await script(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the test is over with it
        finally:
            writer.close()
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    url = BaseUrl("https" if tls else "http", host, server.sockets[0].getsockname()[1], "")
    try:
        yield Provider("p", "anthropic", url, (), enabled=True)
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


def answering(*answers: bytes, length: int = len(BODY)) -> Script:
    """Answer one request after another over a connection, then hang up."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader, length)
            writer.write(answer)
            await writer.drain()

    return script


async def read_request(reader: asyncio.StreamReader, length: int = len(BODY)) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(length)


def a_request(
    provider: Provider,
    body: bytes = BODY,
    method: str = "POST",
    released: Awaitable[object] | None = None,
) -> UpstreamRequest:
    headers = ((b"X-Case", b"Kept"), (b"b", b"2"), (b"B", b"3"))
    target = b"/v1/../x%2Fy?q=%20"
    return UpstreamRequest(provider, method, target, headers, body, released, 5.0, 5.0)


def reset(writer: asyncio.StreamWriter) -> None:
    """Break off with a reset instead of an end."""
    at_once = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    writer.transport.abort()


async def body_of(answer: Answer) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks])
