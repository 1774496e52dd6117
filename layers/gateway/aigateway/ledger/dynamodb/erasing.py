"""Everything of one user: found through the index of users, deleted session by session.

A session's own item goes last: as long as it is there, the next batch finds the rest.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from aigateway.ledger.dynamodb.belongings import DynamoBelongings, Key, session_pointer_of
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.table import KEYS, LOOKUP
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import META, user_partition
from aigateway.ledger.keeping import Erased

SIDE_BY_SIDE = 16
SESSIONS = ("0", ":")
"""Bounds of the moments in a user's partition, which also holds keys."""


class DynamoErasing(DynamoBelongings):
    """Deletes records, texts, pointers, sessions and objects."""

    async def erase(self, initiator_id: str, most: int) -> Erased:
        own = Range(user_partition(initiator_id), *SESSIONS, index=(LOOKUP, *KEYS[LOOKUP]))
        listed, rest = await self._table.query(own, most)
        counts: Counter[str] = Counter()
        for place in listed:
            is_gone = await self._erase_session(str(place["pk"]), most, counts)
            if not is_gone or counts.total() >= most:
                return _erased(counts)
        if rest is not None:
            return _erased(counts)
        objects = await self._payloads.forget(initiator_id)
        return _erased(counts, objects=objects, is_over=True)

    async def _erase_session(self, pk: str, most: int, counts: "Counter[str]") -> bool:
        """Delete up to so many items, and the session itself if it was all; say whether it was."""
        items, rest = await self._table.query(Range(pk), most)
        others = [item for item in items if item["sk"] != META]
        records = [item for item in others if str(item["sk"]).startswith("I#")]
        pointers = [key for record in records for key in await self._pointers_of(record)]
        await self._delete(pointers)
        await self._delete([(item["pk"], item["sk"]) for item in others])
        texts = [str(item["sk"]) for item in others if str(item["sk"]).endswith(".0")]
        counts["pointers"] += len(pointers)
        counts["interceptions"] += len(records)
        counts["texts"] += len(texts)
        counts["prompts"] += sum(text.endswith("#0.0") for text in texts)
        if rest is None and (session := _session_in(items)) is not None:
            await self._delete([session_pointer_of(session), (pk, META)])
            counts["sessions"] += 1
        return rest is None

    async def _delete(self, keys: Sequence[Key]) -> None:
        places = asyncio.Semaphore(SIDE_BY_SIDE)

        async def delete(key: Key) -> None:
            async with places:
                await self._table.delete(key)

        await asyncio.gather(*(delete(key) for key in keys))


def _erased(counts: "Counter[str]", *, objects: int = 0, is_over: bool = False) -> Erased:
    return Erased(
        interceptions=counts["interceptions"],
        prompts=counts["prompts"],
        texts=counts["texts"],
        pointers=counts["pointers"],
        sessions=counts["sessions"],
        objects=objects,
        is_over=is_over,
    )


def _session_in(items: Sequence[Item]) -> Item | None:
    return next((item for item in items if item["sk"] == META), None)
