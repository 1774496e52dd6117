"""Brings home the records that gateways on this machine could not store, from their file."""

import asyncio
import logging
from typing import final

from aigateway.clock import Clock
from aigateway.errors import LedgerFault
from aigateway.ledger.spill_file import SpillFile, Stretch
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import LineInvalid
from aigateway.reload.bringing import Bringing
from aigateway.telemetry.journal import Journal

RECORDS_A_RUN = 100
FAULTS_A_RUN = 3
"""So many records that the store does not take, and the others are not tried either."""

logger = logging.getLogger(__name__)


@final
class FromFile:
    """Closes the records of a file, oldest first, some at a run.

    One that cannot be stored now goes to the end of the file, and so does a line that this
    release cannot read. ``is_behind``: after the last run there were some that it did not try.
    """

    def __init__(self, file: SpillFile, clock: Clock, journal: Journal) -> None:
        self._file = file
        self._bringing = Bringing(clock, journal)
        self.is_behind = False

    async def run(self, store: Store) -> int:
        """Return how many records were closed. Raises the last ``LedgerFault``, at the end."""
        stretch = await asyncio.to_thread(self._file.first, RECORDS_A_RUN)
        closed = handled = 0
        kept: list[bytes] = []
        faults: list[LedgerFault] = []
        while handled < len(stretch.lines) and len(faults) < FAULTS_A_RUN:
            line = stretch.lines[handled]
            handled += 1
            try:
                closed += await self._bringing.bring(store, line)
            except LineInvalid:
                kept.append(line)
            except LedgerFault as fault:
                kept.append(line)
                faults.append(fault)
        self.is_behind = stretch.has_more or handled < len(stretch.lines)
        await self._take_away(stretch, handled, kept)
        if unread := len(kept) - len(faults):
            logger.warning("%d spilled lines cannot be read, and stay", unread)
        if faults:
            raise faults[-1]
        return closed

    async def _take_away(self, stretch: Stretch, handled: int, kept: list[bytes]) -> None:
        if stretch.torn:
            logger.warning("a spilled line was never finished: %d bytes", len(stretch.torn))
        if len(kept) < handled or stretch.torn or self.is_behind:
            await asyncio.to_thread(self._file.take, stretch, handled, kept)
