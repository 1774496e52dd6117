"""Where a provider is dialled: addresses that were checked, certificates that are verified."""

import asyncio
import socket
import ssl
from typing import final

from aigateway.addresses import Network, may_be_dialled
from aigateway.clock import Clock
from aigateway.errors import UpstreamUnreachable
from aigateway.pool.providers import BaseUrl

RESOLVED_SECONDS = 30.0
ADDRESSES_TRIED = 4


@final
class Dialling:
    """What the connections of a process share before they are made."""

    def __init__(self, clock: Clock, allowed: tuple[Network, ...]) -> None:
        self._clock = clock
        self._allowed = allowed
        self._resolved: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def addresses(self, url: BaseUrl) -> tuple[str, ...]:
        """Resolve, check, IPv4 first: a function has no IPv6. Raises ``UpstreamUnreachable``."""
        known = self._resolved.get((url.host, url.port))
        if known is not None and self._clock.monotonic() - known[0] < RESOLVED_SECONDS:
            return known[1]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        except OSError as fault:
            raise UpstreamUnreachable("the provider's name cannot be resolved") from fault
        ordered = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
        addresses = dict.fromkeys(str(entry[4][0]) for entry in ordered)
        allowed = tuple(a for a in addresses if may_be_dialled(a, self._allowed))
        if not allowed:
            raise UpstreamUnreachable("the provider's name resolves to no allowed address")
        self._resolved[url.host, url.port] = (self._clock.monotonic(), allowed[:ADDRESSES_TRIED])
        return allowed[:ADDRESSES_TRIED]

    def tls(self, url: BaseUrl) -> ssl.SSLContext | None:
        """Return what encrypts the connection, made once; nothing for plain HTTP."""
        if url.scheme == "http":
            return None
        if self._tls is None:
            from aigateway.trust import verifying  # noqa: PLC0415 - a start does not need it

            self._tls = verifying()
        return self._tls
