"""The door of httpx against a peer on loopback that shows what arrived."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import final

import pytest

from aigateway.clock import SystemClock
from aigateway.errors import RecorderUnavailable, UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from aigateway.pool.providers import BaseUrl, Provider
from aigateway.relay.upstream import HttpxUpstream, UpstreamRequest

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 2\r\n\r\nhi"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@final
class MovingClock:
    """A wall clock that moves when it is told to."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@asynccontextmanager
async def peer(script: Script) -> AsyncIterator[Provider]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Provider("p", "anthropic", BaseUrl("http", "127.0.0.1", port, ""), (), enabled=True)
    finally:
        server.close()
        await server.wait_closed()


def a_request(provider: Provider, body: bytes = b'{"a":1}') -> UpstreamRequest:
    headers = ((b"X-Case", b"Kept"), (b"b", b"2"), (b"B", b"3"))
    return UpstreamRequest(provider, "POST", b"/v1/../x%2Fy?q=%20", headers, body, None, 5.0, 5.0)


async def read_request(reader: asyncio.StreamReader, length: int) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(length)


async def test_i02_target_headers_and_body_arrive_as_they_were() -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader, 7))
        writer.write(OK)
        await writer.drain()

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        answer = await upstream.send(a_request(provider))
        assert [c async for c in answer.chunks] == [b"hi"]
        await upstream.aclose()
        host = provider.base_url.host_header
    assert seen == [
        b"POST /v1/../x%2Fy?q=%20 HTTP/1.1\r\nHost: " + host + b"\r\nX-Case: Kept\r\nb: 2\r\n"
        b'B: 3\r\nContent-Length: 7\r\n\r\n{"a":1}'
    ]
    assert answer.head.status == 200
    assert [v for n, v in answer.head.headers if n.lower() == b"x-twice"] == [b"1", b"2"]


async def test_i06_the_last_byte_is_held_until_the_record_is_durable() -> None:
    arrived, over = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, 6)
        arrived.set()
        assert await reader.readexactly(1) == b"}"
        over.set()
        writer.write(OK)
        await writer.drain()

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        durable = asyncio.get_running_loop().create_future()
        request = replace(a_request(provider), released=durable)
        sending = asyncio.create_task(upstream.send(request))
        await arrived.wait()
        assert not over.is_set()
        durable.set_result(None)
        answer = await sending
        assert [c async for c in answer.chunks] == [b"hi"]
        await upstream.aclose()


async def test_i06_a_failed_opening_closes_the_connection_without_the_last_byte() -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.set_result(await reader.read())

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        durable = asyncio.get_running_loop().create_future()
        durable.set_exception(RecorderUnavailable("down"))
        with pytest.raises(RecorderUnavailable):
            await upstream.send(replace(a_request(provider), released=durable))
        assert await got == b'{"a":1'
        await upstream.aclose()


async def test_a_body_that_breaks_off_is_a_cut_after_what_came() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, 7)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await writer.drain()

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        answer = await upstream.send(a_request(provider))
        assert await anext(answer.chunks) == b"abc"
        with pytest.raises(UpstreamCut):
            await anext(answer.chunks)
        await upstream.aclose()


async def test_a_provider_that_hangs_up_before_its_head_is_unreachable() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, 7)

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(a_request(provider))
        await upstream.aclose()


async def test_a_provider_that_says_nothing_in_time_is_a_timeout() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, 7)
        await reader.read()

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        with pytest.raises(UpstreamTimeout):
            await upstream.send(replace(a_request(provider), first_byte_seconds=0.05))
        await upstream.aclose()


async def test_redirects_are_not_followed() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, 7)
        writer.write(b"HTTP/1.1 307 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        answer = await upstream.send(a_request(provider))
        assert answer.head.status == 307
        await answer.aclose()
        await upstream.aclose()


async def test_connections_are_kept_but_not_after_a_long_silence() -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            try:
                await read_request(reader, 7)
            except asyncio.IncompleteReadError:
                return
            writer.write(OK)
            await writer.drain()

    clock = MovingClock()
    async with peer(script) as provider:
        upstream = HttpxUpstream(clock, LOOPBACK)
        counts = []
        for seconds in (0, 49, 51):
            clock.at += timedelta(seconds=seconds)
            answer = await upstream.send(a_request(provider))
            assert [c async for c in answer.chunks] == [b"hi"]
            counts.append(connections)
        assert counts == [1, 1, 2]
        await upstream.aclose()


async def test_a_private_address_is_not_dialled() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("dialled")

    async with peer(script) as provider:
        upstream = HttpxUpstream(SystemClock(), ())
        with pytest.raises(UpstreamUnreachable, match="no allowed address"):
            await upstream.send(a_request(provider))


async def test_a_name_is_resolved_checked_and_dialled_with_its_own_host_header() -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader, 7))
        writer.write(OK)
        await writer.drain()

    async with peer(script) as provider:
        named = replace(provider, base_url=replace(provider.base_url, host="localhost"))
        upstream = HttpxUpstream(SystemClock(), LOOPBACK)
        answer = await upstream.send(a_request(named))
        await answer.aclose()
        await upstream.aclose()
    assert b"\r\nHost: localhost:" in seen[0]
