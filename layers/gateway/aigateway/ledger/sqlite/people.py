"""Users, and the AWS principals that they sign as."""

import json
import sqlite3
from dataclasses import asdict, fields
from typing import Any

from aigateway.caller.people import User
from aigateway.clock import from_micros, micros
from aigateway.errors import AuthUnavailable, Conflict, RecorderUnavailable
from aigateway.ledger.sqlite.connection import Database

USER_COLUMNS = tuple(field.name for field in fields(User))
USER_CHANGES = tuple(name for name in USER_COLUMNS if name not in ("id", "username"))
LISTS = ("groups", "iam_principals")

ADD_USER = f"""
INSERT OR IGNORE INTO user ({", ".join(USER_COLUMNS)})
VALUES ({", ".join(f":{name}" for name in USER_COLUMNS)})
"""  # noqa: S608 - names from this module
CHANGE_USER = f"""
UPDATE user SET {", ".join(f"{name} = :{name}" for name in USER_CHANGES)} WHERE id = :id
"""  # noqa: S608 - names from this module
OWNER = "SELECT * FROM user WHERE id = ?"
USERS = "SELECT * FROM user WHERE status != 'deleted' ORDER BY username"
USER = """
SELECT * FROM user WHERE status != 'deleted' AND (id = ?1 OR username = ?1) ORDER BY id = ?1 DESC
"""
PRINCIPAL = "SELECT user.* FROM principal JOIN user ON user.id = user_id WHERE arn = ?"
ADD_PRINCIPAL = "INSERT OR IGNORE INTO principal (arn, user_id) VALUES (?, ?)"
FORGET_PRINCIPALS = "DELETE FROM principal WHERE user_id = ?"


class SqlitePeople:
    """Who may call."""

    _database: Database

    async def users(self) -> tuple[User, ...]:
        rows = await self._database.read(lambda c: c.execute(USERS).fetchall())
        return tuple(user_from(row) for row in rows)

    async def user(self, id_or_username: str) -> User | None:
        row = await self._database.read(lambda c: c.execute(USER, (id_or_username,)).fetchone())
        return None if row is None else user_from(row)

    async def principal(self, arn: str) -> User | None:
        try:
            row = await self._database.read(lambda c: c.execute(PRINCIPAL, (arn,)).fetchone())
        except RecorderUnavailable as fault:
            raise AuthUnavailable(*fault.args) from fault
        return None if row is None else user_from(row)

    async def add_user(self, user: User) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(ADD_USER, _row(user)).rowcount == 0:
                raise Conflict("a user of this name exists")
            _add_principals(connection, user)

        await self._database.write(work)

    async def change_user(self, before: User, after: User, admin_left: str | None = None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if _stored(connection, before.id) != before:
                raise Conflict("the user was changed by somebody else")
            other = None if admin_left is None else _stored(connection, admin_left)
            if admin_left is not None and not (other and other.is_active_admin):
                raise Conflict("the other admin is none any more")
            connection.execute(CHANGE_USER, _row(after))
            connection.execute(FORGET_PRINCIPALS, (after.id,))
            _add_principals(connection, after)

        await self._database.write(work)


def user_from(row: sqlite3.Row) -> User:
    lists = {name: tuple(json.loads(row[name])) for name in LISTS}
    made = {"created_at": from_micros(row["created_at"])}
    return User(**{name: row[name] for name in USER_COLUMNS} | lists | made)


def _stored(connection: sqlite3.Connection, user_id: str) -> User | None:
    row = connection.execute(OWNER, (user_id,)).fetchone()
    return None if row is None else user_from(row)


def _add_principals(connection: sqlite3.Connection, user: User) -> None:
    for arn in user.principals:
        if connection.execute(ADD_PRINCIPAL, (arn, user.id)).rowcount == 0:
            raise Conflict("another user has this AWS principal")


def _row(user: User) -> dict[str, Any]:
    lists = {name: json.dumps(getattr(user, name)) for name in LISTS}
    return asdict(user) | lists | {"created_at": micros(user.created_at)}
