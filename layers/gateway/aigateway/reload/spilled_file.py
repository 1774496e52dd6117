"""Brings home the records that gateways on this machine could not store, from their file."""

import asyncio
import logging
from typing import final

from aigateway.clock import Clock
from aigateway.ledger.spill_file import SpillFile, is_whole
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import LineInvalid
from aigateway.reload.bringing import Bringing, NotTaken
from aigateway.telemetry.journal import Journal

RECORDS_A_RUN = 100
FAULTS_A_RUN = 3
"""So many records that the store does not take, and the others are not tried either."""

logger = logging.getLogger(__name__)


@final
class FromFile:
    """Closes the records of a file, oldest first, some at a run.

    One that cannot be stored now goes to the end of the file, and so does a line that this
    release cannot read; one that was never finished goes for good. ``is_behind``: after the last
    run there were some that it did not try, or that the store may take soon. Where none that
    it tried will ever be closed nothing waits for the others, or a file of a newer release would
    hold up every sweep.
    """

    def __init__(self, file: SpillFile, clock: Clock, journal: Journal) -> None:
        self._file = file
        self._bringing = Bringing(clock, journal)
        self.is_behind = False

    async def run(self, store: Store) -> int:
        """Return how many records were closed. Raises the last ``LedgerFault``, at the end."""
        self.is_behind = False
        stretch = await asyncio.to_thread(self._file.first, RECORDS_A_RUN)
        closed, handled, torn = 0, 0, int(bool(stretch.torn))
        kept: list[bytes] = []
        faults: list[NotTaken] = []
        while handled < len(stretch.lines) and len(faults) < FAULTS_A_RUN:
            line = stretch.lines[handled]
            handled += 1
            try:
                closed += await self._bringing.bring(store, line)
            except LineInvalid:
                if is_whole(line):
                    kept.append(line)
                else:
                    torn += 1
            except NotTaken as fault:
                kept.append(line)
                faults.append(fault)
        is_all_tried = handled == len(stretch.lines) and not stretch.has_more
        is_moving = len(kept) < handled
        self.is_behind = (is_moving and not is_all_tried) or any(each.is_young for each in faults)
        if is_moving or torn or not is_all_tried:
            await asyncio.to_thread(self._file.take, stretch, handled, kept)
        if torn:
            logger.warning("%d spilled lines were never finished, and are gone", torn)
        if unread := len(kept) - len(faults):
            logger.warning("%d spilled lines cannot be read, and stay", unread)
        if faults:
            raise faults[-1]
        return closed
