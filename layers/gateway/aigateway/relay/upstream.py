"""The door of httpx: one request to a provider, its answer as raw chunks.

The transport is used below ``AsyncClient``: no default headers, cookies, redirects or retries.
Names are resolved here and the checked address is what is dialled, with the provider's own name
for TLS and Host.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Protocol, final

import httpx

from aigateway.addresses import Network, may_be_dialled
from aigateway.clock import Clock
from aigateway.errors import UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from aigateway.pool.providers import BaseUrl, Provider
from aigateway.wire.messages import Headers, ResponseHead

CONNECT_SECONDS = 10.0
STALE_SECONDS = 50.0
"""A process may have been frozen: connections idle for longer are not trusted."""

RESOLVED_SECONDS = 30.0
ADDRESSES_TRIED = 4
LIMITS = httpx.Limits(
    max_connections=None, max_keepalive_connections=200, keepalive_expiry=STALE_SECONDS
)


@final
@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """``released`` holds back the last byte of ``body`` until it is done without an error."""

    provider: Provider
    method: str
    target: bytes
    headers: Headers
    body: bytes
    released: Awaitable[object] | None
    first_byte_seconds: float
    idle_seconds: float


@final
class Answer:
    """A provider's answer. ``chunks`` raises ``UpstreamCut``; close it in any case."""

    def __init__(self, head: ResponseHead, chunks: AsyncGenerator[bytes, None]) -> None:
        self.head = head
        self.chunks = chunks

    async def aclose(self) -> None:
        """Let go of the connection; one that is not at its end is aborted."""
        await self.chunks.aclose()


class Upstream(Protocol):
    """Sends one request, once. Raises ``UpstreamUnreachable``, ``UpstreamTimeout``."""

    async def send(self, request: UpstreamRequest) -> Answer: ...

    async def aclose(self) -> None: ...


@final
class _HeldBody(httpx.AsyncByteStream):
    def __init__(self, body: bytes, released: Awaitable[object] | None) -> None:
        self._body = body
        self._released = released

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._released is None:
            if self._body:
                yield self._body
            return
        if len(self._body) > 1:
            yield self._body[:-1]
        await self._released
        yield self._body[-1:]


@final
class _Line:
    """The connections to one provider, and when they last served."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.busy = 0
        self.served_at = float("-inf")
        self.retired = False


@final
class HttpxUpstream:
    """Keeps connections per provider; replaces all of a provider's after a long silence."""

    def __init__(self, clock: Clock, allowed: tuple[Network, ...]) -> None:
        self._clock = clock
        self._allowed = allowed
        self._lines: dict[str, _Line] = {}
        self._resolved: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def send(self, request: UpstreamRequest) -> Answer:
        url = request.provider.base_url
        addresses = await self._addresses(url)
        line = await self._line(request.provider)
        line.busy += 1
        try:
            for address in addresses:
                try:
                    return await self._send_to(address, line, request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
        except BaseException:
            await self._done(line)
            raise
        await self._done(line)
        raise UpstreamUnreachable("the provider cannot be connected to")

    async def _send_to(self, address: str, line: _Line, request: UpstreamRequest) -> Answer:
        """Send to one address. httpx's connect errors come through: nothing was sent yet."""
        url = request.provider.base_url
        timeouts = {
            "connect": CONNECT_SECONDS,
            "read": request.first_byte_seconds,
            "write": request.idle_seconds,
            "pool": CONNECT_SECONDS,
        }
        sized = request.body or request.method in ("POST", "PUT", "PATCH")
        length = ((b"Content-Length", str(len(request.body)).encode()),) if sized else ()
        host = f"[{address}]" if ":" in address else address
        outgoing = httpx.Request(
            request.method,
            httpx.URL(f"{url.scheme}://{host}:{url.port}/"),
            headers=[(b"Host", url.host_header), *request.headers, *length],
            stream=_HeldBody(request.body, request.released),
            extensions={
                "target": request.target,
                "timeout": timeouts,
                "sni_hostname": url.host,
            },
        )
        try:
            response = await line.transport.handle_async_request(outgoing)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise
        except httpx.ReadTimeout as fault:
            raise UpstreamTimeout("the provider sent no answer in time") from fault
        except httpx.TransportError as fault:
            raise UpstreamUnreachable("the provider broke off before its answer") from fault
        timeouts["read"] = request.idle_seconds
        head = ResponseHead(response.status_code, tuple(response.headers.raw))
        return Answer(head, self._chunks(response, line))

    async def _chunks(self, response: httpx.Response, line: _Line) -> AsyncGenerator[bytes, None]:
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        try:
            async for chunk in response.stream:
                yield chunk
        except httpx.TransportError as fault:
            raise UpstreamCut("the provider broke off") from fault
        finally:
            await response.stream.aclose()
            await self._done(line)

    async def _line(self, provider: Provider) -> _Line:
        line = self._lines.get(provider.name)
        now = self._clock.now().timestamp()
        if line is not None and line.busy == 0 and now - line.served_at > STALE_SECONDS:
            line.retired = True
            await line.transport.aclose()
            line = None
        if line is None:
            context = self._context(provider.base_url)
            transport = httpx.AsyncHTTPTransport(verify=context, retries=0, limits=LIMITS)
            line = self._lines[provider.name] = _Line(transport)
        line.served_at = now
        return line

    async def _done(self, line: _Line) -> None:
        line.busy -= 1
        line.served_at = self._clock.now().timestamp()
        if line.retired and line.busy == 0:
            await line.transport.aclose()

    def _context(self, url: BaseUrl) -> ssl.SSLContext:
        if url.scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls

    async def _addresses(self, url: BaseUrl) -> tuple[str, ...]:
        """Resolve, check, IPv4 first: a function has no IPv6."""
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

    async def aclose(self) -> None:
        for line in self._lines.values():
            await line.transport.aclose()
        self._lines.clear()
