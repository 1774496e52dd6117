"""What only our own transport promises: replacing, keeping, pausing, and leaving nothing open."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from aigateway.errors import RecorderUnavailable, UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.relay.upstream import MOST_KEPT
from tests.clocks import HeldClock
from tests.peers import (
    BODY,
    LOOPBACK,
    OK,
    Script,
    a_request,
    answering,
    body_of,
    peer,
    read_request,
    reset,
)

REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
HANG_UPS: list[Callable[[asyncio.StreamWriter], None]] = [asyncio.StreamWriter.close, reset]


@pytest.fixture
async def upstream() -> AsyncIterator[Http1Upstream]:
    made = Http1Upstream(HeldClock(), LOOPBACK)
    yield made
    await made.aclose()
    assert not kept(made)


def kept(upstream: Http1Upstream) -> int:
    return sum(len(connections) for connections in upstream._connections._kept.values())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what the other side did arrives by the loop
            await asyncio.sleep(0)


def durable() -> "asyncio.Future[None]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def in_turn(*scripts: Script) -> tuple[Script, list[int]]:
    """Script one connection after another; the list grows by one number for each."""
    connections: list[int] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(connections)
        connections.append(number)
        await scripts[min(number, len(scripts) - 1)](reader, writer)

    return script, connections


def dying(hang_up: Callable[[asyncio.StreamWriter], None], after: asyncio.Event) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, len(BODY) - 1)
        hang_up(writer)
        after.set()

    return script


@pytest.mark.parametrize("hang_up", HANG_UPS)
async def test_i11_a_connection_that_dies_in_the_hold_is_replaced_once(
    upstream: Http1Upstream, hang_up: Callable[[asyncio.StreamWriter], None]
) -> None:
    gone = asyncio.Event()
    seen: list[bytes] = []

    async def second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)
        await writer.drain()

    script, connections = in_turn(dying(hang_up, gone), second)
    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(upstream.send(a_request(provider, released=released)))
        await gone.wait()
        (connection,) = upstream._connections._all
        await until(lambda: connection.is_closing)
        released.set_result(None)
        assert await body_of(await sending) == b"hi"
    assert connections == [0, 1]
    assert seen[0].endswith(BODY)


async def test_i11_a_second_connection_that_dies_is_not_replaced(upstream: Http1Upstream) -> None:
    async def second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    script, connections = in_turn(dying(reset, asyncio.Event()), second)
    async with peer(script) as provider:
        with pytest.raises(UpstreamUnreachable, match="takes no request"):
            await upstream.send(a_request(provider, b"x" * (8 << 20), released=durable()))
    assert connections == [0, 1]


async def test_i11_nothing_is_sent_again_after_the_last_byte(upstream: Http1Upstream) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        reset(writer)

    once, connections = in_turn(script)
    async with peer(once) as provider:
        with pytest.raises(UpstreamUnreachable, match="before its answer"):
            await upstream.send(a_request(provider, released=durable()))
    assert connections == [0]


async def test_i06_no_replacement_is_made_where_the_opening_failed(upstream: Http1Upstream) -> None:
    gone = asyncio.Event()
    script, connections = in_turn(dying(reset, gone))
    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(upstream.send(a_request(provider, released=released)))
        await gone.wait()
        released.set_exception(RecorderUnavailable("down"))
        with pytest.raises(RecorderUnavailable):
            await sending
    assert connections == [0]


async def test_i06_of_a_request_without_a_body_the_heads_last_byte_is_held(
    upstream: Http1Upstream,
) -> None:
    begun, whole = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r")
        begun.set()
        assert await reader.readexactly(1) == b"\n"
        whole.set()
        writer.write(OK)
        await reader.read()

    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future()
        request = a_request(provider, b"", "GET", released)
        sending = asyncio.create_task(upstream.send(request))
        await begun.wait()
        assert not whole.is_set()
        released.set_result(None)
        assert await body_of(await sending) == b"hi"


@pytest.mark.parametrize(
    ("early", "fault"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", UpstreamUnreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", UpstreamCut),
    ],
)
async def test_a_connection_that_spoke_in_the_hold_is_not_replaced(
    upstream: Http1Upstream, early: bytes, fault: type[Exception]
) -> None:
    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, len(BODY) - 1)
        writer.write(early)

    script, connections = in_turn(speaks)
    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(upstream.send(a_request(provider, released=released)))
        await until(lambda: any(c.is_closing for c in upstream._connections._all))
        released.set_result(None)
        with pytest.raises(fault):
            await body_of(await sending)
    assert connections == [0]


async def test_malformed_bytes_cut_a_body_though_the_provider_stays(
    upstream: Http1Upstream,
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n")
        await reader.read()

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider))
        assert await anext(aiter(answer.chunks)) == b"a"
        with pytest.raises(UpstreamCut, match="broke off"):
            await anext(aiter(answer.chunks))


async def test_a_kept_connection_that_is_just_closing_is_not_taken(
    upstream: Http1Upstream,
) -> None:
    script, connections = in_turn(answering(OK, OK))
    async with peer(script) as provider:
        assert await body_of(await upstream.send(a_request(provider))) == b"hi"
        (connection,) = upstream._connections._all
        connection.abort()
        assert kept(upstream) == 1
        assert await body_of(await upstream.send(a_request(provider))) == b"hi"
    assert connections == [0, 1]


async def test_a_kept_connection_that_ends_or_speaks_is_dropped_at_once(
    upstream: Http1Upstream,
) -> None:
    now = asyncio.Event()

    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(OK)(reader, writer)
        await now.wait()

    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ends(reader, writer)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await reader.read()

    for script in (ends, speaks):
        now.clear()
        async with peer(script) as provider:
            assert await body_of(await upstream.send(a_request(provider))) == b"hi"
            assert kept(upstream) == 1
            now.set()
            await until(lambda: kept(upstream) == 0)


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\n", b"junk"])
async def test_bytes_behind_an_answer_spoil_its_connection(
    upstream: Http1Upstream, more: bytes
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + more)
        await reader.read()

    async with peer(script) as provider:
        assert await body_of(await upstream.send(a_request(provider))) == b"hi"
        assert kept(upstream) == 0


async def test_the_connection_that_served_last_serves_next_and_only_so_many_are_kept(
    upstream: Http1Upstream,
) -> None:
    async with peer(answering(OK, OK, OK)) as provider:
        answers = [await upstream.send(a_request(provider)) for _ in range(MOST_KEPT + 1)]
        for answer in answers:
            await body_of(answer)
        assert kept(upstream) == MOST_KEPT
        (connections,) = upstream._connections._kept.values()
        last = connections[-1]
        await body_of(await upstream.send(a_request(provider)))
        assert connections[-1] is last


async def test_an_upload_that_is_refused_stops_and_the_refusal_is_delivered(
    upstream: Http1Upstream,
) -> None:
    body = b"x" * (32 << 20)
    taken = 0
    over = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSED)
        await writer.drain()
        while piece := await reader.read(65536):
            taken += len(piece)
        over.set()

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider, body, released=durable()))
        assert (answer.head.status, await body_of(answer)) == (413, b"no")
        assert kept(upstream) == 0
        await over.wait()
    assert taken < len(body) // 2


async def test_an_early_answer_leaves_the_last_byte_unsent_and_the_connection_unkept(
    upstream: Http1Upstream,
) -> None:
    early, over = asyncio.Event(), asyncio.Event()
    got: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, len(BODY) - 1)
        writer.write(REFUSED)
        early.set()
        got.append(await reader.read())
        over.set()

    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(upstream.send(a_request(provider, released=released)))
        await early.wait()
        (connection,) = upstream._connections._all
        await until(lambda: connection._asked.ended)
        released.set_result(None)
        assert await body_of(await sending) == b"no"
        await over.wait()
    assert (got, kept(upstream)) == ([b""], 0)


async def test_a_stream_that_begins_early_gets_the_last_byte(upstream: Http1Upstream) -> None:
    early = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, len(BODY) - 1)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        early.set()
        last = await reader.readexactly(1)
        writer.write(b"1\r\n" + last + b"\r\n0\r\n\r\n")
        await reader.read()

    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(upstream.send(a_request(provider, released=released)))
        await early.wait()
        released.set_result(None)
        assert await body_of(await sending) == b"}"
        assert kept(upstream) == 1


async def test_a_provider_that_takes_no_body_is_a_timeout(upstream: Http1Upstream) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with peer(script) as provider:
        request = a_request(provider, b"x" * (32 << 20), released=durable())
        with pytest.raises(UpstreamTimeout):
            await upstream.send(replace(request, idle_seconds=0.1))


async def test_the_time_to_the_first_byte_begins_with_the_last_byte_sent(
    upstream: Http1Upstream,
) -> None:
    begun = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, len(BODY) - 1)
        begun.set()
        await reader.read()

    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future()
        request = replace(a_request(provider, released=released), first_byte_seconds=0.05)
        sending = asyncio.create_task(upstream.send(request))
        await begun.wait()
        await asyncio.wait({sending}, timeout=0.1)
        assert not sending.done()
        released.set_result(None)
        with pytest.raises(UpstreamTimeout):
            await sending


async def test_i12_a_provider_has_to_wait_for_a_slow_reader(upstream: Http1Upstream) -> None:
    block, blocks = b"x" * 65536, 512
    written = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(block) * blocks))
        for _ in range(blocks):
            writer.write(block)
            await writer.drain()
            written += len(block)
        await reader.read()

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider))
        (connection,) = upstream._connections._all
        await until(lambda: connection._paused)
        assert connection._asked.unread_bytes <= 2 * (256 << 10)
        assert written < len(block) * blocks
        assert len(await body_of(answer)) == len(block) * blocks
        assert kept(upstream) == 1


async def test_an_answer_that_was_never_read_gives_its_connection_back(
    upstream: Http1Upstream,
) -> None:
    async with peer(answering(OK, OK)) as provider:
        answer = await upstream.send(a_request(provider))
        await answer.aclose()
        assert kept(upstream) == 1
        assert [chunk async for chunk in answer.chunks] == []
        assert await body_of(await upstream.send(a_request(provider))) == b"hi"


async def test_a_reader_that_is_cancelled_closes_its_connection(upstream: Http1Upstream) -> None:
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc")
        await reader.read()
        gone.set()

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider))
        assert await anext(aiter(answer.chunks)) == b"abc"
        reading = asyncio.ensure_future(anext(aiter(answer.chunks)))
        await asyncio.sleep(0)
        reading.cancel()
        async with asyncio.timeout(5):
            await gone.wait()
        assert reading.cancelled()


async def test_closing_cuts_what_is_open(upstream: Http1Upstream) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc")
        await reader.read()

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider))
        await upstream.aclose()
        with pytest.raises(UpstreamCut, match="broke off"):
            await body_of(answer)


async def test_a_request_that_is_cancelled_in_the_handshake_closes_its_connection(
    upstream: Http1Upstream,
) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        await reader.read()
        gone.set()

    async with peer(script, host="localhost") as provider:
        secure = replace(provider, base_url=replace(provider.base_url, scheme="https"))
        sending = asyncio.create_task(upstream.send(a_request(secure)))
        await begun.wait()
        sending.cancel()
        await asyncio.wait({sending})
        async with asyncio.timeout(5):
            await gone.wait()
