"""What the four groups of the store stand on: the table, the clock, the layout in force."""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final

from aigateway.clock import Clock
from aigateway.errors import RecorderUnavailable
from aigateway.ledger.dynamodb.connection import Table
from aigateway.ledger.dynamodb.payloads import Payloads
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.expressions import ABSENT, Condition, Put, Update
from aigateway.ledger.listing import NameKind
from aigateway.ledger.recall import COUNT_AGE, NAMES_AGE, Recall

LAYOUT_VERSION = 1
LIST_SHARDS = 4
SETTINGS = ("CFG", "TABLE")

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """How this table is laid out. ``list_shards`` may only grow.

    ``first_day`` (YYYYMMDD) is that of the oldest record: no walk goes further back.
    """

    version: int
    list_shards: int
    first_day: str
    cursor_key: bytes


class Ground:
    """Shared by the groups, which never call each other but through it."""

    def __init__(
        self, table: Table, payloads: Payloads, clock: Clock, retention_days: int | None
    ) -> None:
        self._table = table
        self._payloads = payloads
        self._clock = clock
        self._retention_days = retention_days
        self._counts: Recall[tuple[str, str], tuple[int, bool]] = Recall(COUNT_AGE)
        self._names: Recall[str | None, Mapping[NameKind, frozenset[str]]] = Recall(NAMES_AGE)
        self._known_layout: Layout | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def _layout(self) -> Layout:
        """Return the layout as this process knows it, which lays out a new table.

        Raises ``RecorderUnavailable`` for a table of another version.
        """
        if self._known_layout is None:
            item = await self._table.read(SETTINGS) or await self._lay_out()
            self._known_layout = _layout_of(item)
        return self._known_layout

    async def _fresh_layout(self) -> Layout:
        """Return the layout in force: another process may have moved the first day."""
        self._known_layout = None
        return await self._layout()

    async def _lay_out(self) -> dict[str, Any]:
        pk, sk = SETTINGS
        item = {
            "pk": pk,
            "sk": sk,
            "version": LAYOUT_VERSION,
            "list_shards": LIST_SHARDS,
            "first_day": f"{self._clock.now():%Y%m%d}",
            "cursor_key": secrets.token_bytes(32),
        }
        try:
            await self._table.put(Put(item, ABSENT))
        except Refused as refused:
            if not refused.is_condition:
                raise
        return await self._table.read(SETTINGS) or item

    async def _cover(self, at: datetime) -> None:
        """Move the first day back where a record is older than all others."""
        day = f"{at.astimezone(UTC):%Y%m%d}"
        layout = await self._layout()
        if day >= layout.first_day:
            return
        earlier = Condition("#first_day > :day", {"day": day})
        try:
            await self._table.update(Update(*SETTINGS, sets={"first_day": day}, condition=earlier))
        except Refused as refused:
            if not refused.is_condition:
                raise
        self._known_layout = None

    def _aside(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run work that nobody waits for now; ``_settled`` does."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _settled(self) -> None:
        """Wait until what this process began aside is over, well or not."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))


def _layout_of(item: dict[str, Any]) -> Layout:
    if item["version"] != LAYOUT_VERSION:
        raise RecorderUnavailable(
            f"the table has layout {item['version']}, this program knows {LAYOUT_VERSION}"
        )
    return Layout(item["version"], item["list_shards"], item["first_day"], item["cursor_key"])
