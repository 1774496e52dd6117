"""The connections to the providers: which one a request takes, and what becomes of it.

The request travels, but for its last byte, before the record of it is durable. A connection
that is lost until then is replaced by a new one, once: no provider has seen a whole request.
After the last byte nothing is ever sent again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from functools import partial
from typing import final
from weakref import WeakSet

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import UpstreamUnreachable
from aigateway.pool.base_url import BaseUrl
from aigateway.relay.connection import Connection
from aigateway.relay.dialling import Dialling, Resolve, resolved
from aigateway.relay.http1 import head_of
from aigateway.relay.upstream import (
    CONNECT_SECONDS,
    MOST_KEPT,
    STALE_SECONDS,
    Answer,
    UpstreamRequest,
)

READ_BYTES = 256 << 10
"""Of one read. All connections share the place: what they read is parsed at once."""

Origin = tuple[str, str, int]


@final
class _Message:
    """A request as bytes: ``held`` is its last one as long as ``released`` holds it back."""

    def __init__(self, request: UpstreamRequest) -> None:
        self.head = head_of(request)
        self.body: bytes | memoryview = request.body
        self.held = b""
        self.bodiless = request.method == "HEAD"
        self.idle_seconds = request.idle_seconds
        self.released: Awaitable[object] | None = request.released
        if request.released is None:
            return
        if request.body:
            self.body, self.held = memoryview(request.body)[:-1], request.body[-1:]
        else:
            self.head, self.held = self.head[:-1], self.head[-1:]

    async def over(self, connection: Connection) -> bool:
        """Send it over a connection; false if that proved dead before the last byte."""
        await connection.begin(
            self.head, self.body, bodiless=self.bodiless, idle_seconds=self.idle_seconds
        )
        if self.released is not None:
            await self.released
            self.released = None
        return connection.finish(self.held)


@final
class _Chunks:
    """The body that arrives on a connection, which goes back to where it is kept."""

    def __init__(
        self, connection: Connection, origin: Origin, idle_seconds: float, upstream: "Http1Upstream"
    ) -> None:
        self._connection = connection
        self._origin = origin
        self._idle_seconds = idle_seconds
        self._upstream = upstream
        self._open = True

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        if not self._open:
            raise StopAsyncIteration
        try:
            chunk = await self._connection.read(self._idle_seconds)
        except BaseException:
            self._open = False
            self._connection.abort()
            raise
        if chunk is None:
            await self.aclose()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._upstream.let_go(self._connection, self._origin)


@final
class Http1Upstream:
    """Keeps connections per origin, and takes the one that served last."""

    def __init__(
        self, clock: Clock, allowed: tuple[Network, ...], resolve: Resolve = resolved
    ) -> None:
        self._clock = clock
        self._dialling = Dialling(clock, allowed, resolve)
        self._into = memoryview(bytearray(READ_BYTES))
        self._kept: dict[Origin, deque[Connection]] = {}
        self._all: WeakSet[Connection] = WeakSet()

    async def send(self, request: UpstreamRequest) -> Answer:
        url = request.provider.base_url
        origin = (url.scheme, url.host, url.port)
        message = _Message(request)
        connection = self._take(origin) or await self._connect(url, origin)
        try:
            if not await message.over(connection):
                connection.abort()
                connection = await self._connect(url, origin)
                if not await message.over(connection):
                    raise UpstreamUnreachable("the provider takes no request")  # noqa: TRY301 - aborted below
            head = await connection.answered(request.first_byte_seconds)
        except BaseException:
            connection.abort()
            raise
        return Answer(head, _Chunks(connection, origin, request.idle_seconds, self))

    def _take(self, origin: Origin) -> Connection | None:
        kept = self._kept.get(origin)
        if not kept:
            return None
        self._drop_stale(kept)
        while kept:
            connection = kept.pop()
            if not connection.is_closing:
                return connection
        return None

    def _drop_stale(self, kept: deque[Connection]) -> None:
        """Close what was idle for too long by the wall clock, which a freeze does not stop."""
        now = self._clock.now().timestamp()
        while kept and now - kept[0].kept_at > STALE_SECONDS:
            kept.popleft().abort()

    def let_go(self, connection: Connection, origin: Origin) -> None:
        """Keep a connection whose exchange is over, or abort it."""
        kept = self._kept.setdefault(origin, deque())
        self._drop_stale(kept)
        if not connection.may_be_kept or len(kept) >= MOST_KEPT:
            connection.abort()
            return
        connection.rest()
        connection.kept_at = self._clock.now().timestamp()
        kept.append(connection)

    def _lost(self, origin: Origin, connection: Connection) -> None:
        kept = self._kept.get(origin, ())
        if connection in kept:
            self._kept[origin].remove(connection)

    async def _connect(self, url: BaseUrl, origin: Origin) -> Connection:
        """Try the addresses one after another. Raises ``UpstreamUnreachable``."""
        tls = self._dialling.tls(url)
        name = None if tls is None else url.host
        loop = asyncio.get_running_loop()
        failed: OSError | None = None
        for address in await self._dialling.addresses(url):
            connection = Connection(self._into, partial(self._lost, origin))
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await loop.create_connection(
                        partial(_same, connection), address, url.port, ssl=tls, server_hostname=name
                    )
            except OSError as fault:
                connection.abort()
                failed = fault
            except BaseException:
                connection.abort()
                raise
            else:
                self._all.add(connection)
                return connection
        raise UpstreamUnreachable("the provider cannot be connected to") from failed

    async def aclose(self) -> None:
        """Abort every connection; one that is in use is cut."""
        for connection in tuple(self._all):
            connection.abort()
        self._kept.clear()
        await asyncio.sleep(0)


def _same(connection: Connection) -> Connection:
    return connection
