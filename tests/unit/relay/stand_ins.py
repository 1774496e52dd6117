"""Stand-ins for the store and the provider that write down the order of things."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, MutableMapping
from typing import Any, final

from aigateway.clock import SystemClock
from aigateway.errors import LedgerFault, RecorderUnavailable, UpstreamCut
from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.prices import Prices
from aigateway.ledger.store import ParentQuery
from aigateway.pool.base_url import BaseUrl
from aigateway.pool.providers import Provider
from aigateway.relay.asides import Asides
from aigateway.relay.exchange import Exchange, Pricing
from aigateway.relay.scribe import Readers
from aigateway.relay.upstream import Answer, KeysUsed, UpstreamRequest
from aigateway.steps import Step
from aigateway.telemetry.journal import SILENT, Journal
from aigateway.transcript.facts import Dialect, Fact
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame
from aigateway.wire.messages import ResponseHead

SSE = ResponseHead(200, ((b"content-type", b"text/event-stream"), (b"date", b"never")))
PROVIDER = Provider("anthropic", "anthropic", BaseUrl("http", "127.0.0.1", 1, ""), (), True)  # noqa: FBT003 - enabled

STREAM = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1",'
    b'"model":"m","usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":9}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
EVENTS = tuple(part + b"\n\n" for part in STREAM.split(b"\n\n")[:-1])


@final
class FailingReader:
    """A reader with a bug in everything."""

    def read(self, frame: Frame) -> Iterable[Fact]:
        raise ZeroDivisionError

    def end(self, *, cut: bool) -> Iterable[Fact]:
        raise ZeroDivisionError


def failing(dialect: Dialect, status: int) -> FailingReader:
    return FailingReader()


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until it holds; nothing here waits for time."""
    while not condition():  # noqa: ASYNC110 - the order of steps is what is looked at
        await asyncio.sleep(0)


@final
class NotingRecords:
    """Keeps what it is given. ``gate`` holds the opening write, ``closing`` the closing one."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen
        self.opened: list[Opened] = []
        self.closed: list[Closed] = []
        self.counted: list[Step] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.closing = asyncio.Event()
        self.closing.set()
        self.closes: bool | Exception = True
        self.down = False
        self.found: list[Parents | None] = []
        self.asked: list[ParentQuery] = []
        self.never_finds = False
        self.fails_to_find = False

    async def open(self, opened: Opened) -> None:
        self.seen.append("opening")
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.down:
            raise RecorderUnavailable("down")
        self.opened.append(opened)
        self.seen.append("opened")

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        await self.closing.wait()
        self.closed.append(closed)
        self.seen.append("closed")
        if isinstance(self.closes, Exception):
            raise self.closes
        return self.closes

    async def late(self, opened: Opened, closed: Closed) -> bool:
        self.seen.append("late")
        return True

    def owe(self, steps: tuple[Step, ...]) -> None:
        self.counted.extend(steps)

    async def count(self, steps: tuple[Step, ...]) -> None:
        self.counted.extend(steps)

    async def parents(self, query: ParentQuery) -> Parents | None:
        self.asked.append(query)
        if self.fails_to_find:
            raise LedgerFault("no answer")
        if self.never_finds:
            await asyncio.Event().wait()
        return self.found.pop(0) if self.found else None

    async def remains(self, opened: object) -> Closed | None:
        return None

    async def orphans(self, before: object, most: int) -> tuple[Opened, ...]:
        return ()

    async def unparented(self, most: int) -> tuple[Opened, ...]:
        return ()

    async def repair_parent(self, opened: Opened, parents: Parents | None) -> bool:
        return False

    async def purge(self, now: object, most: int) -> int:
        return 0


@final
class ScriptedUpstream:
    """Answers with ``chunks`` once the whole request was released to it."""

    def __init__(self, seen: list[str], chunks: tuple[bytes, ...] = EVENTS) -> None:
        self.seen = seen
        self.chunks = chunks
        self.head = SSE
        self.cut = False
        self.fault: Exception | None = None
        self.stalls = False
        self.aborted = False

    async def send(self, request: UpstreamRequest) -> Answer:
        self.seen.append("sending")
        try:
            if request.released is not None:
                await request.released
        except BaseException:
            self.aborted = True
            raise
        self.seen.append("last byte")
        if self.fault is not None:
            raise self.fault
        return Answer(self.head, self._stream())

    async def _stream(self) -> AsyncGenerator[bytes, None]:
        for chunk in self.chunks:
            yield chunk
        if self.stalls:
            await asyncio.Event().wait()
        if self.cut:
            raise UpstreamCut("broke off")

    async def aclose(self) -> None:
        return


@final
class Listener:
    """The client's side of ``send``."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen
        self.messages: list[MutableMapping[str, Any]] = []
        self.breaks_after: int | None = None
        self.heard = asyncio.Event()

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if self.breaks_after is not None and len(self.messages) > self.breaks_after:
            raise OSError("the client is gone")
        self.messages.append(message)
        if message["type"] == "http.response.start":
            self.seen.append("head")
        else:
            self.seen.append("chunk" if message["more_body"] else "end")
        self.heard.set()

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages[1:])


def a_request(body: bytes = b"{}") -> UpstreamRequest:
    return UpstreamRequest(PROVIDER, "POST", b"/v1/messages", (), body, None, 5.0, 5.0)


def an_exchange(
    records: NotingRecords,
    upstream: ScriptedUpstream,
    *,
    close_seconds: float = 5.0,
    prices: Pricing | None = None,
    readers: Readers = reader_for,
    journal: Journal = SILENT,
) -> tuple[Exchange, Asides]:
    asides = Asides()
    exchange = Exchange(
        records,
        upstream,
        SystemClock(),
        asides,
        close_seconds=close_seconds,
        keys=KeysUsed("sk-a...xyz1", 1),
        journal=journal,
        prices=prices or Prices(),
        readers=readers,
    )
    return exchange, asides
