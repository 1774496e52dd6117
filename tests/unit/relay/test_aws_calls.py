"""A service of AWS asked over connections of our own: what is kept, what is given up, and when."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext

import pytest

from aigateway.errors import ServiceRefused, ServiceSilent
from aigateway.relay.aws_calls import (
    ANSWER_LIMIT,
    CONNECT_SECONDS,
    MOST_AT_ONCE,
    READ_SECONDS,
    OwnAwsCalls,
)
from aigateway.relay.aws_links import ANYWHERE
from aigateway.relay.aws_places import AwsPlace
from aigateway.relay.connections import Connections
from aigateway.relay.dialling import Dialling
from aigateway.relay.upstream import STALE_SECONDS
from aigateway.wire.aws_json import AwsService
from aigateway.wire.sigv4 import AwsCredentials
from tests.certificates import an_authority
from tests.clocks import HeldClock
from tests.peers import Script, peer, reset

SERVICE = AwsService("dynamodb", "DynamoDB_20120810", "1.0")
KEYS = AwsCredentials("AKID", "secret")


async def request_in(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def answer(document: object, status: int = 200) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\nx-amzn-RequestId: R1\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Asked:
    """A scripted service. ``seen``: requests of each connection that was made."""

    def __init__(self, *scripts: Script) -> None:
        self.seen: list[list[bytes]] = []
        self._scripts = scripts

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.seen)
        self.seen.append([])
        if number < len(self._scripts):
            await self._scripts[number](reader, writer)
            return
        while True:
            self.seen[number].append(await request_in(reader))
            writer.write(answer({"Said": number}))


def hangs_up_after(end: Callable[[asyncio.StreamWriter], None], said: bytes) -> Script:
    """Answer one request, then end the connection instead of a second answer."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_in(reader)
        writer.write(said)
        await writer.drain()
        await request_in(reader)
        end(writer)

    return script


def saying(said: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_in(reader)
        writer.write(said)
        await writer.drain()
        await reader.read()

    return script


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@asynccontextmanager
async def calling(
    asked: Asked,
    clock: HeldClock | None = None,
    read_seconds: float = READ_SECONDS,
    tls: SSLContext | None = None,
) -> AsyncIterator[tuple[OwnAwsCalls, Connections]]:
    clock = clock or HeldClock()
    connections = Connections(clock, Dialling(clock, ANYWHERE), CONNECT_SECONDS)
    async with peer(asked.serve, tls, "localhost") as served:
        place = AwsPlace(served.base_url, "us-east-1")
        try:
            calls = OwnAwsCalls(SERVICE, place, lambda: KEYS, connections, clock, read_seconds)
            yield calls, connections
        finally:
            await connections.aclose()


async def test_operations_follow_one_another_over_one_connection() -> None:
    asked = Asked()
    async with calling(asked) as (calls, _):
        for _ in range(3):
            assert await calls.call("GetItem", {"TableName": "t"}) == {"Said": 0}
    (requests,) = asked.seen
    assert len(requests) == 3
    assert all(b'{"TableName":"t"}' in each for each in requests)


async def test_a_refusal_leaves_the_connection_as_good_as_it_was() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_in(reader)
        writer.write(answer({"__type": "x#ValidationException"}, 400))
        await request_in(reader)
        writer.write(answer({"Said": "again"}))

    asked = Asked(script)
    async with calling(asked) as (calls, _):
        with pytest.raises(ServiceRefused):
            await calls.call("GetItem", {})
        assert await calls.call("GetItem", {}) == {"Said": "again"}
    assert len(asked.seen) == 1


@pytest.mark.parametrize("end", [asyncio.StreamWriter.close, reset])
async def test_an_operation_whose_answer_is_lost_is_not_sent_again(
    end: Callable[[asyncio.StreamWriter], None],
) -> None:
    """What may be repeated is for those to know who ask. What they ask next connects anew."""
    asked = Asked(hangs_up_after(end, answer({"Said": 0})))
    async with calling(asked) as (calls, _):
        await calls.call("GetItem", {})
        with pytest.raises(ServiceSilent, match="did not answer"):
            await calls.call("PutItem", {})
        assert len(asked.seen) == 1
        assert await calls.call("PutItem", {}) == {"Said": 1}


async def test_where_one_kept_connection_was_dead_the_others_are_not_tried() -> None:
    both = asyncio.Barrier(2)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_in(reader)
        await both.wait()
        writer.write(answer({"Said": "first"}))
        await request_in(reader)
        reset(writer)

    asked = Asked(script, script)
    async with calling(asked) as (calls, _):
        await asyncio.gather(calls.call("GetItem", {}), calls.call("GetItem", {}))
        with pytest.raises(ServiceSilent):
            await calls.call("GetItem", {})
        assert await calls.call("GetItem", {}) == {"Said": 2}


@pytest.fixture
def server_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SSLContext:
    """A service's side of TLS, whose authority this process believes."""
    made = an_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made.server("localhost")


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
async def test_a_connection_that_ended_while_the_process_was_frozen_is_not_used(
    server_tls: SSLContext, *, encrypted: bool
) -> None:
    """The loop has not run since the peer's end came: only the socket knows of it."""
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_in(reader)
        writer.write(answer({"Said": "first"}))
        await request_in(reader)
        writer.write(answer({"Said": "second"}))
        await ended.wait()

    asked = Asked(script)
    async with calling(asked, tls=server_tls if encrypted else None) as (calls, connections):
        await calls.call("GetItem", {})
        assert await calls.call("GetItem", {}) == {"Said": "second"}
        (connection,) = connections._all
        transport = connection._transport
        transport.pause_reading()  # as long as this lasts the loop does not look
        ended.set()
        async with asyncio.timeout(5):
            while not connection.has_ended:  # noqa: ASYNC110 - the end comes by the network
                await asyncio.sleep(0)
        assert not connection.is_closing
        assert await calls.call("GetItem", {}) == {"Said": 1}


async def test_a_service_whose_certificate_nobody_vouches_for_is_asked_nothing(
    server_tls: SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    asked = Asked()
    async with calling(asked, tls=server_tls) as (calls, _):
        with pytest.raises(ServiceSilent, match="did not answer"):
            await calls.call("GetItem", {})
    assert not any(asked.seen)


@pytest.mark.parametrize(("seconds", "connection"), [(STALE_SECONDS, 0), (STALE_SECONDS + 1, 1)])
async def test_a_connection_from_before_a_long_freeze_is_not_trusted(
    seconds: float, connection: int
) -> None:
    asked, clock = Asked(), HeldClock()
    async with calling(asked, clock) as (calls, _):
        await calls.call("GetItem", {})
        clock.advance(seconds)
        assert await calls.call("GetItem", {}) == {"Said": connection}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ],
    ids=["no head", "part of a body", "no last chunk"],
)
async def test_a_service_that_falls_silent_is_given_up(said: bytes) -> None:
    async with calling(Asked(saying(said)), read_seconds=0.05) as (calls, connections):
        with pytest.raises(ServiceSilent, match="did not answer"):
            await calls.call("GetItem", {})
        assert not any(connections._kept.values())
        assert await calls.call("GetItem", {}) == {"Said": 1}


async def test_an_answer_may_come_in_chunks() -> None:
    head = b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 1\r\ntransfer-encoding: chunked\r\n\r\n"
    said = head + b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'
    async with calling(Asked(saying(said))) as (calls, _):
        assert await calls.call("GetItem", {}) == {"a": 1}


async def test_an_answer_that_is_damaged_is_none() -> None:
    said = answer({"Said": 0}).replace(b"Said", b"Sald")
    async with calling(Asked(saying(said))) as (calls, _):
        with pytest.raises(ServiceSilent, match="damaged"):
            await calls.call("GetItem", {})


async def test_an_answer_that_is_longer_than_any_is_cut_off() -> None:
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_in(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(ANSWER_LIMIT // len(piece) + 2):
            writer.write(piece)
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with calling(Asked(script)) as (calls, connections):
        with pytest.raises(ServiceSilent, match="longer than any"):
            await calls.call("GetItem", {})
        assert not any(connections._kept.values())


async def test_a_service_that_cannot_be_connected_to_does_not_answer() -> None:
    async with calling(Asked()) as (calls, connections):
        place = AwsPlace(calls._place.url.__class__("http", "127.0.0.1", 9, ""), "us-east-1")
        closed = OwnAwsCalls(SERVICE, place, lambda: KEYS, connections, HeldClock())
        with pytest.raises(ServiceSilent, match="did not answer"):
            await closed.call("GetItem", {})


async def test_addresses_that_cannot_be_connected_to_are_resolved_anew() -> None:
    """A service is behind other addresses every few seconds."""
    addresses = [("127.0.0.2",), ("127.0.0.1",)]

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return addresses.pop(0)

    clock = HeldClock()
    connections = Connections(clock, Dialling(clock, ANYWHERE, resolve), CONNECT_SECONDS)
    async with peer(Asked().serve, host="table.example.com") as served:
        place = AwsPlace(served.base_url, "us-east-1")
        calls = OwnAwsCalls(SERVICE, place, lambda: KEYS, connections, clock)
        with pytest.raises(ServiceSilent):
            await calls.call("GetItem", {})
        assert await calls.call("GetItem", {}) == {"Said": 0}
        await connections.aclose()


async def test_keys_are_looked_up_with_each_operation_and_may_be_gone() -> None:
    asked = Asked()
    held: list[AwsCredentials | None] = [KEYS, AwsCredentials("NEWER", "other"), None]
    async with calling(asked) as (calls, connections):
        renewing = OwnAwsCalls(SERVICE, calls._place, lambda: held.pop(0), connections, HeldClock())
        await renewing.call("GetItem", {})
        await renewing.call("GetItem", {})
        with pytest.raises(ServiceSilent, match="no AWS credentials"):
            await renewing.call("GetItem", {})
    first, second = asked.seen[0]
    assert b"Credential=AKID/" in first
    assert b"Credential=NEWER/" in second


async def test_only_so_many_operations_are_under_way_at_once() -> None:
    arrived, released = asyncio.Semaphore(0), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_in(reader)
            arrived.release()
            await released.wait()
            writer.write(answer({}))

    asked = Asked(*[script] * (2 * MOST_AT_ONCE))
    async with calling(asked) as (calls, _):
        under_way = [
            asyncio.create_task(calls.call("GetItem", {})) for _ in range(MOST_AT_ONCE + 5)
        ]
        for _ in range(MOST_AT_ONCE):
            await arrived.acquire()
        assert len(asked.seen) == MOST_AT_ONCE
        released.set()
        assert await asyncio.gather(*under_way) == [{}] * (MOST_AT_ONCE + 5)
    assert len(asked.seen) == MOST_AT_ONCE


async def test_a_call_that_is_cancelled_leaves_no_connection_and_no_turn_behind() -> None:
    asked = Asked(*[silence] * MOST_AT_ONCE)
    async with calling(asked) as (calls, connections):
        waiting = [asyncio.create_task(calls.call("GetItem", {})) for _ in range(MOST_AT_ONCE)]
        async with asyncio.timeout(5):
            while len(asked.seen) < MOST_AT_ONCE:  # noqa: ASYNC110 - the other side sees them
                await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not any(connections._kept.values())
        assert await calls.call("GetItem", {}) == {"Said": MOST_AT_ONCE}
