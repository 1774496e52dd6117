"""Every test of this folder runs against each implementation of what it tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.pool.vault import Vault
from tests.contract.stand_in import (
    dynamodb_ministack,
    dynamodb_ministack_bucket,
    dynamodb_ministack_lean,
    dynamodb_moto,
    dynamodb_moto_bucket,
    lean_links,
    moto_connection,
    moto_s3,
    stand_in,
    stand_in_connection,
    stand_in_s3,
    vault_ministack,
    vault_ministack_lean,
    vault_moto,
)

__all__ = [
    "dynamodb_ministack",
    "dynamodb_ministack_bucket",
    "dynamodb_ministack_lean",
    "dynamodb_moto",
    "dynamodb_moto_bucket",
    "lean_links",
    "moto_connection",
    "moto_s3",
    "stand_in",
    "stand_in_connection",
    "stand_in_s3",
    "vault_ministack",
    "vault_ministack_lean",
    "vault_moto",
]

STORES = (
    "sqlite_memory",
    "sqlite_disk",
    "dynamodb_moto",
    "dynamodb_moto_bucket",
    pytest.param("dynamodb_ministack", marks=pytest.mark.ministack),
    pytest.param("dynamodb_ministack_bucket", marks=pytest.mark.ministack),
    pytest.param("dynamodb_ministack_lean", marks=pytest.mark.ministack),
)


VAULTS = ("vault_moto", pytest.param("vault_ministack", marks=pytest.mark.ministack))


@pytest.fixture(params=VAULTS)
def vault(request: pytest.FixtureRequest) -> Vault:
    made: Vault = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def sqlite_memory() -> SqliteStore:
    return SqliteStore(None)


@pytest.fixture
def sqlite_disk(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "state" / "ledger.db")


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A started store that holds nothing yet."""
    made: Store = request.getfixturevalue(request.param)
    await made.start()
    yield made
    await made.stop()
    if request.param == "dynamodb_ministack_lean":
        await request.getfixturevalue("lean_links").aclose()
