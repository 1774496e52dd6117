"""Puts the gateway together and picks every implementation of its parts."""

import logging
import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Protocol, final

from aigateway.caller.principals import signer_of
from aigateway.clock import Clock, SystemClock
from aigateway.errors import LedgerFault, Refusal
from aigateway.ledger import open_store
from aigateway.ledger.prices import Prices
from aigateway.ledger.store import Store
from aigateway.pool.keyring import Keyrings
from aigateway.pool.secrets import Secrets, open_secrets
from aigateway.pool.snapshot import Pool
from aigateway.pool.vault import SECRETS_MANAGER, SecretsManager
from aigateway.relay.app import Gateway, Serving
from aigateway.relay.asgi import Receive, Send
from aigateway.relay.bedrock_upstream import BedrockUpstream
from aigateway.relay.callers import Callers
from aigateway.relay.cooldowns import Cooldowns
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.relay.intake import Intake
from aigateway.relay.limits import Limits
from aigateway.relay.outgoing import Outgoing
from aigateway.relay.recorder import Accounting, Recorder
from aigateway.relay.refresh import Refresh
from aigateway.relay.upstream import Upstream
from aigateway.settings import Settings
from aigateway.steps import rejected
from aigateway.telemetry.correlation import correlated
from aigateway.telemetry.journal import SILENT, Journal
from aigateway.telemetry.spans import Traces
from aigateway.trust import Trust
from aigateway.wire.messages import RequestHead

logger = logging.getLogger(__name__)
BEFORE_DEADLINE_SECONDS = 10.0
"""So long before a function's time limit the record is closed and the stream cut."""


class Links(Protocol):
    """Connections that the store, or the keys, are asked over."""

    async def aclose(self) -> None: ...


@final
class App:
    """ASGI 3. Holds what lives for the process; opened by lifespan, or by the first request."""

    def __init__(
        self,
        gateway: Serving,
        store: Store,
        upstream: Upstream,
        refresh: Refresh,
        *,
        links: Links | None,
        takes_signatures: bool,
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._upstream = upstream
        self._refresh = refresh
        self._links = links
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

    async def count_refused(self, error: Refusal) -> None:
        """Count what the host refused before it was a request."""
        with suppress(LedgerFault):
            await self._store.count(rejected(error.code))

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin without the store if it does not answer: it is opened once it does."""
        await receive()
        await self._refresh.look()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._gateway.drain()
        await self._upstream.aclose()
        await self._store.stop()
        if self._links is not None:
            await self._links.aclose()
        await send({"type": "lifespan.shutdown.complete"})


def _seconds_left(context: Any) -> float | None:  # noqa: ANN401 - the host's own type
    if context is None:
        return None
    left = context.get_remaining_time_in_millis() / 1000
    return float(left - min(BEFORE_DEADLINE_SECONDS, left / 10))


def gateway_of(settings: Settings, environment: Mapping[str, str], journal: Journal) -> App:
    """Return the gateway over the store and the keys that the settings name."""
    if settings.table is None:
        return build(settings, open_store(settings), open_secrets(settings), journal=journal)
    from aigateway.ledger.dynamodb.lean import DYNAMODB  # noqa: PLC0415 - over a table only
    from aigateway.relay.aws_links import AwsLinks  # noqa: PLC0415 - likewise

    clock, trust = SystemClock(), Trust()
    links = AwsLinks(environment, clock, trust)
    upstream = Http1Upstream(clock, settings.allowed_private_cidrs, trust=trust)
    store = open_store(settings, links.to(DYNAMODB))
    secrets = open_secrets(settings, clock, SecretsManager(links.to(SECRETS_MANAGER)))
    return build(settings, store, secrets, clock, upstream, journal, links=links)


def build(
    settings: Settings,
    store: Store,
    secrets: Secrets,
    clock: Clock | None = None,
    upstream: Upstream | None = None,
    journal: Journal = SILENT,
    traces: Traces | None = None,
    *,
    links: Links | None = None,
) -> App:
    """Return the gateway as an ASGI app; ``journal`` hears of its records.

    ``traces`` stands in for what the settings choose. ``links`` are closed with the app.
    """
    clock = clock or SystemClock()
    traces = traces or _traces(settings, clock)
    allowed = settings.allowed_private_cidrs
    upstream = BedrockUpstream(upstream or Http1Upstream(clock, allowed), secrets, clock)
    records: Accounting = Recorder(store, journal)
    if traces is not None:
        from aigateway.relay.traced import TracedRecords, TracedUpstream  # noqa: PLC0415 - off by default

        upstream, records = TracedUpstream(upstream), TracedRecords(records)
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
    gateway: Serving = Gateway(
        settings,
        clock,
        records,
        outgoing,
        intake,
        refresh,
        limits=limits,
        journal=journal,
        prices=Prices(),
    )
    if traces is not None:
        from aigateway.relay.traced import TracedGateway  # noqa: PLC0415 - likewise

        gateway = TracedGateway(gateway, traces, clock)
    for name in settings.unknown:
        logger.warning("unknown variable", extra={"variable": name})
    return App(
        gateway,
        store,
        upstream,
        refresh,
        links=links,
        takes_signatures="iam" in settings.auth_modes,
    )


def _traces(settings: Settings, clock: Clock) -> Traces | None:
    """Return where traces go, if anywhere.

    A gateway serves without the packages for it, too, or with variables that they cannot read.
    """
    if not settings.trace_enable:
        return None
    environment = os.environ  # noqa: TID251 - OpenTelemetry's own variables, and the one Lambda changes
    try:
        if settings.trace_backend == "xray-sdk":
            from aigateway.telemetry.xray import XraySdk  # noqa: PLC0415 - 0.6 s

            traces: Traces = XraySdk(settings, environment)
        else:
            from aigateway.telemetry.tracing import open_tracing  # noqa: PLC0415 - 0.3 s

            traces = open_tracing(settings, clock, environment)
    except (ImportError, ValueError) as fault:
        logger.error("nothing is traced", extra={"error": type(fault).__name__})  # noqa: TRY400 - it may show a variable
        return None
    if settings.trace_logs:
        from aigateway.telemetry.log_events import LogEvents  # noqa: PLC0415 - off by default

        logging.getLogger().addHandler(LogEvents())
    return traces
