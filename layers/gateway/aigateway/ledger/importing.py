"""Records of a file into a store: what is new is added, what is there is compared, never changed.

Counters are not moved: they say what this deployment's gateways did. Only the names in them are
made known, because lists of names are read from there.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, final

from aigateway.clock import Clock
from aigateway.interception import Closed, Opened
from aigateway.ledger.rows import Interception
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import EVERYTHING, line_of
from aigateway.steps import CLOSED, Step, steps_of_closing

Fate = Literal["imported", "completed", "present", "expired", "different"]
"""``completed``: it was in flight here and has its end now. ``different``: of the same id, left
as it is."""


@final
class Importer:
    """Takes records in any order, each as often as anybody likes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._keeping = store.keeping()
        self._clock = clock
        self._named: set[tuple[str, ...]] = set()

    async def take(self, rows: Iterable[Interception]) -> list[tuple[Interception, Fate]]:
        """Store some records, the sessions side by side; return what became of each."""
        sessions: dict[str, list[Interception]] = {}
        for row in rows:
            sessions.setdefault(row.opened.session_key, []).append(row)

        async def in_turn(members: list[Interception]) -> list[tuple[Interception, Fate]]:
            return [(row, await self._take_one(row)) for row in members]

        fates = await asyncio.gather(*map(in_turn, sessions.values()))
        return [fate for session in fates for fate in session]

    async def _take_one(self, row: Interception) -> Fate:
        opened, closed, now = row.opened, row.closed, self._clock.now()
        if opened.expires_at is not None and opened.expires_at <= now:
            return "expired"
        if closed is not None:
            await self._make_known(opened, closed)
        if await self._keeping.restore(opened, closed):
            return "imported"
        found = await self._store.interception(row.id, EVERYTHING, now)
        if found is None:
            return "expired"
        if _line(found) == _line(row):
            return "present"
        if _line(replace(found, closed=None)) != _line(replace(row, closed=None)):
            return "different"
        if closed is None:
            return "present"
        if found.closed is None and await self._store.close(found.opened, closed, ()):
            return "completed"
        return "different"

    async def _make_known(self, opened: Opened, closed: Closed) -> None:
        """Add nothing to the counter that counts such records: its key is there afterwards."""
        key = steps_of_closing(opened, closed)[0].key
        if key not in self._named:
            await self._store.count((Step(CLOSED, key, "c", 0),))
            self._named.add(key)


def _line(row: Interception) -> bytes:
    """Return what is compared: an expiry may have been rewritten since."""
    return line_of(replace(row, opened=replace(row.opened, expires_at=None), payload_error=None))
