"""The ASGI entry of the data plane: probes, the order of checks, recorded or passed through."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, final

from aigateway import __version__
from aigateway.caller.keys import mask
from aigateway.clock import Clock, uuid7
from aigateway.errors import (
    Answerable,
    GatewayDisabled,
    InternalError,
    LedgerFault,
    PoolFault,
    ProviderBroken,
    RequestTooLarge,
    WebSocketNotSupported,
)
from aigateway.ledger.store import Records
from aigateway.pool.routes import dialect_of_path
from aigateway.pool.secrets import Secrets
from aigateway.relay.asides import Asides
from aigateway.relay.exchange import Aborted, Exchange, Send
from aigateway.relay.intake import Admitted, Intake
from aigateway.relay.passthrough import Passthrough
from aigateway.relay.probes import asks_for_websocket, probe_answer
from aigateway.relay.refresh import Refresh
from aigateway.relay.refusals import ID_HEADER, OwnAnswer, Shape, refused, shape_of
from aigateway.relay.upstream import Upstream, UpstreamRequest
from aigateway.settings import Settings
from aigateway.steps import rejected
from aigateway.transcript.facts import Outcome
from aigateway.wire.headers import towards_provider
from aigateway.wire.inflate import readable_codings
from aigateway.wire.messages import RequestHead, text, value

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class _ClientLeft(Exception):
    """The client left before its request was complete."""


@final
@dataclass(frozen=True, slots=True)
class Call:
    """One request while it is served."""

    head: RequestHead
    receive: Receive
    send: Send
    asides: Asides
    seconds_left: float | None


@final
class Gateway:
    """The app. ``assembly.build`` puts it together."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        records: Records,
        upstream: Upstream,
        secrets: Secrets,
        intake: Intake,
        refresh: Refresh,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._records = records
        self._upstream = upstream
        self._secrets = secrets
        self._intake = intake
        self._refresh = refresh
        self._passthrough = Passthrough(records, upstream, clock)
        self._readable = readable_codings()

    async def serve(
        self, head: RequestHead, receive: Receive, send: Send, left: float | None
    ) -> None:
        """Serve one request. ``left``: seconds until the host ends it, ``None`` if it does not.

        Raises ``Aborted`` when the response must end as a cut.
        """
        asides = Asides()
        call = Call(head, receive, Started(send), asides, left)
        try:
            await self._answer(call)
        except _ClientLeft:
            return
        finally:
            await asides.join()

    async def _answer(self, call: Call) -> None:
        head = call.head
        probe = probe_answer(head, ready=self._refresh.is_ready)
        if probe is not None:
            await send_own(probe, call.send)
            return
        admitted: Admitted | None = None
        try:
            self._refuse_early(head)
            await self._refresh.before_request(call.asides)
            admitted = await self._intake.admit(head, call.asides)
            await self._relay(call, admitted)
        except (Aborted, _ClientLeft):
            raise
        except Answerable as error:
            await self._refuse(call, admitted, error)
        except Exception as bug:
            if _has_started(call.send):
                raise Aborted("internal error") from bug
            logger.exception("a request failed in the gateway")
            await self._refuse(call, admitted, InternalError("internal error of the gateway"))

    def _refuse_early(self, head: RequestHead) -> None:
        if asks_for_websocket(head):
            raise WebSocketNotSupported("WebSockets are not offered: send the request by POST")
        if not self._settings.enabled:
            raise GatewayDisabled("the gateway is switched off")

    async def _refuse(self, call: Call, admitted: Admitted | None, error: Answerable) -> None:
        if not isinstance(error, LedgerFault):
            call.asides.start(self._records.count(rejected(error.code)))
        await send_own(
            refused(error, self._shape(call, admitted), str(call_id(self._clock))), call.send
        )

    def _shape(self, call: Call, admitted: Admitted | None) -> Shape:
        """Before the caller is known only the request itself tells the shape."""
        if admitted is None:
            anthropic = text(call.head.headers, b"anthropic-version") is not None
            return shape_of(dialect_of_path(call.head.path), anthropic=anthropic)
        anthropic = admitted.route.provider.runtime_type == "anthropic"
        return shape_of(admitted.route.dialect, anthropic=anthropic)

    async def _relay(self, call: Call, admitted: Admitted) -> None:
        started_at = self._clock.now()
        body = await read_body(call.head, call.receive, self._settings.max_request_bytes)
        if admitted.route.dialect is None:
            request, _ = await self._request(call.head, body, admitted)
            await self._passthrough.relay(admitted.route, request, call.send, call.asides)
            return
        taken = self._intake.take(call.head, body, admitted, started_at)
        request, hint = await self._request(call.head, body, admitted)
        exchange = Exchange(
            self._records,
            self._upstream,
            self._clock,
            call.asides,
            close_seconds=self._settings.close_seconds,
            credential_hint=hint,
        )
        opened = taken.opened
        shape = self._shape(call, admitted)
        try:
            if taken.refusal is not None:
                await exchange.record_refusal(opened, taken.refusal)
                raise taken.refusal
            await self._watched(call, exchange, exchange.relay(opened, request, call.send))
        except LedgerFault:
            raise
        except Answerable as error:
            own = refused(error, shape, opened.id)
            await send_own(own, call.send, ((ID_HEADER, opened.id.encode()),))

    async def _watched(self, call: Call, exchange: Exchange, work: Any) -> None:  # noqa: ANN401 - a coroutine
        """Run ``work`` until it is done, the client leaves, or the time is up."""
        running = asyncio.create_task(work)
        leaving = asyncio.create_task(_client_leaves(call.receive))
        limit = self._settings.exchange_seconds if call.seconds_left is None else call.seconds_left
        try:
            await asyncio.wait(
                {running, leaving}, timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            if not running.done():
                stopped: Outcome = "client_disconnected" if leaving.done() else "gateway_timeout"
                exchange.progress.stopped = stopped
                running.cancel()
            await running
        except asyncio.CancelledError:
            if exchange.progress.stopped is None:
                exchange.progress.stopped = "client_disconnected"
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                raise
            if exchange.progress.stopped == "client_disconnected":
                raise _ClientLeft from None
            raise Aborted("the time limit was reached") from None
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def _request(
        self, head: RequestHead, body: bytes, admitted: Admitted
    ) -> tuple[UpstreamRequest, str | None]:
        """Return the request for the provider, and the mask of the key it goes with."""
        provider = admitted.route.provider
        own = admitted.presented.own
        credential, hint = own, admitted.presented.own_hint
        if own is None:
            credential, hint = await self._central(admitted)
        headers = towards_provider(
            head.headers,
            credential=credential,
            central=own is None,
            readable=self._readable,
            user_agent=f"aigw/{__version__}".encode(),
        )
        request = UpstreamRequest(
            provider=provider,
            method=head.method,
            target=admitted.route.target,
            headers=headers,
            body=body,
            released=None,
            first_byte_seconds=provider.first_byte_seconds or self._settings.first_byte_seconds,
            idle_seconds=provider.idle_seconds or self._settings.idle_seconds,
        )
        return request, hint

    async def _central(self, admitted: Admitted) -> tuple[tuple[bytes, bytes] | None, str | None]:
        provider = admitted.route.provider
        if not provider.credentials:
            if provider.type == "openai-compat":
                return None, None
            raise ProviderBroken(f"provider {provider.name} has no key: send your own beside ours")
        try:
            key = await self._secrets.key(provider.credentials[0])
        except PoolFault as fault:
            raise ProviderBroken(str(fault)) from fault
        if provider.runtime_type == "anthropic":
            return (b"x-api-key", key.encode()), mask(key)
        return (b"authorization", b"Bearer " + key.encode()), mask(key)


class Started:
    """``send``, and whether a response has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


def _has_started(send: Send) -> bool:
    return isinstance(send, Started) and send.started


def call_id(clock: Clock) -> str:
    """Return an id for a request that has no record."""
    return uuid7(clock.now())


async def send_own(
    answer: OwnAnswer, send: Send, added: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send one of our own answers. They carry their length: nothing is written behind them."""
    headers = [*answer.headers, *added, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def read_body(head: RequestHead, receive: Receive, most: int) -> bytes:
    """Read the whole body. Raises ``RequestTooLarge``, or ``_ClientLeft`` when it breaks off."""
    too_large = RequestTooLarge(f"the request body is larger than {most} bytes")
    announced = value(head.headers, b"content-length") or b""
    if announced.isdigit() and int(announced) > most:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise too_large
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
