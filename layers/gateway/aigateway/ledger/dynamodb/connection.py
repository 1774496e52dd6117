"""One table: what is asked of it, how often, and our errors.

Requests and answers are those of the service's API, whoever carries them.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, final

from aigateway.errors import RecorderUnavailable
from aigateway.ledger.dynamodb.refusals import Refused, Unanswered
from aigateway.ledger.expressions import (
    Aliases,
    Check,
    Delete,
    Put,
    Update,
    Write,
    arguments,
    from_item,
    to_item,
)

CONNECT_SECONDS, READ_SECONDS = 1.0, 2.0
JITTER_SECONDS = 0.2
ATTEMPTS = 3
"""More tries than this hold up a caller who would rather be told."""
BATCH_KEYS, PAGE_ROWS = 100, 1500
"""BatchGetItem takes 100 keys (service quota, read 2026-07)."""

ACTIONS = {Put: "Put", Update: "Update", Delete: "Delete", Check: "ConditionCheck"}
"""What TransactWriteItems calls our writes."""

_UNMETERED = {"ReturnConsumedCapacity": "NONE"}

Key = tuple[str, str]
Pause = Callable[[float], Awaitable[object]]


class Sending(Protocol):
    """Carries one request of the table, once. Raises ``Refused``, ``Unanswered``."""

    async def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]: ...


class Answering(Protocol):
    """The same as the SDK does it: blocking, and with its own exceptions."""

    def dispatch(
        self, operation_name: str, operation_kwargs: dict[str, Any], /
    ) -> dict[str, Any]: ...


def connect() -> Answering:
    """Return the SDK's connection, which finds region, endpoint and keys by itself."""
    from aigateway.ledger.dynamodb.sdk import connected  # noqa: PLC0415 - 190 ms

    return connected()


@final
@dataclass(frozen=True, slots=True)
class Range:
    """Part of one partition, in the order of its sort key; the bounds are inclusive."""

    pk: str
    low: str | None = None
    high: str | None = None
    index: tuple[str, str, str] | None = None
    descending: bool = False

    @property
    def sort_key(self) -> str:
        return self.index[2] if self.index else "sk"

    @property
    def is_empty(self) -> bool:
        """The service refuses a lower bound above the upper one."""
        return self.low is not None and self.high is not None and self.low > self.high


@final
@dataclass(slots=True)
class Partition:
    """Reads a range page by page; every page asks for twice as many items as the one before."""

    table: "Table"
    range: Range
    size: int
    done: bool = False
    _from: dict[str, Any] | None = field(default=None)

    async def page(self) -> list[dict[str, Any]]:
        """Return the next items, none at all when it is over, and maybe fewer than exist."""
        if self.done or self.range.is_empty:
            self.done = True
            return []
        items, self._from = await self.table.query(self.range, self.size, self._from)
        self.size = min(self.size * 2, PAGE_ROWS)
        self.done = self._from is None
        return items


@final
class Table:
    """Requests on one table. Everything raises ``RecorderUnavailable``."""

    def __init__(self, name: str, sending: Sending, pause: Pause) -> None:
        self.name = name
        self._sending = sending
        self._pause = pause

    async def ask(
        self, operation: str, request: dict[str, Any], attempts: int = ATTEMPTS
    ) -> dict[str, Any]:
        """Send a request that may be repeated. Raises ``Refused`` on a final no."""
        cause: Exception | None = None
        for attempt in range(attempts):
            if attempt:
                await self.pause()
            try:
                return await self._sending.send(operation, _UNMETERED | request)
            except Refused as refused:
                if not refused.is_passing:
                    refused.is_repeat = attempt > 0
                    raise
                cause = refused
            except Unanswered as unanswered:
                cause = unanswered
        raise RecorderUnavailable(f"the table did not answer after {attempts} tries") from cause

    async def pause(self) -> None:
        """Wait a moment, differently long every time, so that rivals part."""
        await self._pause(random.uniform(0, JITTER_SECONDS))  # noqa: S311 - no secret

    def _named(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"TableName": self.name} | request

    async def put(self, put: Put, attempts: int = ATTEMPTS) -> None:
        request = self._named(arguments(put))
        if put.condition is not None:
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        await self.ask("PutItem", request, attempts)

    async def delete(self, key: Key) -> None:
        await self.ask("DeleteItem", self._named({"Key": to_item({"pk": key[0], "sk": key[1]})}))

    async def update(self, update: Update, attempts: int = ATTEMPTS) -> dict[str, Any]:
        """Change an item and return it as it is afterwards."""
        request = self._named(arguments(update)) | {
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        answer = await self.ask("UpdateItem", request, attempts)
        return from_item(answer.get("Attributes", {}))

    async def transact(self, writes: Sequence[Write], token: str, attempts: int = ATTEMPTS) -> None:
        """Do all writes or none, once for one token. The first one's failure shows its item."""
        actions = [{ACTIONS[type(write)]: self._named(arguments(write))} for write in writes]
        for action in actions[0].values():
            action["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        request = {"TransactItems": actions, "ClientRequestToken": token}
        await self.ask("TransactWriteItems", request, attempts)

    async def read(self, key: Key) -> dict[str, Any] | None:
        """Return an item as it is now."""
        request = {"Key": to_item({"pk": key[0], "sk": key[1]}), "ConsistentRead": True}
        answer = await self.ask("GetItem", self._named(request))
        return from_item(answer["Item"]) if answer.get("Item") else None

    async def read_many(
        self, keys: Iterable[Key], *, consistent: bool = True
    ) -> dict[Key, dict[str, Any]]:
        """Return the items that exist, by key."""
        wanted = [to_item({"pk": pk, "sk": sk}) for pk, sk in dict.fromkeys(keys)]
        batches = [wanted[at : at + BATCH_KEYS] for at in range(0, len(wanted), BATCH_KEYS)]
        found = await asyncio.gather(*(self._batch(batch, consistent) for batch in batches))
        return {(item["pk"], item["sk"]): item for items in found for item in items}

    async def _batch(
        self,
        keys: list[dict[str, Any]],
        consistent: bool,  # noqa: FBT001 - private
    ) -> list[dict[str, Any]]:
        """Ask until nothing is left over: an answer ends at 16 MB, or when throttled."""
        items: list[dict[str, Any]] = []
        barren = 0
        while keys:
            asked = {self.name: {"Keys": keys, "ConsistentRead": consistent}}
            answer = await self.ask("BatchGetItem", {"RequestItems": asked})
            fresh = answer.get("Responses", {}).get(self.name, [])
            items += [from_item(item) for item in fresh]
            keys = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            barren = 0 if fresh else barren + 1
            if keys and barren >= ATTEMPTS:
                raise RecorderUnavailable("the table is too busy for a batch of reads")
            if keys and barren:
                await self.pause()
        return items

    async def query(
        self, wanted: Range, limit: int, start: dict[str, Any] | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Return one page of a range, and where the next one starts."""
        aliases = Aliases()
        index, pk, sk = wanted.index or (None, "pk", "sk")
        condition = f"{aliases.name(pk)} = {aliases.value(wanted.pk)}"
        bounds = [aliases.value(b) for b in (wanted.low, wanted.high) if b is not None]
        if len(bounds) == 2:  # noqa: PLR2004 - both of them
            condition += f" AND {aliases.name(sk)} BETWEEN {bounds[0]} AND {bounds[1]}"
        elif bounds:
            sign = ">=" if wanted.high is None else "<="
            condition += f" AND {aliases.name(sk)} {sign} {bounds[0]}"
        request: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ScanIndexForward": not wanted.descending,
            "Limit": limit,
        }
        if index is not None:
            request["IndexName"] = index
        else:
            request["ConsistentRead"] = True
        if start is not None:
            request["ExclusiveStartKey"] = start
        answer = await self.ask("Query", self._named(request | aliases.arguments))
        return [from_item(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")

    async def first(self, wanted: Range, most: int) -> list[dict[str, Any]]:
        """Return so many items of a range, fewer only where it has no more.

        A page may end before that, and may even be empty.
        """
        found, start = await self.query(wanted, most)
        while start is not None and len(found) < most:
            items, start = await self.query(wanted, most - len(found), start)
            found += items
        return found

    async def items(
        self, wanted: Range, size: int = PAGE_ROWS
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Read a range to its end, or as far as the caller goes on."""
        partition = Partition(self, wanted, size)
        while not partition.done:
            for item in await partition.page():
                yield item

    async def all(self, wanted: Range) -> list[dict[str, Any]]:
        return [item async for item in self.items(wanted)]
