"""The connections of a process to whom it asks: kept between requests, and made anew."""

import asyncio
from collections import deque
from functools import partial
from typing import final
from weakref import WeakSet

from aigateway.clock import Clock
from aigateway.errors import UpstreamUnreachable
from aigateway.pool.base_url import BaseUrl
from aigateway.relay.connection import Connection
from aigateway.relay.dialling import Dialling
from aigateway.relay.upstream import MOST_KEPT, STALE_SECONDS

READ_BYTES = 256 << 10
"""Of one read. All connections share the place: what they read is parsed at once."""

Origin = tuple[str, str, int]


@final
class Connections:
    """Keeps connections per origin, and gives the one that served last.

    ``connect_seconds`` is for one address of a name.
    """

    def __init__(self, clock: Clock, dialling: Dialling, connect_seconds: float) -> None:
        self._clock = clock
        self._dialling = dialling
        self._connect_seconds = connect_seconds
        self._into = memoryview(bytearray(READ_BYTES))
        self._kept: dict[Origin, deque[Connection]] = {}
        self._all: WeakSet[Connection] = WeakSet()

    def take(self, url: BaseUrl) -> Connection | None:
        """Return a kept connection, or nothing where none is left that may serve."""
        kept = self._kept.get(_origin(url))
        if not kept:
            return None
        self._drop_stale(kept)
        while kept:
            connection = kept.pop()
            if not connection.has_ended:
                return connection
            connection.abort()
        return None

    def drop(self, url: BaseUrl) -> None:
        """Close what is kept for an origin."""
        for connection in self._kept.pop(_origin(url), ()):
            connection.abort()

    def _drop_stale(self, kept: deque[Connection]) -> None:
        """Close what was idle for too long by the wall clock, which a freeze does not stop."""
        now = self._clock.now().timestamp()
        while kept and now - kept[0].kept_at > STALE_SECONDS:
            kept.popleft().abort()

    def let_go(self, connection: Connection, url: BaseUrl) -> None:
        """Keep a connection whose exchange is over, or abort it."""
        kept = self._kept.setdefault(_origin(url), deque())
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

    async def connect(self, url: BaseUrl) -> Connection:
        """Try the addresses one after another. Raises ``UpstreamUnreachable``."""
        tls = self._dialling.tls(url)
        name = None if tls is None else url.host
        loop = asyncio.get_running_loop()
        failed: OSError | None = None
        for address in await self._dialling.addresses(url):
            connection = Connection(self._into, partial(self._lost, _origin(url)))
            try:
                async with asyncio.timeout(self._connect_seconds):
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
        self._dialling.forget(url)
        raise UpstreamUnreachable("the provider cannot be connected to") from failed

    async def aclose(self) -> None:
        """Abort every connection; one that is in use is cut."""
        for connection in tuple(self._all):
            connection.abort()
        self._kept.clear()
        await asyncio.sleep(0)


def _origin(url: BaseUrl) -> Origin:
    return url.scheme, url.host, url.port


def _same(connection: Connection) -> Connection:
    return connection
