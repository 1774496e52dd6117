"""Where texts lie: short ones in the table, long ones in the bucket, if there is one.

An object is written before the item that names it, and never replaced. What cannot become an
object goes to the table in chunks, but for a prompt while the bucket is out of order: its
request is refused, because nobody has been promised anything yet.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, final

from aigateway.errors import RecorderUnavailable
from aigateway.interception import Opened
from aigateway.ledger.dynamodb.bucket import Bucket, ObjectRefused
from aigateway.ledger.dynamodb.connection import ATTEMPTS, Key, Table
from aigateway.ledger.expressions import Item
from aigateway.ledger.texts import (
    OBJECTS,
    PROMPT_PART,
    first_chunks,
    further_chunks,
    object_item,
    pieces,
    size_limit,
)

SPILL_BYTES = 16 * 1024
"""A PUT costs what eight KB of writes cost (S3 and DynamoDB list prices, 2026-07); at twice that
nearly all texts stay in one store."""
READERS = 8
HURRIED_ATTEMPTS = 2
"""Where there is something better to do than to wait for the bucket."""

log = logging.getLogger(__name__)


@final
class Payloads:
    """Texts of records; compressed ones of more than ``spill_bytes`` go to the bucket."""

    def __init__(
        self, table: Table, bucket: Bucket | None = None, spill_bytes: int = SPILL_BYTES
    ) -> None:
        self._table = table
        self._bucket = bucket
        self._spill_bytes = spill_bytes

    async def items(self, opened: Opened, part: int, text: bytes) -> list[dict[str, Any]]:
        """Return the items that hold a part, or the one that names its object, stored by then.

        Raises ``RecorderUnavailable``, for a prompt only.
        """
        if self._bucket is not None and len(text) > self._spill_bytes:
            item = await asyncio.to_thread(object_item, opened, part, text)
            if await self._is_spilled(self._bucket, item, text, part):
                return [item]
        return await asyncio.to_thread(pieces, opened, part, text)

    async def _is_spilled(self, bucket: Bucket, item: Item, text: bytes, part: int) -> bool:
        try:
            attempts = ATTEMPTS if part == PROMPT_PART else HURRIED_ATTEMPTS
            return await bucket.put(item["ob"], text, item["sh"], attempts)
        except RecorderUnavailable as fault:
            if part == PROMPT_PART:
                raise
            log.warning("a long text stays in the table", extra={"fault": str(fault)})
            return False

    async def forget(self, initiator_id: str) -> int:
        """Delete all objects of an initiator; return how many there were."""
        if self._bucket is None:
            return 0
        return await self._bucket.delete(f"{OBJECTS}{initiator_id}/")

    async def found(self, items: Iterable[Item]) -> dict[Key, Item]:
        """Return what is stored of the records' texts, as it is now.

        An item whose object could not be read has the reason as ``why`` in place of ``z``.
        """
        records = list(items)
        first = await self._table.read_many(key for item in records for key in first_chunks(item))
        rest = [key for item in records for key in further_chunks(item, first)]
        named = {key: item for key, item in first.items() if "ob" in item}
        return first | await self._table.read_many(rest) | await self._fetched(named)

    async def _fetched(self, named: Mapping[Key, Item]) -> dict[Key, Item]:
        """Read the objects side by side. Once one was not answered, no other is asked for."""
        places, is_silent = asyncio.Semaphore(READERS), asyncio.Event()

        async def read(item: Item) -> Item:
            async with places:
                if self._bucket is None:
                    return {**item, "why": "no_bucket"}
                if is_silent.is_set():
                    return {**item, "why": "unreachable"}
                most = size_limit(item)
                try:
                    return {
                        **item,
                        "z": await self._bucket.read(item["ob"], most, HURRIED_ATTEMPTS),
                    }
                except ObjectRefused as refused:
                    return {**item, "why": "missing" if refused.is_missing else "refused"}
                except RecorderUnavailable:
                    is_silent.set()
                    return {**item, "why": "unreachable"}

        return dict(zip(named, await asyncio.gather(*map(read, named.values())), strict=True))
