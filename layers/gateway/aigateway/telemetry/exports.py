"""Sending spans away within a bound, whatever the one who takes them does.

A request waits for its spans 1.1 s at most: a function is frozen after it, and nothing runs then.
After two failures in a row none are sent for a minute. While an earlier sending still hangs none
are sent either, so there is one thread at most. Spans that are not sent are lost.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar, final

from aigateway.clock import Clock

DEADLINE_SECONDS = 1.1
MOST_FAILURES = 2
PAUSE = timedelta(seconds=60)
MOST_WAITING = 2048
"""So many spans wait for a sending to end; in a function none ever do."""

Item = TypeVar("Item")
logger = logging.getLogger(__name__)


@final
@dataclass(slots=True)
class _Batch(Generic[Item]):
    """``is_late``: nobody waits for it any more, and it counts as failed."""

    items: list[Item] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    is_late: bool = False


@final
class Exports(Generic[Item]):
    """Calls ``export`` in a thread, with all that came while the last call lasted.

    ``export`` returns whether it went well. The pause goes by the wall clock: a process may be
    frozen in between.
    """

    def __init__(
        self,
        export: Callable[[list[Item]], bool],
        clock: Clock,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._export = export
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._collecting: _Batch[Item] = _Batch()
        self._running: _Batch[Item] | None = None
        self._failures = 0
        self._failed_at: datetime | None = None

    async def send(self, items: list[Item]) -> None:
        """Send them, or lose them."""
        batch = self._collecting
        hangs = self._running is not None and self._running.is_late
        if hangs or self._is_paused or len(batch.items) + len(items) > MOST_WAITING:
            return
        batch.items += items
        if self._running is None:
            self._start()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await batch.done.wait()
        except TimeoutError:
            if batch is self._running and not batch.is_late:
                batch.is_late = True
                self._judge(well=False)

    def _start(self) -> None:
        batch, self._collecting = self._collecting, _Batch()
        self._running = batch
        loop = asyncio.get_running_loop()

        def work() -> None:
            try:
                well = self._export(batch.items)
            except Exception:  # noqa: BLE001 - a library's failure is one more failure
                well = False
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(self._finished, batch, well)

        threading.Thread(target=work, name="spans", daemon=True).start()

    def _finished(self, batch: _Batch[Item], well: bool) -> None:  # noqa: FBT001 - the loop calls by position
        self._running = None
        if not batch.is_late:
            self._judge(well=well)
        batch.done.set()
        if self._collecting.items and not self._is_paused:
            self._start()
        else:
            self._collecting.done.set()
            self._collecting = _Batch()

    def _judge(self, *, well: bool) -> None:
        self._failures = 0 if well else self._failures + 1
        self._failed_at = None if well else self._clock.now()
        if not well:
            logger.warning("spans could not be sent", extra={"failures": self._failures})

    @property
    def _is_paused(self) -> bool:
        if self._failures < MOST_FAILURES or self._failed_at is None:
            return False
        return timedelta() <= self._clock.now() - self._failed_at < PAUSE
