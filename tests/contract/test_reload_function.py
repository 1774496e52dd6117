"""The reload function as it is deployed: from an empty table and empty secrets to a pool."""

import asyncio
import json
import logging
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from aigateway import aws
from aigateway.caller.identity import caller_of
from aigateway.caller.keys import key_id_of
from aigateway.clock import SystemClock
from aigateway.errors import LedgerFault, SecretUnavailable
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import connect
from aigateway.ledger.dynamodb.table import create_table
from aigateway.pool.secrets import AwsSecrets
from aigateway.pool.snapshot import snapshot_from
from aigateway.pool.vault import Vault
from tests.logs import logging_as_before

APP = Path(__file__).parents[2] / "functions" / "reload" / "app.py"
PLANTED = "sk-ant-planted-0a1b2c3d4e5f"
SEED = [
    {"name": "anthropic", "type": "anthropic", "api_keys": [PLANTED]},
    {"name": "api", "type": "anthropic", "api_keys": [PLANTED]},
    {"name": "openai", "type": "openai", "api_keys": [f"{PLANTED}-2"]},
]

Handler = Callable[[dict[str, Any], object], dict[str, int]]


def a_process() -> Handler:
    """Start the function anew."""
    handler: Handler = runpy.run_path(str(APP))["handler"]
    return handler


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with logging_as_before():
        yield


@pytest.fixture
def deployment(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty table and an empty secret for the key; their names begin with what is returned."""
    stack = f"aigw-{uuid4().hex[:12]}"
    create_table(f"{stack}-table", connect())
    aws.client("secretsmanager").create_secret(Name=f"{stack}/admin-key")
    asyncio.run(vault.put(f"{stack}/seed", json.dumps(SEED)))
    for name, value in (
        ("TABLE", f"{stack}-table"),
        ("SECRETS_PREFIX", f"{stack}/providers/"),
        ("ADMIN_KEY_SECRET", f"{stack}/admin-key"),
        ("PROVIDERS_SEED_SECRET", f"{stack}/seed"),
    ):
        monkeypatch.setenv(f"AIGW_{name}", value)
    return stack


def test_i10_the_first_tick_makes_key_keys_and_pool_and_shows_none(
    deployment: str, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handler = a_process()
    assert handler({"source": "aws.events"}, None) == {"version": 1, "orphans_closed": 0}
    assert handler({"reason": "changed"}, None) == {"version": 1, "orphans_closed": 0}
    assert "provider 1 of the seed is left out: name" in caplog.text

    async def found() -> tuple[str, str, list[str]]:
        store = DynamoStore(f"{deployment}-table", connection=connect())
        await store.start()
        stored = await vault.read(f"{deployment}/admin-key")
        published = await store.published()
        assert stored is not None
        assert published is not None
        assert PLANTED.encode() not in published.document
        pool = snapshot_from(1, published.document, allow_byok=True, allowed=())
        secrets = AwsSecrets(f"{deployment}/providers/", vault, SystemClock())
        refs = [pool.providers[name].credentials[0] for name in ("anthropic", "openai")]
        key = await store.key(key_id_of(stored.text) or "")
        role = caller_of(stored.text, key, SystemClock().now()).role
        await store.stop()
        return stored.text, role, [await secrets.key(ref) for ref in refs]

    secret, role, keys = asyncio.run(found())
    assert (role, keys) == ("admin", [PLANTED, f"{PLANTED}-2"])
    assert PLANTED not in caplog.text
    assert secret not in caplog.text


def test_a_later_process_changes_nothing_and_warns_of_the_seed_once(
    deployment: str, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    a_process()({}, None)
    before = asyncio.run(vault.read(f"{deployment}/admin-key"))
    handler = a_process()
    caplog.clear()
    for _ in range(2):
        assert handler({}, None) == {"version": 1, "orphans_closed": 0}
    assert caplog.messages == [
        f"the seed in the secret {deployment}/seed is ignored: there are providers"
    ]
    assert asyncio.run(vault.read(f"{deployment}/admin-key")) == before


def test_a_seed_that_cannot_be_read_stops_nothing_else_and_is_an_error(
    deployment: str, monkeypatch: pytest.MonkeyPatch, vault: Vault
) -> None:
    monkeypatch.setenv("AIGW_PROVIDERS_SEED_SECRET", f"{deployment}/missing")
    handler = a_process()
    for _ in range(2):
        with pytest.raises(SecretUnavailable, match=f"{deployment}/missing"):
            handler({}, None)
    assert handler({"reason": "changed"}, None)["version"] == 1
    stored = asyncio.run(vault.read(f"{deployment}/admin-key"))
    assert stored is not None
    assert key_id_of(stored.text)


def test_a_table_that_is_away_stops_no_part_from_being_tried(
    deployment: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempt to reload has to become known, for an alert hangs on it."""
    monkeypatch.setenv("AIGW_TABLE", f"{deployment}-none")
    handler = a_process()
    with pytest.raises(LedgerFault):
        handler({}, None)
    for part in ("reload", "sweep", "purge"):
        assert (f"a scheduled part failed: {part}" in caplog.text) is (part != "purge")
