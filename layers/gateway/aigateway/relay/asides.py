"""Work beside a request, and behind it, that must be over before its invocation is."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, final

logger = logging.getLogger(__name__)


@final
class Asides:
    """Tasks of one request. A function is frozen after it, so they are joined at its end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last: list[Callable[[], object]] = []
        self._context = copy_context()

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Start ``work``; its failure is logged and costs nothing else."""
        self.keep(asyncio.create_task(work))

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Take care of a task that somebody else started."""
        self._tasks.add(task)

    def at_once(self, work: Callable[[], object]) -> None:
        """Have ``work`` done by a thread now; its lines are those of ``last``."""
        self.start(asyncio.to_thread(self._context.copy().run, work))

    def last(self, work: Callable[[], object]) -> None:
        """Have ``work`` done by a thread when all else is: nobody waits for it any more."""
        self._last.append(work)

    async def join(self) -> None:
        """Wait for all of them, then for what comes last."""
        while self._tasks:
            tasks, self._tasks = self._tasks, set()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.warning("work aside failed", extra={"error": type(outcome).__name__})
        last, self._last = self._last, []
        for work in last:
            await asyncio.to_thread(work)
