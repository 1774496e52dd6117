"""Closes one record that was kept elsewhere, and tells who listens."""

import asyncio
import logging
from typing import final

from aigateway.clock import Clock
from aigateway.ledger.recovering import recovered
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import LineInvalid, row_in
from aigateway.telemetry.journal import Journal

logger = logging.getLogger(__name__)


@final
class Bringing:
    """What reads a file and what reads a log do with each record."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal

    async def bring(self, store: Store, line: bytes) -> bool:
        """Close the record of a line; ``False``: it needs it no more.

        Raises ``LineInvalid`` and ``LedgerFault``.
        """
        row = await asyncio.to_thread(row_in, line)
        if row.closed is None:
            raise LineInvalid("a record without an end")
        fate, opened = await recovered(store, row.opened, row.closed, self._clock.now())
        logger.info("a spilled record: %s", fate, extra={"interception_id": row.id})
        if fate == "imported":
            self._journal.closed(opened, row.closed, stored=True)
        return fate == "imported"
