"""Users, keys, providers, access rules and the published snapshot."""

import json
import sqlite3
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from aigateway.caller.access import Rule, rule_from
from aigateway.caller.people import Key, User
from aigateway.clock import from_micros, micros
from aigateway.errors import AuthUnavailable, Conflict, RecorderUnavailable
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.store import AccessRules, Published, ReloadState
from aigateway.pool.providers import ProviderRow

KEY_COLUMNS = tuple(field.name for field in fields(Key))
USER_COLUMNS = tuple(field.name for field in fields(User))
USER_CHANGES = tuple(name for name in USER_COLUMNS if name not in ("id", "username"))
LISTS = ("groups", "iam_principals")

PUT_KEY = f"""
INSERT OR REPLACE INTO key ({", ".join(KEY_COLUMNS)})
VALUES ({", ".join(f":{name}" for name in KEY_COLUMNS)})
"""  # noqa: S608 - names from this module
ADD_USER = f"""
INSERT OR IGNORE INTO user ({", ".join(USER_COLUMNS)})
VALUES ({", ".join(f":{name}" for name in USER_COLUMNS)})
"""  # noqa: S608 - names from this module
PUT_USER = f"""
UPDATE user SET {", ".join(f"{name} = :{name}" for name in USER_CHANGES)} WHERE id = :id
"""  # noqa: S608 - names from this module
KEY = "SELECT * FROM key WHERE id = ?"
KEYS = "SELECT * FROM key ORDER BY created_at, id"
KEYS_OF = "SELECT * FROM key WHERE user_id = ? ORDER BY created_at, id"
KEY_USED = "UPDATE key SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?"
OWNER = "SELECT * FROM user WHERE id = ?"
USERS = "SELECT * FROM user WHERE status != 'deleted' ORDER BY username"
USER = """
SELECT * FROM user WHERE status != 'deleted' AND (id = ?1 OR username = ?1) ORDER BY id = ?1 DESC
"""
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
            return None if owner is None else (_key(row), _user(owner))

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

    async def users(self) -> tuple[User, ...]:
        rows = await self._database.read(lambda c: c.execute(USERS).fetchall())
        return tuple(_user(row) for row in rows)

    async def user(self, id_or_username: str) -> User | None:
        row = await self._database.read(lambda c: c.execute(USER, (id_or_username,)).fetchone())
        return None if row is None else _user(row)

    async def add_user(self, user: User) -> None:
        await self._change(ADD_USER, _user_row(user), "a user of this name exists")

    async def put_user(self, user: User) -> None:
        row = _user_row(user)
        await self._database.write(lambda c: c.execute(PUT_USER, row).rowcount)

    async def provider_rows(self) -> tuple[ProviderRow, ...]:
        rows = await self._database.read(lambda c: c.execute(PROVIDERS).fetchall())
        return tuple(ProviderRow.read(row["name"], row["document"], row["version"]) for row in rows)

    async def put_provider(self, row: ProviderRow, previous: int | None) -> None:
        written = (json.dumps(row.document), row.version, row.name)
        if previous is None:
            await self._change(ADD_PROVIDER, written, "a provider of this name exists")
        else:
            await self._change(PUT_PROVIDER, (*written, previous), "the provider was changed")

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

    async def _change(self, statement: str, values: Any, otherwise: str) -> None:  # noqa: ANN401 - what execute() takes
        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(statement, values).rowcount == 0:
                raise Conflict(otherwise)

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


def _user_row(user: User) -> dict[str, object]:
    return {name: _bound(value) for name, value in asdict(user).items()}


def _user(row: sqlite3.Row) -> User:
    lists = {name: tuple(json.loads(row[name])) for name in LISTS}
    made = {"created_at": from_micros(row["created_at"])}
    return User(**{name: row[name] for name in USER_COLUMNS} | lists | made)
