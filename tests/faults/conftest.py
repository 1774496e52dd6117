"""Gateways over a table whose connection fails on request, and over files that can be harmed."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import Answering
from aigateway.ledger.spill_file import NAME
from aigateway.ledger.sqlite import SqliteStore
from tests.clocks import HeldClock
from tests.contract.stand_in import (
    at_once,
    dynamodb_ministack,
    dynamodb_moto,
    moto_connection,
    stand_in,
    stand_in_connection,
)
from tests.faults.file import Ledger
from tests.faults.site import Site, a_site
from tests.faults.table import FaultyTable

__all__ = [
    "dynamodb_ministack",
    "dynamodb_moto",
    "moto_connection",
    "stand_in",
    "stand_in_connection",
]


class OverTable(Protocol):
    """Makes a gateway over the table; settings are those of its process."""

    async def __call__(self, **settings: Any) -> Site: ...  # noqa: ANN401 - fields of Settings


class OverFile(Protocol):
    """Makes a gateway over a file; settings are those of its process."""

    async def __call__(self, **settings: Any) -> tuple[Site, Ledger]: ...  # noqa: ANN401 - likewise


@pytest.fixture
def table(dynamodb_moto: DynamoStore, moto_connection: Answering) -> FaultyTable:
    """The connection of the gateway; moto is on as long as its store's fixture is."""
    return FaultyTable(moto_connection)


@pytest.fixture
def stand_in_table(dynamodb_ministack: DynamoStore, stand_in_connection: Answering) -> FaultyTable:
    """The connection of a gateway to the local stand-in, which knows a transaction again."""
    return FaultyTable(stand_in_connection)


@pytest.fixture
async def over_table(
    dynamodb_moto: DynamoStore, table: FaultyTable, tmp_path: Path
) -> AsyncIterator[OverTable]:
    async with AsyncExitStack() as stack:

        async def made(**settings: Any) -> Site:  # noqa: ANN401 - likewise
            site = over(dynamodb_moto._table.name, table, tmp_path, **settings)
            return await stack.enter_async_context(site)

        yield made


def over(
    name: str,
    table: FaultyTable,
    state: Path,
    **settings: Any,  # noqa: ANN401 - likewise
) -> AbstractAsyncContextManager[Site]:
    """Make a gateway over a table of this name; other processes have no fault."""
    clock = HeldClock()

    def store(connection: Answering) -> DynamoStore:
        return DynamoStore(name, connection=connection, pause=at_once, clock=clock)

    return a_site(store(table), lambda: store(table.connection), clock, state / NAME, **settings)


@pytest.fixture
async def stand_in_site(
    dynamodb_ministack: DynamoStore, stand_in_table: FaultyTable, tmp_path: Path
) -> AsyncIterator[Site]:
    async with over(dynamodb_ministack._table.name, stand_in_table, tmp_path) as made:
        yield made


@pytest.fixture
async def over_file(tmp_path: Path) -> AsyncIterator[OverFile]:
    async with AsyncExitStack() as stack:

        async def made(**settings: Any) -> tuple[Site, Ledger]:  # noqa: ANN401 - likewise
            path = tmp_path / "state" / "ledger.db"
            ledger = Ledger(path, SqliteStore(path))
            spilled = path.with_name(NAME)
            site = a_site(ledger.store, lambda: SqliteStore(path), HeldClock(), spilled, **settings)
            return await stack.enter_async_context(site), ledger

        yield made


@pytest.fixture
async def site(over_table: OverTable) -> Site:
    return await over_table()
