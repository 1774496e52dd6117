"""The store's verbs for records, and an account of those that failed."""

import logging
from collections import Counter
from typing import Literal, final

from aigateway.errors import LedgerFault
from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.store import ParentQuery, Recording
from aigateway.steps import Step, recorder_failed
from aigateway.telemetry.journal import Journal

Verb = Literal["open", "close", "count", "parents"]

logger = logging.getLogger(__name__)


@final
class Recorder:
    """Counts each failure with the next write of counters that the store takes.

    A write without an answer may have arrived: then what it carried is counted again.
    """

    def __init__(self, records: Recording, journal: Journal) -> None:
        self._records = records
        self._journal = journal
        self._owed: Counter[str] = Counter()

    async def open(self, opened: Opened) -> None:
        try:
            await self._records.open(opened)
        except LedgerFault as fault:
            names = {"interception_id": opened.id, "error": type(fault).__name__}
            logger.warning("a record could not be opened, so its request is refused", extra=names)
            self._failed("open")
            raise

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        owed = self._taken()
        try:
            won = await self._records.close(opened, closed, (*steps, *_steps(owed)))
        except LedgerFault:
            self._owed += owed
            self._failed("close")
            raise
        if not won:
            self._owed += owed
        return won

    async def count(self, steps: tuple[Step, ...]) -> None:
        owed = self._taken()
        try:
            await self._records.count((*steps, *_steps(owed)))
        except LedgerFault:
            self._owed += owed
            self._failed("count")
            raise

    async def parents(self, query: ParentQuery) -> Parents | None:
        try:
            return await self._records.parents(query)
        except LedgerFault:
            self._failed("parents")
            raise

    def _taken(self) -> "Counter[str]":
        owed, self._owed = self._owed, Counter()
        return owed

    def _failed(self, verb: Verb) -> None:
        self._owed[verb] += 1
        self._journal.counted("RecorderErrors", 1)


def _steps(owed: "Counter[str]") -> tuple[Step, ...]:
    return tuple(step for verb, times in owed.items() for step in recorder_failed(verb, times))
