"""Ledgers that outlive the processes which write them: each a file or a table of its own."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final
from uuid import uuid4

from aigateway.caller.keys import key_from, new_secret
from aigateway.clock import SystemClock
from aigateway.ledger import open_store
from aigateway.ledger.store import Store
from aigateway.pool.secrets import open_secrets
from aigateway.reload.pool import reload_of
from aigateway.settings import Settings
from local.__main__ import LOOPBACK
from local.first_start import put_providers
from local.provider_variables import Named
from tests.builders import a_user
from tests.crash.point import StoreKind

KEYS = ("sk-made-up-pool-one", "sk-made-up-pool-two")


@final
@dataclass(frozen=True, slots=True)
class Person:
    """Who asks in one run, with keys that were never used before."""

    id: str
    secret: str
    other_secret: str


@final
class Ledger:
    """``environment``: what processes are given so that they write into it.

    ``order``: the file that tells one of them to die. ``ahead``: by how many seconds the clock of
    the last push ran before the machine's.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.order = folder / "order"
        self.environment = {**environment, "CRASH_ORDER": str(self.order)}
        self.settings = Settings.from_env(self.environment)
        self.store: Store = open_store(self.settings)
        self.ahead = 0.0

    async def add_person(self) -> Person:
        now = datetime.now(UTC)
        user, secrets = a_user(f"u{uuid4().hex[:12]}"), (new_secret(), new_secret())
        await self.store.add_user(user)
        for secret in secrets:
            key = key_from(secret, user.id, "laptop", now, now + timedelta(days=1))
            await self.store.put_key(key)
        return Person(user.id, *secrets)


async def new_ledger(kind: StoreKind, folder: Path, aws: Mapping[str, str]) -> Ledger:
    """Make a ledger with nothing in it, in a new folder."""
    environment = {
        "AIGW_STATE_DIR": str(folder),
        "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK,
        "AIGW_SNAPSHOT_POLL": "0",
        "AIGW_KEY_CACHE": "0",
        "AIGW_RATE_LIMIT": "1000",
    }
    if kind == "table":
        from aigateway.ledger.dynamodb.table import create_table  # noqa: PLC0415 - costs 150 ms

        name = f"crash-{uuid4().hex[:12]}"
        await asyncio.to_thread(create_table, name)
        environment |= {**aws, "AWS_REGION": "us-east-1", "AIGW_TABLE": name}
    ledger = Ledger(folder, environment)
    await ledger.store.start()
    return ledger


async def seed(ledger: Ledger, provider: str) -> None:
    """Publish a pool with the scripted ``provider`` under three names."""
    rows = (
        {"name": "anthropic", "type": "anthropic", "base_url": provider, "api_keys": [*KEYS[:1]]},
        {"name": "pooled", "type": "anthropic", "base_url": provider, "api_keys": [*KEYS]},
        {"name": "openai", "type": "openai", "base_url": f"{provider}/v1", "api_keys": [*KEYS[:1]]},
    )
    named = Named(rows, tuple(str(row["name"]) for row in rows))
    settings, clock = ledger.settings, SystemClock()
    secrets = open_secrets(settings)
    allowed = settings.allowed_private_cidrs
    await put_providers(ledger.store, secrets, named, allowed, clock.now())
    await reload_of(settings, clock).run(ledger.store)
