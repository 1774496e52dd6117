"""A connection whose other side is a transport that only notes what it is told."""

import asyncio
from typing import Any, final

import pytest

from aigateway.errors import UpstreamCut
from aigateway.relay.connection import UNREAD_LIMIT, WRITTEN_AT_ONCE_BYTES, Connection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


@final
class NotingTransport(asyncio.Transport):
    """Sends nothing. ``said`` holds what it was told, writes as their lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str | int] = []
        self.closing = False
        self.unwritten = 0

    def write(self, data: Any) -> None:  # noqa: ANN401 - bytes of any kind
        self.said.append(len(data))

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

    def get_write_buffer_size(self) -> int:
        return self.unwritten


@final
class Line:
    """A connection and both of its ends."""

    def __init__(self) -> None:
        self.into = memoryview(bytearray(1 << 20))
        self.lost: list[Connection] = []
        self.connection = Connection(self.into, self.lost.append)
        self.transport = NotingTransport()
        self.connection.connection_made(self.transport)

    def hears(self, data: bytes) -> None:
        self.connection.get_buffer(-1)[: len(data)] = data
        self.connection.buffer_updated(len(data))


@pytest.fixture
async def line() -> Line:
    made = Line()
    await made.connection.begin(b"head", b"bod", bodiless=False, idle_seconds=5)
    assert made.connection.finish(b"y")
    return made


async def test_a_stream_needs_one_timer_however_many_chunks_it_has(line: Line) -> None:
    line.hears(HEAD)
    assert (await line.connection.answered(5)).status == 200
    timers = set()
    for _ in range(20):
        reading = asyncio.create_task(line.connection.read(60))
        await asyncio.sleep(0)
        timers.add(line.connection._timer)
        line.hears(b"x")
        assert await reading == b"x"
    assert len(timers) == 1
    (timer,) = timers
    assert timer is not None
    line.connection.connection_lost(None)
    assert timer.cancelled()
    assert line.lost == [line.connection]


async def test_a_timer_that_rings_while_chunks_come_is_set_again(line: Line) -> None:
    line.hears(HEAD)
    loop = asyncio.get_running_loop()
    reading = asyncio.create_task(line.connection.read(60))
    await asyncio.sleep(0)
    line.connection._ring()
    assert not reading.done()
    timer = line.connection._timer
    assert timer is not None
    assert timer.when() > loop.time() + 59
    line.connection._deadline = loop.time() - 1
    line.connection._ring()
    with pytest.raises(UpstreamCut, match="silent"):
        await reading


async def test_a_shorter_limit_moves_the_timer_forward(line: Line) -> None:
    waiting = asyncio.create_task(line.connection.answered(600))
    await asyncio.sleep(0)
    line.hears(HEAD)
    await waiting
    reading = asyncio.create_task(line.connection.read(60))
    await asyncio.sleep(0)
    timer = line.connection._timer
    assert timer is not None
    assert timer.when() < asyncio.get_running_loop().time() + 61
    line.hears(b"x")
    await reading
    line.connection.connection_lost(None)


async def test_chunks_that_came_together_are_read_together(line: Line) -> None:
    line.hears(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n")
    line.hears(b"1\r\nd\r\n0\r\n\r\n")
    assert await line.connection.read(5) == b"abcd"
    assert await line.connection.read(5) is None
    assert line.connection.may_be_kept
    line.transport.unwritten = 1
    assert not line.connection.may_be_kept


async def test_i12_reading_pauses_at_the_limit_and_goes_on_when_it_is_read(line: Line) -> None:
    line.hears(HEAD)
    line.transport.said.clear()
    line.hears(b"x" * (UNREAD_LIMIT - 1))
    assert line.transport.said == []
    line.hears(b"x")
    assert line.transport.said == ["pause"]
    assert len(await line.connection.read(5) or b"") == UNREAD_LIMIT
    assert line.transport.said == ["pause", "resume"]


async def test_a_small_request_is_one_write_and_its_last_byte(line: Line) -> None:
    assert line.transport.said == [7, 1]


async def test_a_large_request_waits_where_it_is_not_taken() -> None:
    line = Line()
    body = b"x" * (3 * WRITTEN_AT_ONCE_BYTES)
    line.connection.pause_writing()
    sending = asyncio.create_task(
        line.connection.begin(b"head", body, bodiless=False, idle_seconds=60)
    )
    await asyncio.sleep(0)
    assert line.transport.said == [4]
    line.connection.resume_writing()
    await sending
    assert line.transport.said == [4, *[WRITTEN_AT_ONCE_BYTES] * 3]
    line.connection.connection_lost(None)
