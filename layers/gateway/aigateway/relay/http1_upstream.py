"""The connections to the providers: which one a request takes, and what becomes of it.

The request travels, but for its last byte, before the record of it is durable. A connection
that is lost until then is replaced by a new one, once: no provider has seen a whole request.
After the last byte nothing is ever sent again.
"""

from collections.abc import Awaitable
from typing import final

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import UpstreamUnreachable
from aigateway.pool.base_url import BaseUrl
from aigateway.relay.connection import Connection
from aigateway.relay.connections import Connections
from aigateway.relay.dialling import Dialling, Resolve, resolved
from aigateway.relay.http1 import head_of
from aigateway.relay.upstream import CONNECT_SECONDS, Answer, UpstreamRequest
from aigateway.trust import Trust


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
        self, connection: Connection, url: BaseUrl, idle_seconds: float, connections: Connections
    ) -> None:
        self._connection = connection
        self._url = url
        self._idle_seconds = idle_seconds
        self._connections = connections
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
            self._connections.let_go(self._connection, self._url)


@final
class Http1Upstream:
    """Sends requests over connections that are kept per origin."""

    def __init__(
        self,
        clock: Clock,
        allowed: tuple[Network, ...],
        resolve: Resolve = resolved,
        trust: Trust | None = None,
    ) -> None:
        dialling = Dialling(clock, allowed, resolve, trust)
        self._connections = Connections(clock, dialling, CONNECT_SECONDS)

    async def send(self, request: UpstreamRequest) -> Answer:
        url = request.provider.base_url
        message = _Message(request)
        connection = self._connections.take(url) or await self._connections.connect(url)
        try:
            if not await message.over(connection):
                connection.abort()
                connection = await self._connections.connect(url)
                if not await message.over(connection):
                    raise UpstreamUnreachable("the provider takes no request")  # noqa: TRY301 - aborted below
            head = await connection.answered(request.first_byte_seconds)
        except BaseException:
            connection.abort()
            raise
        chunks = _Chunks(connection, url, request.idle_seconds, self._connections)
        return Answer(head, chunks)

    async def aclose(self) -> None:
        """Abort every connection; one that is in use is cut."""
        await self._connections.aclose()
