"""Keeps the pool fresh: looks for a newer snapshot, off the path of requests."""

import asyncio
import logging
from typing import final

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import LedgerFault
from aigateway.ledger.store import Directory
from aigateway.pool.snapshot import Pool, snapshot_from
from aigateway.relay.asides import Asides

logger = logging.getLogger(__name__)


@final
class Refresh:
    """Loads the published snapshot at the start, and a newer one at most every ``poll_seconds``.

    A look that fails keeps the last good snapshot, without limit of time. With 0 seconds each
    request waits for a look of its own.
    """

    def __init__(
        self,
        directory: Directory,
        pool: Pool,
        clock: Clock,
        *,
        poll_seconds: float,
        allow_byok: bool,
        allowed: tuple[Network, ...],
    ) -> None:
        self._directory = directory
        self._pool = pool
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._allow_byok = allow_byok
        self._allowed = allowed
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._store_answers = False

    @property
    def is_ready(self) -> bool:
        """A pool is loaded, and the store answered when it was last asked."""
        return self._pool.version > 0 and self._store_answers

    async def before_request(self, asides: Asides) -> None:
        """Start a look if one is due; wait for it only where nothing can be served without."""
        due = self._clock.monotonic() - self._looked_at >= self._poll_seconds
        if due and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self.look())
        if self._looking is not None and not self._looking.done():
            if self._poll_seconds == 0 or self._pool.version == 0:
                await asyncio.shield(self._looking)
            else:
                asides.keep(self._looking)

    async def look(self) -> None:
        """Load the published snapshot if it is another than ours."""
        self._looked_at = self._clock.monotonic()
        try:
            state = await self._directory.reload_state()
            if state.version != self._pool.version:
                published = await self._directory.published()
                if published is not None:
                    self._pool.replace(
                        snapshot_from(
                            published.version,
                            published.document,
                            allow_byok=self._allow_byok,
                            allowed=self._allowed,
                        )
                    )
            self._store_answers = True
        except LedgerFault:
            self._store_answers = False
            logger.warning("the provider pool could not be looked up")
