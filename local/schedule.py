"""What the schedules of a deployment do, on this machine: reload, sweep, purge, each tick."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import final

from aigateway.clock import Clock
from aigateway.errors import LedgerFault
from aigateway.ledger.store import Store
from aigateway.reload.sweep import purge, sweep
from aigateway.reload.tick import reload_pool

logger = logging.getLogger(__name__)


async def tick(store: Store, clock: Clock) -> None:
    """Run one tick; a part that fails is logged and stops no other, nor the next tick."""
    parts: Mapping[str, Callable[[], Awaitable[int]]] = {
        "reload": lambda: reload_pool(store, clock),
        "sweep": lambda: sweep(store, clock.now()),
        "purge": lambda: purge(store, clock.now()),
    }
    for name, part in parts.items():
        try:
            await part()
        except LedgerFault as fault:
            logger.warning("a scheduled part failed: %s: %s", name, fault)
        except Exception:  # the entry of a scheduled run, as a function's would be
            logger.exception("a scheduled part failed: %s", name)


@final
class Schedule:
    """Runs a tick every ``seconds``, the first at once."""

    def __init__(self, store: Store, clock: Clock, seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._store.start()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await tick(self._store, self._clock)
            await asyncio.sleep(self._seconds)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._store.stop()
