"""The scheduled function: first key and seed, provider pool, orphans."""

import asyncio
import contextlib
import os
from typing import Any

from aigateway.clock import SystemClock
from aigateway.errors import LedgerFault
from aigateway.ledger import open_store
from aigateway.reload.tick import tick_of
from aigateway.settings import Settings
from aigateway.telemetry.assembly import begun
from aigateway.telemetry.correlation import correlated

settings = Settings.from_env(os.environ)
tick = tick_of(settings, SystemClock(), begun(settings))


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Run one tick; a run that a provider change triggered only reloads."""
    with correlated(function_request_id=getattr(context, "aws_request_id", None)):
        return asyncio.run(_run(only_reload=event.get("reason") == "changed"))


async def _run(*, only_reload: bool) -> dict[str, int]:
    store = open_store(settings)
    with contextlib.suppress(LedgerFault):  # the tick runs into the same, and tells who listens
        await store.start()
    try:
        counted = await tick.run(store, only_reload=only_reload)
    finally:
        await store.stop()
    return {"version": counted["reload"], "orphans_closed": counted.get("sweep", 0)}
