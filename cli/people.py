"""Users and their keys."""

import re
import uuid
from argparse import Namespace
from dataclasses import replace
from datetime import datetime, timedelta

from aigateway.caller.keys import KEY_FORM, key_from, new_secret
from aigateway.caller.people import Key, User, is_username
from aigateway.clock import Clock, time_text
from aigateway.errors import Conflict
from aigateway.ledger.store import Store
from aigateway.sessions.endpoints import ME
from aigateway.sessions.interception_view import given, time_or_none, user
from cli.figures import day_time
from cli.ledger import Mistake
from cli.output import Output
from cli.terminal import Column

KEY_ID = re.compile(r"(?:aigw_)?([0-9a-f]{16})")
NAME_LIMIT = 64
LONGEST_DAYS = 365


async def create_user(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    if not is_username(wanted.name) or wanted.name == ME:
        raise Mistake(
            f"{wanted.name!r} is no user name: lower-case letters and digits, single hyphens"
            f" between them, at most {NAME_LIMIT}, and not {ME!r}",
            2,
        )
    made = User(str(uuid.uuid4()), wanted.name, wanted.role, clock.now())
    try:
        await store.add_user(made)
    except Conflict as taken:
        raise Mistake(f"there is a user {wanted.name} already") from taken
    if wanted.json:
        output.document(_user_document(made))
    else:
        output.say(f"{made.username} may call the gateway as {made.role} once there is a key:")
        output.say(f"  aigw keys create --user {made.username}")


async def list_users(store: Store, _clock: Clock, wanted: Namespace, output: Output) -> None:
    users = await store.users()
    if wanted.json:
        output.document([_user_document(one) for one in users])
        return
    output.table(
        [Column("USER"), Column("ROLE"), Column("STATUS"), Column("CREATED (UTC)"), Column("ID")],
        [[u.username, u.role, u.status, day_time(u.created_at), u.id] for u in users],
        otherwise="no users yet: aigw users create NAME",
    )


async def create_key(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    owner = await _user(store, wanted.user)
    if len(wanted.name) > NAME_LIMIT or not wanted.name.isprintable():
        raise Mistake(f"a key's name has at most {NAME_LIMIT} printable characters", 2)
    if not 1 <= wanted.days <= LONGEST_DAYS:
        raise Mistake(f"a key lives 1 to {LONGEST_DAYS} days", 2)
    now, secret = clock.now(), new_secret()
    key = key_from(secret, owner.id, wanted.name, now, now + timedelta(days=wanted.days))
    await store.put_key(key)
    if wanted.json:
        output.document(_key_document(key, owner) | {"secret": secret})
        return
    until = f"{key.expires_at:%Y-%m-%d}"
    output.aside(f"key {key.id} of {owner.username}, valid until {until}; shown only this once:")
    output.say(secret)


async def list_keys(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    owner = None if wanted.user is None else await _user(store, wanted.user)
    keys = await store.keys(None if owner is None else owner.id)
    users = {one.id: one for one in await store.users()}
    if wanted.json:
        output.document([_key_document(key, users.get(key.user_id)) for key in keys])
        return
    now = clock.now()
    output.table(
        [
            Column("KEY ID"),
            Column("USER"),
            Column("NAME", cut=True),
            Column("STATE"),
            Column("CREATED"),
            Column("EXPIRES"),
            Column("LAST USED (UTC)"),
        ],
        [
            [
                key.id,
                users[key.user_id].username if key.user_id in users else "(deleted)",
                key.name,
                _state(key, users.get(key.user_id), now),
                f"{key.created_at:%Y-%m-%d}",
                f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never",
                day_time(key.last_used_at) if key.last_used_at else "never",
            ]
            for key in keys
        ],
        otherwise="no keys yet: aigw keys create --user NAME",
    )


async def revoke_key(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    form = KEY_FORM.fullmatch(wanted.key_id) or KEY_ID.fullmatch(wanted.key_id)
    if form is None:
        raise Mistake("expected a key id, as `aigw keys list` shows it", 2)
    found = await store.key(form.group(1))
    if found is None:
        raise Mistake(f"there is no key {form.group(1)}")
    key, owner = found
    if key.revoked_at is None:
        key = replace(key, revoked_at=clock.now())
        await store.put_key(key)
    if wanted.json:
        output.document(_key_document(key, owner))
    else:
        output.say(f"key {key.id} of {owner.username} is revoked; gateways stop taking it soon")


async def _user(store: Store, name: str) -> User:
    found = await store.user(name)
    if found is None:
        raise Mistake(f"there is no user {name}")
    return found


def _state(key: Key, owner: User | None, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_valid(now):
        return "expired"
    return "valid" if owner is not None and owner.status == "active" else "user inactive"


def _user_document(one: User) -> dict[str, object]:
    return {
        **user(one.id, one.username),
        **given(name=one.name, email=one.email),
        "role": one.role,
        "groups": list(one.groups),
        "status": one.status,
        "iam_principals": list(one.iam_principals),
        "created_at": time_text(one.created_at),
    }


def _key_document(key: Key, owner: User | None) -> dict[str, object]:
    return {
        "id": key.id,
        "user": user(key.user_id, owner.username if owner else ""),
        "name": key.name,
        "prefix": key.prefix,
        "created_at": time_text(key.created_at),
        "expires_at": time_or_none(key.expires_at),
        **given(
            last_used_at=time_or_none(key.last_used_at), revoked_at=time_or_none(key.revoked_at)
        ),
    }
