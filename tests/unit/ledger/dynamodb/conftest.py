"""A store over moto whose connection fails on request, and for which no time passes."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import Answering
from aigateway.ledger.dynamodb.table import create_table
from tests.clocks import HeldClock
from tests.contract.stand_in import (
    at_once,
    dynamodb_ministack,
    dynamodb_moto,
    moto_connection,
    moto_s3,
    stand_in,
    stand_in_connection,
)
from tests.unit.ledger.dynamodb.faulty import FaultyConnection

__all__ = [
    "dynamodb_ministack",
    "dynamodb_moto",
    "moto_connection",
    "moto_s3",
    "stand_in",
    "stand_in_connection",
]


@pytest.fixture
def faulty(dynamodb_moto: DynamoStore, moto_connection: Answering) -> FaultyConnection:
    """The connection; moto is on as long as its store's fixture is."""
    return FaultyConnection(moto_connection)


@pytest.fixture
def table_name(faulty: FaultyConnection) -> str:
    name = f"ledger-{uuid4().hex[:12]}"
    create_table(name, faulty)
    return name


@pytest.fixture
async def store(faulty: FaultyConnection, table_name: str) -> AsyncIterator[DynamoStore]:
    made = DynamoStore(table_name, connection=faulty, pause=at_once, clock=HeldClock())
    await made.start()
    faulty.sent.clear()
    yield made
    await made.stop()
