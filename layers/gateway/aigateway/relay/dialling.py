"""Where a provider is dialled: addresses that were checked, certificates that are verified."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import final

from aigateway.addresses import Network, may_be_dialled
from aigateway.clock import Clock
from aigateway.errors import UpstreamUnreachable
from aigateway.pool.base_url import BaseUrl
from aigateway.trust import Trust

RESOLVED = timedelta(seconds=30)
ADDRESSES_TRIED = 4

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""Host and port → addresses as text. Raises ``OSError`` or ``UnicodeError``."""


async def resolved(host: str, port: int) -> tuple[str, ...]:
    """Ask the machine's resolver; IPv4 comes first, since a function has no IPv6."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ordered = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in ordered))


@final
class Dialling:
    """What the connections of a process share before they are made.

    An address is remembered for ``RESOLVED`` by the wall clock, and only one that was checked. It
    is dialled as it is: a name that by then leads elsewhere is not asked again.
    """

    def __init__(
        self,
        clock: Clock,
        allowed: tuple[Network, ...],
        resolve: Resolve = resolved,
        trust: Trust | None = None,
    ) -> None:
        self._clock = clock
        self._allowed = allowed
        self._resolve = resolve
        self._trust = trust or Trust()
        self._known: dict[tuple[str, int], tuple[datetime, tuple[str, ...]]] = {}

    async def addresses(self, url: BaseUrl) -> tuple[str, ...]:
        """Resolve and check; of several addresses only the allowed ones count.

        Raises ``UpstreamUnreachable``.
        """
        now = self._clock.now()
        known = self._known.get((url.host, url.port))
        if known is not None and timedelta() <= now - known[0] < RESOLVED:
            return known[1]
        try:
            found = await self._resolve(url.host, url.port)
        except (OSError, UnicodeError) as fault:
            raise UpstreamUnreachable("the provider's name cannot be resolved") from fault
        allowed = tuple(address for address in found if may_be_dialled(address, self._allowed))
        if not allowed:
            raise UpstreamUnreachable("the provider's name resolves to no allowed address")
        self._known[url.host, url.port] = (now, allowed[:ADDRESSES_TRIED])
        return allowed[:ADDRESSES_TRIED]

    def forget(self, url: BaseUrl) -> None:
        """Ask the resolver anew the next time: the addresses that it gave were of no use."""
        self._known.pop((url.host, url.port), None)

    def tls(self, url: BaseUrl) -> ssl.SSLContext | None:
        """Return what encrypts the connection; nothing for plain HTTP."""
        return None if url.scheme == "http" else self._trust.context()
