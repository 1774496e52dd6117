"""One recorded exchange, in its order.

    open the record ─┬─▶ durable ─▶ the provider gets the last byte of the body
    send the request ┘              answer ─▶ head out ─▶ each chunk: client first, scribe second
                                    end of chunks ─▶ close the record ─▶ end of the body

Until the record is durable the provider holds an incomplete request, and no byte of an answer
leaves. From then on every way out closes the record: the end, a cut, a client that left, the
time limit, a provider that cannot be reached.
"""

import asyncio
import logging
from collections.abc import Generator, MutableMapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, final

from aigateway.clock import Clock
from aigateway.errors import (
    Answerable,
    LedgerFault,
    RecorderUnavailable,
    UpstreamCut,
    UpstreamFault,
)
from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.store import ParentQuery, Recording
from aigateway.relay.asgi import Aborted, Send
from aigateway.relay.asides import Asides
from aigateway.relay.closing import Progress, closed_by_refusal, closed_by_scribe
from aigateway.relay.doubts import warn_of
from aigateway.relay.include_usage import Withholding, withholding_for
from aigateway.relay.refusals import ID_HEADER
from aigateway.relay.scribe import Readers, Scribe
from aigateway.relay.upstream import Answer, KeysUsed, Upstream, UpstreamRequest
from aigateway.steps import steps_of_closing
from aigateway.telemetry.journal import Journal
from aigateway.transcript.reader import reader_for
from aigateway.wire.headers import towards_client
from aigateway.wire.messages import ResponseHead, value

logger = logging.getLogger(__name__)

LOOK_UP_SECONDS = 0.15
LOOK_AGAIN_SECONDS = 0.05
LATE_LOOK_UP_SECONDS = 1.0
"""How long a closing waits for the parents; past it the sweep looks for them."""

STREAM_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class Pricing(Protocol):
    """What knows what answers cost."""

    def priced(self, opened: Opened, closed: Closed) -> Closed:
        """Return the closing with the costs of its tokens, as far as they have a price."""


@final
class Release:
    """Awaiting it waits for the record; a waiter that is cancelled leaves the write alone."""

    def __init__(self, opening: asyncio.Task[Opened]) -> None:
        self._opening = opening

    def __await__(self) -> Generator[Any, None, Opened]:
        return asyncio.shield(self._opening).__await__()


@final
class Exchange:
    """The live work on one request."""

    def __init__(
        self,
        records: Recording,
        upstream: Upstream,
        clock: Clock,
        asides: Asides,
        *,
        close_seconds: float,
        keys: KeysUsed,
        journal: Journal,
        prices: Pricing,
        readers: Readers = reader_for,
    ) -> None:
        self._readers = readers
        self._records = records
        self._upstream = upstream
        self._clock = clock
        self._asides = asides
        self._close_seconds = close_seconds
        self._keys = keys
        self._journal = journal
        self._prices = prices
        self._late: asyncio.Task[Parents | None] | None = None
        self.progress = Progress()

    async def relay(self, opened: Opened, request: UpstreamRequest, send: Send) -> None:
        """Run the exchange.

        Raises what the client must be told while nothing has been sent: ``LedgerFault`` (there
        is no record) and ``UpstreamFault`` (the record is closed); ``Aborted`` for a cut.
        """
        opening = asyncio.create_task(self._open(opened))
        answering = asyncio.create_task(
            self._upstream.send(replace(request, released=Release(opening)))
        )
        try:
            opened = await asyncio.shield(opening)
        except LedgerFault:
            await _abandon(answering)
            raise
        except asyncio.CancelledError:
            await _abandon(answering)
            self._asides.start(self._close_aside(opening))
            raise
        if (load := self._journal.loading()) is not None:
            self._asides.start(asyncio.to_thread(load))
        try:
            cut = await self._forward(opened, request, answering, send)
        except UpstreamFault as fault:
            closed = closed_by_refusal(opened, fault, self._clock.now(), self._keys)
            await self._close(opened, closed)
            raise
        except BaseException:
            await _abandon(answering)
            await self._close(opened, self._closed(opened, cut=True))
            raise
        await self._close(opened, self._closed(opened, cut=cut))
        if cut:
            raise Aborted("the provider broke off")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def record_refusal(self, opened: Opened, refusal: Answerable) -> None:
        """Record a request that the gateway answers itself. Raises ``LedgerFault``."""
        opened = await self._open(opened)
        await self._close(opened, closed_by_refusal(opened, refusal, self._clock.now()))

    async def _open(self, opened: Opened) -> Opened:
        query = ParentQuery.of(opened)
        if query is not None and query.client_session_id is None:
            parents = await self._parents_in_time(query)
            opened = replace(opened, parents=parents)
        elif query is not None:
            self._late = asyncio.create_task(self._records.parents(query))
            self._asides.keep(self._late)
        try:
            await self._records.open(opened)
        except LedgerFault as fault:
            raise RecorderUnavailable("the record of this request cannot be written") from fault
        return opened

    async def _parents_in_time(self, query: ParentQuery) -> Parents | None:
        """Look once, and once more a little later; without an answer in time it is a root."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                found = await self._records.parents(query)
                if found is None and query.call_ids:
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
                    found = await self._records.parents(query)
                return found
        except (TimeoutError, LedgerFault):
            return None

    async def _forward(
        self,
        opened: Opened,
        request: UpstreamRequest,
        answering: asyncio.Task[Answer],
        send: Send,
    ) -> bool:
        """Forward the answer to its end; whether it broke off."""
        answer = await answering
        now = self.progress
        now.head, now.judge = answer.head, answer.take_judge()
        now.scribe = Scribe(
            answer.head,
            opened.dialect,
            streaming=opened.streaming,
            clock=self._clock,
            readers=self._readers,
        )
        passing = withholding_for(request, answer.head)
        cut = False
        try:
            await send(start_of(answer.head, opened))
            try:
                await self._forward_chunks(answer, passing, now.scribe, send)
            except UpstreamCut:
                cut = True
            await self._deliver(passing.rest(), send)
        finally:
            now.delivered_bytes += passing.withheld_bytes
            await answer.aclose()
        return cut

    async def _forward_chunks(
        self, answer: Answer, passing: Withholding, scribe: Scribe, send: Send
    ) -> None:
        async for chunk in answer.chunks:
            if self.progress.first_byte_at is None:
                self.progress.first_byte_at = self._clock.now()
            try:
                await self._deliver(passing.forward(chunk), send)
            finally:
                scribe.hear(chunk)

    async def _deliver(self, chunk: bytes, send: Send) -> None:
        """Send a chunk; a client that is gone stops nothing: the rest is read and recorded."""
        now = self.progress
        if now.unreachable or not chunk:
            return
        try:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except OSError:
            now.unreachable = True
        else:
            now.delivered_bytes += len(chunk)

    def _closed(self, opened: Opened, *, cut: bool) -> Closed:
        now = self.progress
        if now.scribe is not None:
            now.scribe.end(cut=cut)
        closed = closed_by_scribe(opened, now, ended_at=self._clock.now(), keys=self._keys, cut=cut)
        if now.judge is not None:
            now.judge.closed(closed)
        return closed

    async def _close(self, opened: Opened, closed: Closed) -> None:
        """Close the record within the bound; past it the write goes on aside."""
        closing = asyncio.create_task(self._write_closing(opened, closed))
        self._asides.keep(closing)
        await asyncio.wait({closing}, timeout=self._close_seconds)

    async def _write_closing(self, opened: Opened, closed: Closed) -> None:
        closed = self._priced(opened, await self._with_late_parents(opened, closed))
        telling = partial(self._journal.closed, opened, closed)
        try:
            if await self._records.close(opened, closed, steps_of_closing(opened, closed)):
                warn_of(opened, closed)
                self._asides.last(partial(telling, stored=True))
            else:
                await self._records.late(opened, closed)
        except Exception as fault:
            self._asides.at_once(partial(telling, stored=False))
            if not isinstance(fault, LedgerFault):
                raise
            logger.error(  # noqa: TRY400 - the text of a store's error may name more than we log
                "the closing record could not be written",
                extra={"interception_id": opened.id, "error": type(fault.__cause__).__name__},
            )

    def _priced(self, opened: Opened, closed: Closed) -> Closed:
        try:
            return self._prices.priced(opened, closed)
        except Exception as bug:  # noqa: BLE001 - a broken price may cost an amount, never a record
            logger.error(  # noqa: TRY400 - the text of an error may quote what was priced
                "an answer could not be priced",
                extra={"interception_id": opened.id, "error": type(bug).__name__},
            )
            return closed

    async def _with_late_parents(self, opened: Opened, closed: Closed) -> Closed:
        """Add what the look-up beside the request found; ask once more if it was nothing."""
        query = ParentQuery.of(opened)
        if self._late is None or query is None:
            return closed
        try:
            async with asyncio.timeout(LATE_LOOK_UP_SECONDS):
                found = await self._late or await self._records.parents(query)
        except (TimeoutError, LedgerFault):
            return replace(closed, parents_unknown=True)
        return replace(closed, parents=found)

    async def _close_aside(self, opening: asyncio.Task[Opened]) -> None:
        """Close a record whose client left before it was durable."""
        try:
            opened = await opening
        except LedgerFault:
            return
        await self._close(opened, self._closed(opened, cut=True))


async def _abandon(answering: asyncio.Task[Answer]) -> None:
    """Stop a request on its way, and abort its connection."""
    answering.cancel()
    (outcome,) = await asyncio.gather(answering, return_exceptions=True)
    if isinstance(outcome, Answer):
        await outcome.aclose()


def start_of(head: ResponseHead, opened: Opened) -> MutableMapping[str, Any]:
    """Return the start of the response: the provider's head, and the id of the record."""
    headers = towards_client(head.headers, ((ID_HEADER, opened.id.encode()),))
    if opened.streaming and value(head.headers, b"content-type") is None:
        headers += STREAM_HEADERS
    return {"type": "http.response.start", "status": head.status, "headers": list(headers)}
