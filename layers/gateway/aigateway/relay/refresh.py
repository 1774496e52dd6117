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
    request waits for a look; so does any while there is no snapshot at all.
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

    async def is_ready(self) -> bool:
        """A pool is loaded, and the store answered when it was last asked.

        Where it is not so, the store is asked again, at most once a second: anybody may probe.
        """
        if not self._is_well and self._clock.monotonic() - self._looked_at >= 1:
            await self.look()
        return self._is_well

    @property
    def _is_well(self) -> bool:
        return self._pool.version > 0 and self._store_answers

    def store_answered(self, *, well: bool) -> None:
        """Note how the store answered a call of somebody else's."""
        self._store_answers = well

    async def before_request(self, asides: Asides) -> None:
        """Start a look if one is due; wait for it only where nothing can be served without."""
        waited = self._clock.monotonic() - self._looked_at
        due = waited >= self._poll_seconds or self._pool.version == 0
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
