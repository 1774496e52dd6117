"""Stores that break the promise on purpose: the runner must tell."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from aigateway.errors import RecorderUnavailable
from aigateway.interception import Closed, Opened
from aigateway.ledger.dynamodb.connection import Sending
from aigateway.steps import Step


def _same(what: Any) -> Any:  # noqa: ANN401 - a store, or what sends its requests
    return what


@final
@dataclass(frozen=True, slots=True)
class Broken:
    """How a store is broken: in its statements, its requests, or its verbs."""

    statement: Callable[[str], str] | None = None
    sending: Callable[[Any], Any] = _same
    store: Callable[[Any], Any] = field(default=_same)


def _closing_anyway(sql: str) -> str:
    return sql.replace("WHERE id = :id AND ended_at IS NULL", "WHERE id = :id")


@final
class ClosingAnyway:
    """Closes a record in the table whether it has an end or not."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    async def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "TransactWriteItems":
            first = next(iter(request["TransactItems"][0].values()))
            stated = first.get("ConditionExpression", "")
            absent = re.search(r"attribute_not_exists\((#\w+)\)$", stated)
            if absent:
                anyway = f"({absent[0]} OR attribute_exists({absent[1]}))"
                first["ConditionExpression"] = stated.replace(absent[0], anyway)
        return await self._sending.send(operation, request)


@final
class OpeningLate:
    """Writes the opening only with the closing, when the provider has long had the request."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401 - any store
        self._store = store

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a verb
        return getattr(self._store, name)

    async def open(self, opened: Opened) -> None:
        """Do nothing."""

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        await self._store.open(opened)
        closes: bool = await self._store.close(opened, closed, steps)
        return closes


@final
class Refusing:
    """Closes nothing while a file is there."""

    def __init__(self, store: Any, outage: Path) -> None:  # noqa: ANN401 - any store
        self._store = store
        self._outage = outage

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a verb
        return getattr(self._store, name)

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        if self._outage.exists():
            raise RecorderUnavailable("out of order for the test")
        closes: bool = await self._store.close(opened, closed, steps)
        return closes


BROKEN = {
    "": Broken(),
    "closing without its condition": Broken(_closing_anyway, ClosingAnyway),
    "opening after the provider's call": Broken(store=OpeningLate),
}
