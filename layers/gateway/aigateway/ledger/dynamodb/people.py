"""Users, and the AWS principals that they sign as.

A user is one item. That its name and its principals are no other user's is held by one more item
for each of them, written in the same transaction: there can be no two under one key.
"""

import secrets
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from aigateway.caller.people import Key, User
from aigateway.clock import from_micros, micros
from aigateway.errors import AuthUnavailable, Conflict, RecorderUnavailable
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.expressions import ABSENT, Check, Condition, Delete, Item, Put, Write
from aigateway.ledger.items import key_text

USERS = "USER"
LISTS = ("groups", "iam_principals")
ACTIVE_ADMIN = Condition(
    "#role = :admin AND #status = :active", {"admin": "admin", "active": "active"}
)

OVERTAKEN = frozenset({"ConditionalCheckFailed", "TransactionConflict"})
"""Reasons of a transaction that somebody else was faster, or is at it right now."""


class DynamoPeople(Ground):
    """Who may call. Nothing here ever expires."""

    async def users(self) -> tuple[User, ...]:
        users = [user_from(item) for item in await self._table.all(Range(USERS))]
        shown = (user for user in users if user.status != "deleted")
        return tuple(sorted(shown, key=lambda user: user.username))

    async def user(self, id_or_username: str) -> User | None:
        user = await self._stored(id_or_username)
        if user is None or user.status == "deleted":
            user = await self._referred_to(_name_place(id_or_username))
        return None if user is None or user.status == "deleted" else user

    async def principal(self, arn: str) -> User | None:
        try:
            return await self._referred_to(_principal_place(arn))
        except RecorderUnavailable as fault:
            raise AuthUnavailable(*fault.args) from fault

    async def _referred_to(self, place: tuple[str, str]) -> User | None:
        reference = await self._table.read(place)
        return None if reference is None else await self._stored(str(reference["user_id"]))

    async def _stored(self, id: str) -> User | None:  # noqa: A002 - the field's name
        item = await self._table.read((USERS, id))
        return None if item is None else user_from(item)

    async def add_user(self, user: User) -> None:
        places = [_name_place(user.username), *map(_principal_place, user.principals)]
        references = [_reference(place, user.id) for place in places]
        taken = "a user of this name exists, or another one has this AWS principal"
        await self._together([Put(_item(user), ABSENT), *references], taken)

    async def change_user(self, before: User, after: User, admin_left: str | None = None) -> None:
        old, new = set(before.principals), set(after.principals)
        writes: list[Write] = [
            Put(_item(after), _is_still(before)),
            *(_reference(_principal_place(arn), after.id) for arn in sorted(new - old)),
            *(Delete(*_principal_place(arn)) for arn in sorted(old - new)),
        ]
        if admin_left is not None:
            writes.append(Check(USERS, admin_left, ACTIVE_ADMIN))
        await self._together(writes, "the user, an AWS principal or the other admin was changed")

    async def _together(self, writes: list[Write], otherwise: str) -> None:
        try:
            await self._table.transact(writes, secrets.token_hex(16))
        except Refused as refused:
            if any(reason.code in OVERTAKEN for reason in refused.reasons):
                raise Conflict(otherwise) from refused
            raise


def attributes(value: Key | User) -> dict[str, Any]:
    """Return the attributes of a key or user: its fields, times in microseconds."""
    return {
        name: micros(member) if isinstance(member, datetime) else member
        for name, member in asdict(value).items()
        if member is not None
    }


def user_from(item: Item) -> User:
    named: dict[str, Any] = {field.name: item.get(field.name) for field in fields(User)}
    lists = {name: tuple(item[name]) for name in LISTS}
    return User(**named | lists | {"created_at": from_micros(item["created_at"])})


def _item(user: User) -> dict[str, Any]:
    return attributes(user) | {"pk": USERS, "sk": user.id}


def _is_still(user: User) -> Condition:
    """Every field has the value that was read."""
    stored = attributes(user)
    texts = [
        f"#{field.name} = :{field.name}"
        if field.name in stored
        else f"attribute_not_exists(#{field.name})"
        for field in fields(User)
    ]
    return Condition(" AND ".join(texts), stored)


def _reference(place: tuple[str, str], user_id: str) -> Put:
    return Put({"pk": place[0], "sk": place[1], "user_id": user_id}, ABSENT)


def _name_place(username: str) -> tuple[str, str]:
    return f"NAME#{key_text(username)}", "REF"


def _principal_place(arn: str) -> tuple[str, str]:
    return f"ARN#{key_text(arn)}", "REF"
