"""One tick of the scheduled function in a process of its own, at a later time than it is.

``python -m tests.monitoring.ticking SECONDS`` runs it so many seconds ahead and prints what its
parts counted, and how long the publishing took, as JSON.
"""

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import final

from aigateway.ledger import open_store
from aigateway.ledger.store import Store
from aigateway.reload.tick import tick_of
from aigateway.settings import Settings


@final
class ClockAhead:
    """The machine's time, and some."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def monotonic(self) -> float:
        return time.monotonic()


async def ticked(seconds: float) -> dict[str, float]:
    settings = Settings.from_env(os.environ)
    tick = tick_of(settings, ClockAhead(seconds))
    publish, spent = tick._endings["publish"], 0.0

    async def timed(store: Store) -> int:
        nonlocal spent
        began = time.perf_counter()
        published = await publish(store)
        spent = time.perf_counter() - began
        return published

    tick._endings = {"publish": timed}
    store = open_store(settings)
    await store.start()
    try:
        return {**await tick.run(store), "seconds": spent}
    finally:
        await store.stop()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(ticked(float(sys.argv[1])))))
