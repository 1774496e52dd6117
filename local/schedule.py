"""What the schedules of a deployment do, on this machine."""

import asyncio
import contextlib
from typing import final

from aigateway.ledger.store import Store
from aigateway.reload.tick import Tick


@final
class Schedule:
    """Runs a tick every ``seconds``, the first at once."""

    def __init__(self, store: Store, tick: Tick, seconds: float) -> None:
        self._store = store
        self._tick = tick
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._store.start()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # the tick has logged it; the next one may do
                await self._tick.run(self._store)
            await asyncio.sleep(self._seconds)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._store.stop()
