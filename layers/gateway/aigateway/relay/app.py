"""The ASGI entry of the data plane: probes, the order of checks, recorded or passed through."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol, final

from aigateway.caller.identity import presented
from aigateway.caller.principals import Signer
from aigateway.clock import Clock, uuid7
from aigateway.errors import (
    Answerable,
    GatewayDisabled,
    InternalError,
    LedgerFault,
    MalformedRequest,
    WebSocketNotSupported,
)
from aigateway.ledger.prices import Prices
from aigateway.pool.routes import dialect_of_path
from aigateway.relay.asgi import (
    Aborted,
    ClientLeft,
    Receive,
    Send,
    Started,
    client_leaves,
    read_body,
    send_own,
)
from aigateway.relay.asides import Asides
from aigateway.relay.closing import Progress
from aigateway.relay.exchange import Exchange
from aigateway.relay.include_usage import asking_for_usage
from aigateway.relay.intake import Admitted, Intake, Taken
from aigateway.relay.limits import Limits
from aigateway.relay.outgoing import Outgoing
from aigateway.relay.passthrough import Passthrough
from aigateway.relay.probes import asks_for_websocket, probe_answer
from aigateway.relay.recorder import Accounting
from aigateway.relay.refresh import Refresh
from aigateway.relay.refusals import ID_HEADER, Shape, refused, shape_of
from aigateway.settings import Settings
from aigateway.steps import rejected
from aigateway.telemetry.correlation import correlated
from aigateway.telemetry.journal import Journal
from aigateway.telemetry.spans import note, span
from aigateway.transcript.facts import Outcome
from aigateway.wire.messages import RequestHead, text

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True)
class Call:
    """One request while it is served."""

    head: RequestHead
    receive: Receive
    send: Started
    asides: Asides
    started_at: datetime
    seconds_left: float | None
    signer: Signer | None


class Serving(Protocol):
    """What serves the requests of a process."""

    async def serve(
        self,
        head: RequestHead,
        receive: Receive,
        send: Send,
        left: float | None,
        signer: Signer | None = None,
    ) -> None: ...

    async def drain(self) -> None: ...


@final
class Gateway:
    """The app. ``assembly.build`` puts it together."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        records: Accounting,
        outgoing: Outgoing,
        intake: Intake,
        refresh: Refresh,
        *,
        limits: Limits,
        journal: Journal,
        prices: Prices,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._records = records
        self._outgoing = outgoing
        self._intake = intake
        self._refresh = refresh
        self._limits = limits
        self._journal = journal
        self._prices = prices
        self._passthrough = Passthrough(records, clock)
        self._serving: set[asyncio.Future[None]] = set()

    async def serve(
        self,
        head: RequestHead,
        receive: Receive,
        send: Send,
        left: float | None,
        signer: Signer | None = None,
    ) -> None:
        """Serve one request. ``left``: seconds until the host ends it, ``None`` if it does not.

        ``signer`` is who signed it, if the host has checked a signature. Raises ``Aborted`` when
        the response must end as a cut.
        """
        asides = Asides()
        call = Call(head, receive, Started(send), asides, self._clock.now(), left, signer)
        over = asyncio.get_running_loop().create_future()
        self._serving.add(over)
        try:
            await self._answer(call)
        except ClientLeft:
            return
        finally:
            await asides.join()
            self._serving.discard(over)
            over.set_result(None)

    async def drain(self) -> None:
        """Wait until the records of all requests under way are closed."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=self._settings.close_seconds)

    async def _answer(self, call: Call) -> None:
        head = call.head
        ready = head.path != b"/readyz" or await self._refresh.is_ready()
        probe = probe_answer(head, ready=ready)
        if probe is not None:
            await send_own(probe, call.send)
            return
        admitted: Admitted | None = None
        try:
            self._refuse_early(head)
            await self._refresh.before_request(call.asides)
            shown = presented(head.headers, call.signer)
            with self._limits.place():
                with span("CachedBridgePool.Acquire"):
                    admitted = await self._intake.admit(head, shown, call.asides)
                    caller = admitted.caller
                    note(user_id=caller.initiator_id, api_key_id=caller.key_id)
                if admitted.route.dialect is not None:
                    await self._limits.count(caller.key_id, call.asides)
                await self._relay(call, admitted)
            self._refresh.store_answered(well=True)
        except (Aborted, ClientLeft):
            raise
        except Answerable as error:
            await self._refuse(call, admitted, error)
        except Exception as bug:
            if call.send.started:
                raise Aborted("internal error") from bug
            logger.exception("a request failed in the gateway")
            await self._refuse(call, admitted, InternalError("internal error of the gateway"))

    def _refuse_early(self, head: RequestHead) -> None:
        if not head.is_plain:
            raise MalformedRequest("the target or a header holds a character that none may hold")
        if asks_for_websocket(head):
            raise WebSocketNotSupported("WebSockets are not offered: send the request by POST")
        if not self._settings.enabled:
            raise GatewayDisabled("the gateway is switched off")

    async def _refuse(self, call: Call, admitted: Admitted | None, error: Answerable) -> None:
        if isinstance(error, LedgerFault):
            self._refresh.store_answered(well=False)
            self._records.owe(rejected(error.code))
        else:
            call.asides.start(self._records.count(rejected(error.code)))
        call.asides.last(partial(self._journal.counted, "Rejected", 1))
        own = refused(error, self._shape(call, admitted), uuid7(call.started_at))
        await send_own(own, call.send)

    def _shape(self, call: Call, admitted: Admitted | None) -> Shape:
        """Before the caller is known only the request itself tells the shape."""
        if admitted is None:
            anthropic = text(call.head.headers, b"anthropic-version") is not None
            return shape_of(dialect_of_path(call.head.path), anthropic=anthropic)
        anthropic = admitted.route.provider.runtime_type == "anthropic"
        return shape_of(admitted.route.dialect, anthropic=anthropic)

    async def _relay(self, call: Call, admitted: Admitted) -> None:
        if admitted.route.dialect is None:
            body = await self._body(call)
            sending = await self._outgoing.sending(call.head, body, admitted, call.asides, None)
            relaying = self._passthrough.relay(admitted.route, sending, call.send, call.asides)
            await self._watched(call, Progress(), relaying)
            return
        with span("Intercept.CreateInterceptor"):
            body = await self._body(call)
            taken = self._intake.take(call.head, body, admitted, call.started_at)
        opened = taken.opened
        with correlated(
            interception_id=opened.id,
            session_id=opened.lineage.client_session_id,
            credential_kind=opened.credential.kind,
        ):
            await self._record(call, body, admitted, taken)

    async def _record(self, call: Call, body: bytes, admitted: Admitted, taken: Taken) -> None:
        opened = taken.opened
        sending = await self._outgoing.sending(call.head, body, admitted, call.asides, opened)
        exchange = Exchange(
            self._records,
            sending.upstream,
            self._clock,
            call.asides,
            close_seconds=self._settings.close_seconds,
            keys=sending.keys,
            journal=self._journal,
            prices=self._prices,
        )
        shape = self._shape(call, admitted)
        try:
            if taken.refusal is not None:
                await exchange.record_refusal(opened, taken.refusal)
                raise taken.refusal
            asked = asking_for_usage(sending.request, opened)
            relaying = exchange.relay(opened, asked, call.send)
            with span("Intercept.ProcessRequest"):
                await self._watched(call, exchange.progress, relaying)
        except LedgerFault:
            raise
        except Answerable as error:
            own = refused(error, shape, opened.id)
            await send_own(own, call.send, ((ID_HEADER, opened.id.encode()),))

    async def _body(self, call: Call) -> bytes:
        return await read_body(call.head, call.receive, self._settings.max_request_bytes)

    async def _watched(
        self, call: Call, progress: Progress, work: Coroutine[Any, Any, None]
    ) -> None:
        """Run ``work`` until it is done, the client leaves, or the time is up."""
        running = asyncio.create_task(work)
        leaving = asyncio.create_task(client_leaves(call.receive))
        limit = self._settings.exchange_seconds if call.seconds_left is None else call.seconds_left
        try:
            await asyncio.wait(
                {running, leaving}, timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            if not running.done():
                stopped: Outcome = "client_disconnected" if leaving.done() else "gateway_timeout"
                progress.stopped = stopped
                running.cancel()
            await running
        except asyncio.CancelledError:
            if progress.stopped is None:
                progress.stopped = "gateway_timeout"
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                raise
            if progress.stopped == "client_disconnected":
                raise ClientLeft from None
            raise Aborted("the time limit was reached") from None
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
