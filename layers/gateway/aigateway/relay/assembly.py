"""Puts the gateway together and picks every implementation of its parts."""

import logging
from collections.abc import MutableMapping
from typing import Any, final

from aigateway.caller.principals import signer_of
from aigateway.clock import Clock, SystemClock
from aigateway.ledger.prices import Prices
from aigateway.ledger.store import Store
from aigateway.pool.keyring import Keyrings
from aigateway.pool.secrets import Secrets
from aigateway.pool.snapshot import Pool
from aigateway.relay.app import Gateway
from aigateway.relay.asgi import Receive, Send
from aigateway.relay.bedrock_upstream import BedrockUpstream
from aigateway.relay.callers import Callers
from aigateway.relay.cooldowns import Cooldowns
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.relay.intake import Intake
from aigateway.relay.limits import Limits
from aigateway.relay.outgoing import Outgoing
from aigateway.relay.recorder import Recorder
from aigateway.relay.refresh import Refresh
from aigateway.relay.upstream import Upstream
from aigateway.settings import Settings
from aigateway.telemetry.correlation import correlated
from aigateway.telemetry.journal import SILENT, Journal
from aigateway.wire.messages import RequestHead

logger = logging.getLogger(__name__)
BEFORE_DEADLINE_SECONDS = 10.0
"""So long before a function's time limit the record is closed and the stream cut."""


@final
class App:
    """ASGI 3. Holds what lives for the process; opened by lifespan, or by the first request."""

    def __init__(
        self,
        gateway: Gateway,
        store: Store,
        upstream: Upstream,
        refresh: Refresh,
        *,
        takes_signatures: bool,
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._upstream = upstream
        self._refresh = refresh
        self._takes_signatures = takes_signatures

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            query = scope["query_string"]
            target = scope["raw_path"] + (b"?" + query if query else b"")
            head = RequestHead(scope["method"], target, tuple(scope["headers"]))
            signer = signer_of(scope.get("aws.event")) if self._takes_signatures else None
            context = scope.get("aws.context")
            with correlated(function_request_id=context and context.aws_request_id):
                await self._gateway.serve(head, receive, send, _seconds_left(context), signer)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin without the store if it does not answer: it is opened once it does."""
        await receive()
        await self._refresh.look()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._gateway.drain()
        await self._upstream.aclose()
        await self._store.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _seconds_left(context: Any) -> float | None:  # noqa: ANN401 - the host's own type
    if context is None:
        return None
    left = context.get_remaining_time_in_millis() / 1000
    return float(left - min(BEFORE_DEADLINE_SECONDS, left / 10))


def build(
    settings: Settings,
    store: Store,
    secrets: Secrets,
    clock: Clock | None = None,
    upstream: Upstream | None = None,
    journal: Journal = SILENT,
) -> App:
    """Return the gateway as an ASGI app; ``journal`` hears of its records."""
    clock = clock or SystemClock()
    allowed = settings.allowed_private_cidrs
    upstream = BedrockUpstream(upstream or Http1Upstream(clock, allowed), secrets, clock)
    pool, rings = Pool(), Keyrings()
    refresh = Refresh(
        store,
        pool,
        clock,
        poll_seconds=settings.snapshot_poll_seconds,
        allow_byok=settings.allow_byok,
        allowed=allowed,
        cooldowns=Cooldowns(store, rings, clock),
    )
    intake = Intake(settings, pool, Callers(store, clock, settings.key_cache_seconds))
    limits = Limits(
        store,
        clock,
        concurrency=settings.max_concurrency,
        per_second=settings.requests_per_second,
    )
    outgoing = Outgoing(settings, secrets, upstream, rings, store, clock)
    recorder, prices = Recorder(store, journal), Prices()
    gateway = Gateway(
        settings,
        clock,
        recorder,
        outgoing,
        intake,
        refresh,
        limits=limits,
        journal=journal,
        prices=prices,
    )
    for name in settings.unknown:
        logger.warning("unknown variable", extra={"variable": name})
    return App(gateway, store, upstream, refresh, takes_signatures="iam" in settings.auth_modes)
