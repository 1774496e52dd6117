"""Keeps the pool fresh: looks for a newer snapshot, off the path of requests."""

import asyncio
import logging
from datetime import datetime
from typing import final

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import LedgerFault, SnapshotUnreadable
from aigateway.ledger.store import Store
from aigateway.pool.snapshot import Pool, check, snapshot_from
from aigateway.relay.asides import Asides
from aigateway.relay.cooldowns import Cooldowns

logger = logging.getLogger(__name__)
EARLY = 0.5
"""A look is due at this part of the interval: so nobody waits for it where there is traffic."""

WAITED_SECONDS = 1.0
"""So long a request waits where a whole interval went by without one, and then goes on."""


@final
class Refresh:
    """Loads the published snapshot at the start, and a newer one off the path of requests.

    A request goes by what was published ``poll_seconds`` before it: one that finds an older pool,
    in a process that was idle or frozen, waits for a look, for a second at most.

    A look that fails, or finds a damaged snapshot, keeps the last good one, without limit of time.
    With 0 seconds each request waits for a look that began after it; any waits while there is no
    snapshot at all. Ages go by the wall clock: another may stand still while a process is frozen.

    The store is opened by the first look that can.
    """

    def __init__(
        self,
        store: Store,
        pool: Pool,
        clock: Clock,
        *,
        poll_seconds: float,
        allow_byok: bool,
        allowed: tuple[Network, ...],
        cooldowns: Cooldowns,
    ) -> None:
        self._store = store
        self._pool = pool
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._allow_byok = allow_byok
        self._allowed = allowed
        self._cooldowns = cooldowns
        self._looked_at: datetime | None = None
        self._looking: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._is_open = False
        self._store_answers = False
        self._loaded = (0, "")

    async def is_ready(self) -> bool:
        """A pool is loaded, and the store answered when it was last asked.

        Where it is not so, the store is asked again, at most once a second: anybody may probe.
        """
        if not self._is_well and self._age_seconds >= 1:
            await self.look()
        return self._is_well

    @property
    def _is_well(self) -> bool:
        return self._pool.version > 0 and self._store_answers

    @property
    def _age_seconds(self) -> float:
        """Since the last look began; without one, or where the clock went back, very old."""
        if self._looked_at is None:
            return float("inf")
        seconds = (self._clock.now() - self._looked_at).total_seconds()
        return seconds if seconds >= 0 else float("inf")

    def store_answered(self, *, well: bool) -> None:
        """Note how the store answered a call of somebody else's."""
        self._store_answers = well

    async def before_request(self, asides: Asides) -> None:
        """Start a look if one is due; wait for it only where what is there may not serve."""
        if self._poll_seconds == 0 and self._under_way is not None:
            await asyncio.shield(self._under_way)
        age = self._age_seconds
        due = age >= EARLY * self._poll_seconds or self._pool.version == 0
        if due and self._under_way is None:
            self._looking = asyncio.create_task(self.look())
        looking = self._under_way
        if looking is None:
            return
        if self._poll_seconds == 0 or self._pool.version == 0:
            await asyncio.shield(looking)
            return
        asides.keep(looking)
        if age >= self._poll_seconds:
            await asyncio.wait({looking}, timeout=WAITED_SECONDS)

    @property
    def _under_way(self) -> asyncio.Task[None] | None:
        """The look that a request began, while it is under way."""
        return None if self._looking is None or self._looking.done() else self._looking

    async def look(self) -> None:
        """Load the published snapshot if it is another than ours, and which keys cool.

        One look at a time.
        """
        async with self._turn:
            self._looked_at = self._clock.now()
            try:
                await self._load()
                if self._pool.version:
                    await self._cooldowns.look(self._pool.current())
                self._store_answers = True
            except LedgerFault as fault:
                self._store_answers = False
                logger.warning("the provider pool could not be looked up: %s", fault)

    async def _load(self) -> None:
        if not self._is_open:
            await self._store.start()
            self._is_open = True
        state = await self._store.reload_state()
        if (state.version, state.digest) == self._loaded:
            return
        try:
            published = await self._store.published()
            if published is None:
                return
            check(published.document, published.digest)
            snapshot = snapshot_from(
                published.version,
                published.document,
                allow_byok=self._allow_byok,
                allowed=self._allowed,
            )
        except SnapshotUnreadable as damaged:
            logger.error("snapshot unreadable: %s", damaged)  # noqa: TRY400 - the message says it all
            return
        self._pool.replace(snapshot)
        self._loaded = (published.version, published.digest)
