"""The store's verbs for records, and an account of those that failed."""

import logging
from collections import Counter
from dataclasses import replace
from typing import Literal, Protocol, final

from aigateway.errors import LedgerFault
from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.store import ParentQuery, Recording
from aigateway.steps import Step, recorder_failed, spilled
from aigateway.telemetry.journal import Journal

Verb = Literal["open", "close", "late", "count", "parents"]

logger = logging.getLogger(__name__)


class Accounting(Recording, Protocol):
    """Recording that counts later what it cannot count now."""

    def owe(self, steps: tuple[Step, ...]) -> None:
        """Add steps with the next write of counters that the store takes."""


@final
class Recorder:
    """Counts each failure with the next write of counters that the store takes.

    A write without an answer may have arrived: then what it carried is counted again.
    """

    def __init__(self, records: Recording, journal: Journal) -> None:
        self._records = records
        self._journal = journal
        self._owed: Counter[Step] = Counter()

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
            won = await self._records.close(opened, closed, (*steps, *owed))
        except LedgerFault:
            self.owe((*owed, *spilled()))
            self._failed("close")
            raise
        if not won:
            self.owe(owed)
        return won

    async def late(self, opened: Opened, closed: Closed) -> bool:
        try:
            return await self._records.late(opened, closed)
        except LedgerFault:
            self.owe(spilled())
            self._failed("late")
            raise

    async def count(self, steps: tuple[Step, ...]) -> None:
        owed = self._taken()
        try:
            await self._records.count((*steps, *owed))
        except LedgerFault:
            self.owe(owed)
            self._failed("count")
            raise

    async def parents(self, query: ParentQuery) -> Parents | None:
        try:
            return await self._records.parents(query)
        except LedgerFault:
            self._failed("parents")
            raise

    def owe(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            self._owed[replace(step, amount=1)] += step.amount

    def _taken(self) -> tuple[Step, ...]:
        owed, self._owed = self._owed, Counter()
        return tuple(replace(step, amount=times) for step, times in owed.items())

    def _failed(self, verb: Verb) -> None:
        self.owe(recorder_failed(verb))
        self._journal.counted("RecorderErrors", 1)
