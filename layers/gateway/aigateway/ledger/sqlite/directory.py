"""Keys, providers, access rules and the published snapshot."""

import json
import sqlite3
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from aigateway.caller.access import Rule, rule_from
from aigateway.caller.people import Key, User
from aigateway.clock import from_micros, micros
from aigateway.errors import AuthUnavailable, Conflict, RecorderUnavailable
from aigateway.ledger.sqlite.audit import add_entry
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.sqlite.people import OWNER, user_from
from aigateway.ledger.store import AccessRules, AuditEntry, Published, ReloadState
from aigateway.pool.providers import ProviderRow

KEY_COLUMNS = tuple(field.name for field in fields(Key))

PUT_KEY = f"""
INSERT OR REPLACE INTO key ({", ".join(KEY_COLUMNS)})
VALUES ({", ".join(f":{name}" for name in KEY_COLUMNS)})
"""  # noqa: S608 - names from this module
KEY = "SELECT * FROM key WHERE id = ?"
KEYS = "SELECT * FROM key ORDER BY created_at, id"
KEYS_OF = "SELECT * FROM key WHERE user_id = ? ORDER BY created_at, id"
KEY_USED = "UPDATE key SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?"
PROVIDERS = "SELECT * FROM provider ORDER BY name"
ADD_PROVIDER = "INSERT OR IGNORE INTO provider (document, version, name) VALUES (?, ?, ?)"
PUT_PROVIDER = "UPDATE provider SET document = ?, version = ? WHERE name = ? AND version = ?"
ACCESS = "SELECT value FROM setting WHERE name = 'access'"
PUT_ACCESS = "INSERT OR REPLACE INTO setting (name, value) VALUES ('access', ?)"
SNAPSHOT = "SELECT * FROM snapshot"
PUBLISH = "UPDATE snapshot SET version = ?, digest = ?, document = ? WHERE version = ?"
NOTE_ATTEMPT = "UPDATE snapshot SET attempted_at = max(coalesce(attempted_at, ?1), ?1)"
NOTE_SUCCESS = "UPDATE snapshot SET succeeded_at = max(coalesce(succeeded_at, ?1), ?1)"


class SqliteDirectory:
    """What people and the reload configure."""

    _database: Database

    async def key(self, key_id: str) -> tuple[Key, User] | None:
        def work(connection: sqlite3.Connection) -> tuple[Key, User] | None:
            if (row := connection.execute(KEY, (key_id,)).fetchone()) is None:
                return None
            owner = connection.execute(OWNER, (row["user_id"],)).fetchone()
            return None if owner is None else (_key(row), user_from(owner))

        try:
            return await self._database.read(work)
        except RecorderUnavailable as fault:
            raise AuthUnavailable(*fault.args) from fault

    async def keys(self, user_id: str | None = None) -> tuple[Key, ...]:
        statement, asked = (KEYS, ()) if user_id is None else (KEYS_OF, (user_id,))
        rows = await self._database.read(lambda c: c.execute(statement, asked).fetchall())
        return tuple(_key(row) for row in rows)

    async def put_key(self, key: Key) -> None:
        row = {name: _bound(value) for name, value in asdict(key).items()}
        await self._database.write(lambda c: c.execute(PUT_KEY, row).rowcount)

    async def key_used(self, key_id: str, at: datetime) -> None:
        await self._database.write(lambda c: c.execute(KEY_USED, (micros(at), key_id)).rowcount)

    async def provider_rows(self, *, deleted: bool = False) -> tuple[ProviderRow, ...]:
        found = await self._database.read(lambda c: c.execute(PROVIDERS).fetchall())
        rows = (ProviderRow.read(row["name"], row["document"], row["version"]) for row in found)
        return tuple(row for row in rows if deleted or not row.is_deleted)

    async def put_provider(
        self, row: ProviderRow, previous: int | None, entry: AuditEntry | None = None
    ) -> None:
        written: tuple[object, ...] = (json.dumps(row.document), row.version, row.name)
        statement, otherwise = ADD_PROVIDER, "a provider of this name exists"
        if previous is not None:
            written = (*written, previous)
            statement, otherwise = PUT_PROVIDER, "the provider was changed"
        await self._change(statement, written, otherwise, entry)

    async def access_rules(self) -> AccessRules:
        return await self._database.read(_access)

    async def put_access_rules(self, rules: tuple[Rule, ...], previous: int) -> None:
        document = {"version": previous + 1, "rules": [rule.document() for rule in rules]}

        def work(connection: sqlite3.Connection) -> None:
            if _access(connection).version != previous:
                raise Conflict("the access rules were changed by somebody else")
            connection.execute(PUT_ACCESS, (json.dumps(document),))

        await self._database.write(work)

    async def published(self) -> Published | None:
        row = await self._database.read(lambda c: c.execute(SNAPSHOT).fetchone())
        return Published(row["version"], row["digest"], row["document"]) if row["version"] else None

    async def publish(self, snapshot: Published, previous: int | None) -> None:
        written = (snapshot.version, snapshot.digest, snapshot.document, previous or 0)
        await self._change(PUBLISH, written, "another snapshot is in force")

    async def reload_state(self) -> ReloadState:
        row = await self._database.read(lambda c: c.execute(SNAPSHOT).fetchone())
        times = (_time(row["attempted_at"]), _time(row["succeeded_at"]))
        return ReloadState(row["version"], row["digest"], *times)

    async def note_attempt(self, at: datetime) -> None:
        await self._database.write(lambda c: c.execute(NOTE_ATTEMPT, (micros(at),)).rowcount)

    async def note_success(self, at: datetime) -> None:
        await self._database.write(lambda c: c.execute(NOTE_SUCCESS, (micros(at),)).rowcount)

    async def _change(
        self,
        statement: str,
        values: Any,  # noqa: ANN401 - what execute() takes
        otherwise: str,
        entry: AuditEntry | None = None,
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(statement, values).rowcount == 0:
                raise Conflict(otherwise)
            if entry is not None:
                add_entry(connection, entry)

        await self._database.write(work)


def _access(connection: sqlite3.Connection) -> AccessRules:
    if (row := connection.execute(ACCESS).fetchone()) is None:
        return AccessRules(0, ())
    stored = json.loads(row["value"])
    return AccessRules(stored["version"], tuple(rule_from(rule) for rule in stored["rules"]))


def _bound(value: object) -> object:
    if isinstance(value, datetime):
        return micros(value)
    return json.dumps(value) if isinstance(value, tuple) else value


def _time(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def _key(row: sqlite3.Row) -> Key:
    times = {name: _time(row[name]) for name in KEY_COLUMNS if name.endswith("_at")}
    return Key(**{name: row[name] for name in KEY_COLUMNS} | times)
