"""Who changed what in the configuration: one partition for each month."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from aigateway.clock import from_micros, micros
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.expressions import Item, Put
from aigateway.ledger.items import expiry, id_of, milliseconds, moment
from aigateway.ledger.store import AUDIT_KEPT, AuditEntry


class DynamoAudit(Ground):
    """Entries are only ever added; the table forgets the old ones."""

    async def audit(self, entry: AuditEntry) -> None:
        await self._table.put(entry_put(entry))

    async def audited(self, since: datetime, until: datetime) -> tuple[AuditEntry, ...]:
        low, high = (moment(milliseconds(time)) for time in (since, until))
        ranges = [Range(partition, low, high) for partition in _partitions(since, until)]
        found = await asyncio.gather(*(self._table.all(each) for each in ranges))
        return tuple(_entry(item) for items in found for item in items)


def entry_put(entry: AuditEntry) -> Put:
    """Return the write that keeps an entry."""
    return Put(
        {
            "pk": _partition(entry.at),
            "sk": moment(milliseconds(entry.at), entry.id),
            "at": micros(entry.at),
            "actor_id": entry.actor_id,
            "action": entry.action,
            "target": entry.target,
            "changes": json.dumps(dict(entry.changes)),
            **expiry(entry.at + AUDIT_KEPT),
        }
    )


def _partition(at: datetime) -> str:
    return f"AUDIT#{at.astimezone(UTC):%Y%m}"


def _partitions(since: datetime, until: datetime) -> Iterator[str]:
    first, last = since.astimezone(UTC), until.astimezone(UTC)
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        yield f"AUDIT#{month // 12:04}{month % 12 + 1:02}"


def _entry(item: Item) -> AuditEntry:
    return AuditEntry(
        id=id_of(item),
        at=from_micros(item["at"]),
        actor_id=item["actor_id"],
        action=item["action"],
        target=item["target"],
        changes=json.loads(item["changes"]),
    )
