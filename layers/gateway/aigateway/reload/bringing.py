"""Closes one record that was kept elsewhere, and tells who listens."""

import asyncio
import logging
from datetime import timedelta
from typing import final

from aigateway.clock import Clock
from aigateway.errors import LedgerFault
from aigateway.ledger.recovering import recovered
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import LineInvalid, row_in
from aigateway.telemetry.journal import Journal

PATIENCE = timedelta(days=1)
"""A record that the store has not taken for so long keeps nothing else waiting."""

logger = logging.getLogger(__name__)


@final
class NotTaken(LedgerFault):
    """The store does not take a record now; ``is_young``: others may have to wait for it."""

    def __init__(self, interception_id: str, *, is_young: bool) -> None:
        super().__init__(f"the spilled record {interception_id} cannot be stored now")
        self.interception_id = interception_id
        self.is_young = is_young


@final
class Bringing:
    """What reads a file and what reads a log do with each record."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal

    async def bring(self, store: Store, line: bytes) -> bool:
        """Close the record of a line; ``False``: it needs it no more.

        Raises ``LineInvalid``, and ``NotTaken`` where the store does not take it.
        """
        row = await asyncio.to_thread(row_in, line)
        if row.closed is None:
            raise LineInvalid("a record without an end")
        now = self._clock.now()
        try:
            fate, opened = await recovered(store, row.opened, row.closed, now)
        except LedgerFault as fault:
            raise NotTaken(row.id, is_young=now - row.opened.started_at < PATIENCE) from fault
        logger.info("a spilled record: %s", fate, extra={"interception_id": row.id})
        if fate == "imported":
            self._journal.closed(opened, row.closed, stored=True)
        return fate == "imported"
