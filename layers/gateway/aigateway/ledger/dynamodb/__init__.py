"""The ledger in one DynamoDB table."""

import asyncio
from collections.abc import Callable
from typing import Any, final

from aigateway.clock import Clock, SystemClock
from aigateway.ledger.dynamodb.audit import DynamoAudit
from aigateway.ledger.dynamodb.bucket import Bucket
from aigateway.ledger.dynamodb.bucket import connect as connect_bucket
from aigateway.ledger.dynamodb.connection import Answering, Pause, Sending, Table, connect
from aigateway.ledger.dynamodb.directory import DynamoDirectory
from aigateway.ledger.dynamodb.parents import DynamoParents
from aigateway.ledger.dynamodb.payloads import SPILL_BYTES, Payloads
from aigateway.ledger.dynamodb.people import DynamoPeople
from aigateway.ledger.dynamodb.publisher import DynamoPublisher
from aigateway.ledger.dynamodb.rates import DynamoRates
from aigateway.ledger.dynamodb.reading import DynamoReading
from aigateway.ledger.dynamodb.records import DynamoRecords
from aigateway.ledger.dynamodb.totals import DynamoTotals
from aigateway.ledger.keeping import Keeping

__all__ = ["DynamoStore"]


@final
class DynamoStore(
    DynamoRecords,
    DynamoParents,
    DynamoReading,
    DynamoDirectory,
    DynamoPeople,
    DynamoAudit,
    DynamoTotals,
    DynamoRates,
    DynamoPublisher,
):
    """The store over the table of this name; region, endpoint and keys are the SDK's to find.

    ``retention_days`` bounds how far lists look back; without it they go to the first record.
    Texts that are longer than ``spill_bytes`` when compressed lie in the ``bucket``, if there is
    one. ``sending`` carries the requests instead of the SDK. ``connection``, ``connecting`` (makes
    the bucket's client) and ``pause`` are for tests.
    """

    def __init__(
        self,
        table: str,
        *,
        bucket: str | None = None,
        spill_bytes: int = SPILL_BYTES,
        retention_days: int | None = None,
        clock: Clock | None = None,
        sending: Sending | None = None,
        connection: Answering | None = None,
        connecting: Callable[[], Any] = connect_bucket,
        pause: Pause = asyncio.sleep,
    ) -> None:
        asked = Table(table, sending or _through_sdk(connection or connect()), pause)
        spilled = Bucket(bucket, connecting, pause) if bucket else None
        payloads = Payloads(asked, spilled, spill_bytes)
        super().__init__(asked, payloads, clock or SystemClock(), retention_days)

    async def start(self) -> None:
        """Lay out a new table, and refuse one of another layout."""
        await self._layout()

    async def stop(self) -> None:
        await self._settled()

    def keeping(self) -> Keeping:
        from aigateway.ledger.dynamodb.keeping import DynamoKeeping  # noqa: PLC0415 - no request needs it

        return DynamoKeeping(self._table, self._payloads, self._clock, self._retention_days)


def _through_sdk(connection: Answering) -> Sending:
    from aigateway.ledger.dynamodb.sdk import Sdk  # noqa: PLC0415 - 190 ms

    return Sdk(connection)
