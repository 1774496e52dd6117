"""The ledger in one DynamoDB table."""

import asyncio
from typing import final

from aigateway.clock import Clock, SystemClock
from aigateway.ledger.dynamodb.connection import Answering, Pause, Table, connect
from aigateway.ledger.dynamodb.directory import DynamoDirectory
from aigateway.ledger.dynamodb.parents import DynamoParents
from aigateway.ledger.dynamodb.reading import DynamoReading
from aigateway.ledger.dynamodb.records import DynamoRecords
from aigateway.ledger.dynamodb.totals import DynamoTotals

__all__ = ["DynamoStore"]


@final
class DynamoStore(DynamoRecords, DynamoParents, DynamoReading, DynamoDirectory, DynamoTotals):
    """The store over the table of this name; region, endpoint and keys are the SDK's to find.

    ``retention_days`` bounds how far lists look back; without it they go to the first record.
    ``connection`` and ``pause`` are for tests.
    """

    def __init__(
        self,
        table: str,
        *,
        retention_days: int | None = None,
        clock: Clock | None = None,
        connection: Answering | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        super().__init__(
            Table(table, connection or connect(), pause), clock or SystemClock(), retention_days
        )

    async def start(self) -> None:
        """Lay out a new table, and refuse one of another layout."""
        await self._layout()

    async def stop(self) -> None:
        await self._settled()
