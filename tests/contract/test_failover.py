"""Failover over every transport: one connection where that is cheap, whole requests only."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import RecorderUnavailable
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.keyring import Keyring
from aigateway.pool.providers import Provider, SecretRef
from aigateway.relay.asides import Asides
from aigateway.relay.failover import Failover
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.relay.httpx_upstream import HttpxUpstream
from aigateway.relay.notices import Notices
from aigateway.relay.upstream import Upstream
from tests.clocks import HeldClock
from tests.peers import BODY, LOOPBACK, OK, a_request, body_of, peer, read_request

LIMITED = b"HTTP/1.1 429 No\r\nRetry-After: 9\r\nContent-Length: 4\r\n\r\nbusy"
CHUNKED = b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n"
ENDLESS = b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n"
CLOSING = b"HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"
CUT = b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nbusy"


@pytest.fixture(params=[Http1Upstream, HttpxUpstream])
async def upstream(request: pytest.FixtureRequest) -> AsyncIterator[Upstream]:
    make: Callable[[Clock, tuple[Network, ...]], Upstream] = request.param
    made = make(HeldClock(), LOOPBACK)
    yield made
    await made.aclose()


class Vault:
    async def key(self, ref: SecretRef) -> str:
        return f"sk-made-up-{ref.key_id}"


async def failover(upstream: Upstream, provider: Provider) -> tuple[Failover, Provider]:
    refs = tuple(SecretRef("main", key_id, "sk-...") for key_id in ("k1", "k2"))
    pooled, clock = replace(provider, credentials=refs), HeldClock()
    notices = Notices(SqliteStore(None), clock, Asides())
    made = Failover(upstream, pooled, Keyring(), Vault(), clock, notices)
    await made.choose()
    return made, pooled


@pytest.mark.parametrize(
    ("refusal", "is_cut", "connections"),
    [
        (LIMITED, False, 1),
        (CHUNKED, False, 1),
        (ENDLESS, False, 2),
        (CLOSING, True, 2),
        (CUT, True, 2),
    ],
    ids=["sized", "chunked", "endless", "closing", "cut"],
)
async def test_a_connection_serves_the_next_key_where_the_refusal_is_over(
    upstream: Upstream, refusal: bytes, *, is_cut: bool, connections: int
) -> None:
    seen: list[list[bytes]] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append([])
        while True:
            try:
                seen[-1].append(await read_request(reader))
            except asyncio.IncompleteReadError:
                return
            is_first = sum(map(len, seen)) == 1
            writer.write(refusal if is_first else OK)
            await writer.drain()
            if is_first and is_cut:
                return

    async with peer(script) as provider:
        made, pooled = await failover(upstream, provider)
        answer = await made.send(replace(a_request(provider), provider=pooled))
        assert (answer.head.status, await body_of(answer)) == (200, b"hi")
    assert len(seen) == connections
    first, second = [request for requests in seen for request in requests]
    assert b"sk-made-up-k1" in first
    assert second == first.replace(b"sk-made-up-k1", b"sk-made-up-k2")


async def test_i06_no_key_goes_with_a_whole_request_before_the_record_is_durable(
    upstream: Upstream,
) -> None:
    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LIMITED)
        await writer.drain()
        most = await reader.readexactly(len(BODY) - 1)
        with suppress(ConnectionError):
            most += await reader.read()
        seen.set_result(most)

    async with peer(script) as provider:
        made, pooled = await failover(upstream, provider)
        durable = asyncio.get_running_loop().create_future()
        request = replace(a_request(provider, released=durable), provider=pooled)
        sending = asyncio.create_task(made.send(request))
        await asyncio.wait({sending}, timeout=0.05)
        assert not sending.done()
        durable.set_exception(RecorderUnavailable("down"))
        with pytest.raises(RecorderUnavailable):
            await sending
        assert await seen == BODY[:-1]
    assert made.keys.tried == 1
