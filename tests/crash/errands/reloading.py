"""A reload, the making of the first key, or the seed dies."""

import json
from collections.abc import Mapping
from typing import final

from aigateway.caller.keys import key_id_of
from aigateway.pool.key_pairs import references
from aigateway.pool.providers import ProviderRow
from aigateway.pool.secrets import open_secrets
from aigateway.pool.snapshot import check, statuses
from aigateway.reload.first_key import ADMIN
from tests.crash.errands.errand import Play
from tests.crash.ledgers import KEYS, Ledger
from tests.crash.vault import FolderVault

CHANGED = "pooled"


@final
class Reloading:
    def __init__(self, play: Play) -> None:
        self.ledger = play.ledger
        self.arguments: Mapping[str, object] = {}
        self._play = play
        self._wanted = ""
        self._version = 0
        self._told: list[str] = []

    async def prepare(self) -> None:
        """Switch a provider off, or on."""
        store = self.ledger.store
        row = next(row for row in await store.provider_rows() if row.name == CHANGED)
        is_enabled = row.document.get("enabled") is not False
        document = {**row.document, "enabled": not is_enabled}
        await store.put_provider(ProviderRow(CHANGED, document, row.version + 1), row.version)
        self._wanted = "disabled" if is_enabled else "enabled"
        self._version = (await store.reload_state()).version

    async def between(self) -> None:
        """Look whether the pool in force is whole, and serve by it."""
        self._told += await self._torn()
        await self._play.asking.follow("after")

    async def problems(self) -> list[str]:
        told = [*self._told, *await self._torn()]
        store = self.ledger.store
        state, published = await store.reload_state(), await store.published()
        if published is None or statuses(published.document)[CHANGED].status != self._wanted:
            told.append("what was changed is not in force")
        if state.version != self._version + 1:
            told.append(f"one change made version {state.version} of {self._version}")
        if state.succeeded_at is None or state.succeeded_at != state.attempted_at:
            told.append("the reload is not noted as a success")
        return told

    async def _torn(self) -> list[str]:
        state, published = await self.ledger.store.reload_state(), None
        try:
            published = await self.ledger.store.published()
            assert published is not None
            check(published.document, published.digest)
        except Exception as torn:  # noqa: BLE001 - whatever it is, nobody could serve by it
            return [f"the pool in force cannot be read: {torn!r}"]
        is_same = (published.version, published.digest) == (state.version, state.digest)
        return [] if is_same else ["the state names another pool than the one in force"]


@final
class MakingTheFirstKey:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.arguments: Mapping[str, object] = {}

    async def prepare(self) -> None:
        """Leave nothing but the store."""

    async def between(self) -> None:
        """Do nothing."""

    async def problems(self) -> list[str]:
        stored = await FolderVault(self.ledger.settings.state_dir).read("first")
        found = await self.ledger.store.key(key_id_of(stored.text if stored else "") or "")
        if found is None or (found[1].username, found[1].role) != (ADMIN, "admin"):
            return ["the key in the vault is no admin's"]
        keys, users = await self.ledger.store.keys(), await self.ledger.store.users()
        is_one = (len(keys), len(users)) == (1, 1)
        return [] if is_one else [f"{len(users)} users with {len(keys)} keys were made"]


@final
class Seeding:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.arguments: Mapping[str, object] = {}

    async def prepare(self) -> None:
        """Put two providers into the secret."""
        rows = [
            {"name": name, "type": "anthropic", "base_url": "http://127.0.0.1:9", "api_keys": [key]}
            for name, key in zip(("one", "two"), KEYS, strict=True)
        ]
        await FolderVault(self.ledger.settings.state_dir).put("seed", json.dumps(rows))

    async def between(self) -> None:
        """Do nothing."""

    async def problems(self) -> list[str]:
        rows = await self.ledger.store.provider_rows()
        if [row.name for row in rows] != ["one", "two"]:
            return [f"the providers are {[row.name for row in rows]}"]
        secrets = open_secrets(self.ledger.settings)
        refs = [ref for row in rows for ref in references(row.name, row.document)]
        keys = {await secrets.key(ref) for ref in refs}
        return [] if keys == {*KEYS} else ["a provider lacks its key"]
