"""The door of httpx: one request to a provider, its answer as raw chunks.

The transport is used below ``AsyncClient``: no default headers, cookies, redirects or retries.
The address that was checked is what is dialled, with the provider's own name for TLS and Host.
"""

import ssl
from collections.abc import AsyncIterator, Awaitable
from typing import final

import httpx

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from aigateway.pool.base_url import BaseUrl
from aigateway.relay.dialling import Dialling, Resolve, resolved
from aigateway.relay.upstream import (
    CONNECT_SECONDS,
    MOST_KEPT,
    SIZED_METHODS,
    STALE_SECONDS,
    Answer,
    UpstreamRequest,
)
from aigateway.wire.messages import ResponseHead

LIMITS = httpx.Limits(
    max_connections=None, max_keepalive_connections=MOST_KEPT, keepalive_expiry=STALE_SECONDS
)


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
    """The connections to one base URL, and when they last served."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.busy = 0
        self.served_at = float("-inf")
        self.retired = False


@final
class _Chunks:
    """The body of one response; its line is done with it at the end, at a cut, or when closed."""

    def __init__(self, response: httpx.Response, upstream: "HttpxUpstream", line: _Line) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        self._stream = response.stream
        self._chunks = aiter(response.stream)
        self._upstream = upstream
        self._line: _Line | None = line

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except httpx.TransportError as fault:
            await self.aclose()
            raise UpstreamCut("the provider broke off") from fault
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            try:
                await self._stream.aclose()
            finally:
                await self._upstream.done(line)


@final
class HttpxUpstream:
    """Keeps connections per base URL; replaces all of one's after a long silence.

    Not per address: two names may have the same one, and a connection speaks for one of them.
    """

    def __init__(
        self, clock: Clock, allowed: tuple[Network, ...], resolve: Resolve = resolved
    ) -> None:
        self._clock = clock
        self._dialling = Dialling(clock, allowed, resolve)
        self._lines: dict[BaseUrl, _Line] = {}

    async def send(self, request: UpstreamRequest) -> Answer:
        addresses = await self._dialling.addresses(request.provider.base_url)
        line = await self._line(request.provider.base_url)
        line.busy += 1
        try:
            for address in addresses:
                try:
                    return await self._send_to(address, line, request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
        except BaseException:
            await self.done(line)
            raise
        await self.done(line)
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
        sized = request.body or request.method in SIZED_METHODS
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
        return Answer(head, _Chunks(response, self, line))

    async def _line(self, url: BaseUrl) -> _Line:
        line = self._lines.get(url)
        now = self._clock.now().timestamp()
        if line is not None and line.busy == 0 and now - line.served_at > STALE_SECONDS:
            line.retired = True
            await line.transport.aclose()
            line = None
        if line is None:
            context = self._dialling.tls(url)
            unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            transport = httpx.AsyncHTTPTransport(verify=context or unused, retries=0, limits=LIMITS)
            line = self._lines[url] = _Line(transport)
        line.served_at = now
        return line

    async def done(self, line: _Line) -> None:
        """Note that an exchange on it has ended."""
        line.busy -= 1
        line.served_at = self._clock.now().timestamp()
        if line.retired and line.busy == 0:
            await line.transport.aclose()

    async def aclose(self) -> None:
        for line in self._lines.values():
            await line.transport.aclose()
        self._lines.clear()
