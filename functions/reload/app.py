"""The scheduled function: reloads the provider pool, closes orphans."""

import asyncio
import os
from typing import Any

from aigateway.clock import SystemClock
from aigateway.ledger import open_store
from aigateway.reload.sweep import sweep
from aigateway.reload.tick import reload_pool
from aigateway.settings import Settings

settings = Settings.from_env(os.environ)


def handler(event: dict[str, Any], context: object) -> dict[str, int]:  # noqa: ARG001 - Lambda's form
    """Run one tick; a run that a provider change triggered only reloads."""
    return asyncio.run(_run(only_reload=event.get("reason") == "changed"))


async def _run(*, only_reload: bool) -> dict[str, int]:
    store, clock = open_store(settings), SystemClock()
    await store.start()
    closed = 0
    try:
        try:
            version = await reload_pool(store, clock)
        finally:
            if not only_reload:
                closed = await sweep(store, clock.now())
    finally:
        await store.stop()
    return {"version": version, "orphans_closed": closed}
