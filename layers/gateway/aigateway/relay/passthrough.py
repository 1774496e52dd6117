"""An allow-listed request that is relayed and counted, not recorded."""

from typing import final

from aigateway.clock import Clock
from aigateway.errors import UpstreamCut
from aigateway.ledger.store import Recording
from aigateway.pool.routes import Route
from aigateway.relay.asgi import Aborted, Send
from aigateway.relay.asides import Asides
from aigateway.relay.outgoing import Sending
from aigateway.steps import passed_through
from aigateway.wire.headers import towards_client


@final
class Passthrough:
    """Relays without listening."""

    def __init__(self, records: Recording, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def relay(self, route: Route, sending: Sending, send: Send, asides: Asides) -> None:
        """Relay one request. Raises ``UpstreamFault`` before the head, ``Aborted`` for a cut."""
        began = self._clock.monotonic()
        try:
            await self._forward(sending, send)
        finally:
            seconds = self._clock.monotonic() - began
            called = route.provider.name, route.template, sending.request.method
            asides.start(self._records.count(passed_through(*called, seconds, sending.keys.tried)))

    async def _forward(self, sending: Sending, send: Send) -> None:
        answer = await sending.upstream.send(sending.request)
        try:
            headers = list(towards_client(answer.head.headers))
            status = answer.head.status
            await send({"type": "http.response.start", "status": status, "headers": headers})
            async for chunk in answer.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except UpstreamCut as cut:
            raise Aborted("the provider broke off") from cut
        finally:
            await answer.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
