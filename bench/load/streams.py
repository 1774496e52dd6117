"""The clients: so many places, in each of them one stream after the other, all at once."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import final

from bench.client import END, Address, Broken, check_status, unchunked
from bench.load.conversation import Asked, answer
from bench.load.plan import BODY_BYTES, GAP_US, LEAVES_EVERY, TURNS_OF_A_SESSION, Plan

NUMBERS_OF_A_PLACE = 100_000
LAST_SECONDS = 60.0
"""So long streams may take to end once no new ones begin."""

DIALECTS = ("messages", "responses", "chat")
RECORD = re.compile(rb"\r\nx-ai-gateway-interception-id: *([0-9a-f-]{36})", re.IGNORECASE)


def record_in(head: bytes) -> str:
    """Return the id of the record that a response's head names. Raises ``Broken``."""
    found = RECORD.search(head)
    if found is None:
        raise Broken("a response names no record")
    return found.group(1).decode()


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw of one request. ``left``: it went away before the end."""

    asked: Asked
    record: str
    first_seconds: float
    left: bool


@final
class _Connection(asyncio.Protocol):
    """A kept connection, for one request at a time. ``leave_bytes``: 0 is never."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._leave_bytes = 0
        self._began = 0.0
        self._over: asyncio.Future[bool] | None = None
        self.first_seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def exchange(self, request: bytes, *, leave_bytes: int) -> bytes:
        """Return the response as it came, or as much as came before leaving. Raises ``Broken``."""
        assert self._transport is not None
        self._received.clear()
        self._leave_bytes, self.first_seconds = leave_bytes, 0.0
        self._over = self._loop.create_future()
        self._began = self._loop.time()
        self._transport.write(request)
        if not await self._over:
            raise Broken(f"a response broke off after {len(self._received)} bytes")
        return bytes(self._received)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if (
            not self.first_seconds
            and b"\r\n\r\n" in received
            and not received.endswith(b"\r\n\r\n")
        ):
            self.first_seconds = self._loop.time() - self._began
        if 0 < self._leave_bytes <= len(received):
            self.close()
            self._end(whole=True)
        elif received.endswith(END):
            self._end(whole=True)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._end(whole=False)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def _end(self, *, whole: bool) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(whole)


@final
@dataclass(slots=True)
class Streams:
    """Everything that was seen, and how many streams are open."""

    address: Address
    key: str
    plan: Plan
    seen: list[Seen] = field(default_factory=list)
    open: int = 0

    async def run(self) -> None:
        """Hold all places busy for the plan's time, then let the streams end. Raises ``Broken``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.plan.seconds
        step = self.plan.ramp_seconds / self.plan.streams
        try:
            async with (
                asyncio.timeout(self.plan.seconds + LAST_SECONDS),
                asyncio.TaskGroup() as all_,
            ):
                for place in range(self.plan.streams):
                    all_.create_task(self._place(place, place * step, end))
        except* Broken as broken:
            raise Broken(str(broken.exceptions[0])) from None
        except* TimeoutError:
            raise Broken(f"{self.open} streams did not end") from None

    async def _place(self, place: int, after: float, end: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(after)
        connection: _Connection | None = None
        for asked in requests(place, self.plan):
            if loop.time() >= end:
                break
            if connection is None:
                _, connection = await loop.create_connection(_Connection, *self.address)
            leaves = is_left(asked.number)
            self.open += 1
            try:
                self.seen.append(await self._one(connection, asked, leaves=leaves))
            finally:
                self.open -= 1
            if leaves:
                connection = None
        if connection is not None:
            connection.close()

    async def _one(self, connection: _Connection, asked: Asked, *, leaves: bool) -> Seen:
        whole = len(answer(asked.dialect, asked.events).body(asked.number))
        received = await connection.exchange(
            asked.bytes(self.key), leave_bytes=whole // 2 if leaves else 0
        )
        head, _, coded = received.partition(b"\r\n\r\n")
        check_status(head)
        if not leaves:
            check_body(asked, unchunked(coded))
        return Seen(asked, record_in(head), connection.first_seconds, leaves)


def check_body(asked: Asked, body: bytes) -> None:
    """Raises ``Broken`` where a relayed byte differs."""
    if body != answer(asked.dialect, asked.events).body(asked.number):
        raise Broken(f"bytes differ: request {asked.number}, {asked.dialect}")


def is_left(number: int) -> bool:
    """Whether the client of this request goes away half-way; each place begins elsewhere."""
    place, turn = divmod(number, NUMBERS_OF_A_PLACE)
    return (place + turn) % LEAVES_EVERY == 0


def requests(place: int, plan: Plan) -> Iterator[Asked]:
    """Make the requests of one place: every second one answers the tool call before it."""
    lasting = plan.lasting
    before: Asked | None = None
    for turn in count():
        number = (place + 1) * NUMBERS_OF_A_PLACE + turn
        seconds = lasting[(place + turn) % len(lasting)]
        epoch = turn // TURNS_OF_A_SESSION
        session = f"{place:08x}-0000-4000-8000-{epoch:012x}"
        answers = before.number if before is not None and turn % 2 else None
        before = Asked(
            number=number,
            dialect=DIALECTS[place % len(DIALECTS)],
            events=seconds * 1_000_000 // GAP_US,
            gap_us=GAP_US,
            body_bytes=BODY_BYTES[turn % len(BODY_BYTES)],
            session=session,
            answers=answers,
        )
        yield before
