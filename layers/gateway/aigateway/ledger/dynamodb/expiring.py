"""Another expiry for what is stored: the walk goes over days, so no activity moves anything."""

import asyncio
from contextlib import aclosing
from datetime import datetime, timedelta

from aigateway.clock import from_micros
from aigateway.interception import expiry
from aigateway.ledger.dynamodb.belongings import DynamoBelongings, Key, session_pointer_of
from aigateway.ledger.dynamodb.interceptions import InterceptionWalk, Place
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.dynamodb.table import EXPIRY
from aigateway.ledger.expressions import PRESENT, Item, Update
from aigateway.ledger.items import META, is_expired
from aigateway.ledger.items import expiry as attribute
from aigateway.ledger.keeping import Aligned
from aigateway.ledger.listing import Filter, Window

SIDE_BY_SIDE = 16


class DynamoExpiring(DynamoBelongings):
    """Rewrites the attribute by which items expire."""

    async def align(
        self, retention: timedelta | None, now: datetime, place: str | None, most: int
    ) -> Aligned:
        examined, below = await self._examined(now, place, most)
        records = await self._table.read_many(each.key for each in examined)
        changed = [
            record
            for record in records.values()
            if not is_expired(record, now) and _has_other(record, record["st"], retention)
        ]
        places = asyncio.Semaphore(SIDE_BY_SIDE)

        async def align(record: Item) -> None:
            async with places:
                await self._align_record(record, retention)

        await asyncio.gather(*(align(record) for record in changed))
        for pk in {str(record["pk"]) for record in records.values()}:
            await self._align_session(pk, retention, now)
        return Aligned(len(examined), len(changed), below)

    async def _examined(
        self, now: datetime, place: str | None, most: int
    ) -> tuple[list[Place], str | None]:
        """Return the next places, and where to go on."""
        layout = await self._fresh_layout()
        window = Window(most, now, inflight=True)
        walk = InterceptionWalk(self._table, layout.first_day, None, Filter(), window, None)
        found: list[Place] = []
        async with aclosing(walk.rows(place)) as rows:
            async for each, _ in rows:
                found.append(each)
                if len(found) == most:
                    return found, each.at
        return found, None

    async def _align_record(self, record: Item, retention: timedelta | None) -> None:
        """Rewrite the record last: it is what says that all of it is done."""
        expires = attribute(expiry(from_micros(record["st"]), retention))
        others = [*await self._chunks_of(record), *await self._pointers_of(record)]
        await asyncio.gather(*(self._set_expiry(key, expires) for key in others))
        await self._set_expiry((record["pk"], record["sk"]), expires)

    async def _align_session(self, pk: str, retention: timedelta | None, now: datetime) -> None:
        session = await self._table.read((pk, META))
        if session is None or "ls" not in session or is_expired(session, now):
            return
        if not _has_other(session, session["ls"], retention):
            return
        expires = attribute(expiry(from_micros(session["ls"]), retention))
        for key in (session_pointer_of(session), (pk, META)):
            await self._set_expiry(key, expires)

    async def _set_expiry(self, key: Key, expires: dict[str, int]) -> None:
        """Change an item that is there; what the table has deleted stays deleted."""
        removes = () if expires else (EXPIRY,)
        update = Update(*key, sets=expires, removes=removes, condition=PRESENT)
        try:
            await self._table.update(update)
        except Refused as refused:
            if not refused.is_condition:
                raise


def _has_other(item: Item, started: int, retention: timedelta | None) -> bool:
    wanted = attribute(expiry(from_micros(started), retention))
    return {name: item[name] for name in (EXPIRY,) if name in item} != wanted
