"""Users and their keys."""

import re
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from aigateway.caller.keys import KEY_FORM
from aigateway.caller.people import Key, User
from aigateway.clock import Clock
from aigateway.ledger.store import Store
from aigateway.sessions.accounts import Accounts, Clash, key_document, user_document
from aigateway.sessions.bodies import BodyInvalid
from aigateway.sessions.calls import NothingFound
from aigateway.sessions.interception_view import user
from cli.figures import day_time
from cli.ledger import Mistake
from cli.output import Output
from cli.terminal import Column

KEY_ID = re.compile(r"(?:aigw_)?([0-9a-f]{16})")
ACTOR = "cli"
"""Who the audit says it was: whoever may open the store."""


async def create_user(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    document = {"username": wanted.name, **_given(wanted)}
    with told():
        made = await Accounts(store, clock).add_user(document, ACTOR)
    if wanted.json:
        output.document(user_document(made))
    else:
        output.say(f"{made.username} may call the gateway as {made.role} once there is a key:")
        output.say(f"  aigw keys create --user {made.username}")


async def change_user(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    with told():
        changed = await Accounts(store, clock).change_user(wanted.name, _given(wanted), ACTOR)
    if wanted.json:
        output.document(user_document(changed))
    else:
        output.say(f"{changed.username} is {changed.status}, with the role {changed.role}")


async def delete_user(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    with told():
        await Accounts(store, clock).delete_user(wanted.name, ACTOR)
    if not wanted.json:
        output.say(f"{wanted.name} is deleted and all keys are revoked; records keep the name")


async def list_users(store: Store, _clock: Clock, wanted: Namespace, output: Output) -> None:
    users = await store.users()
    if wanted.json:
        output.document([user_document(one) for one in users])
        return
    output.table(
        [Column("USER"), Column("ROLE"), Column("STATUS"), Column("CREATED (UTC)"), Column("ID")],
        [[u.username, u.role, u.status, day_time(u.created_at), u.id] for u in users],
        otherwise="no users yet: aigw users create NAME",
    )


async def create_key(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    accounts = Accounts(store, clock)
    with told():
        owner = await accounts.user(wanted.user)
        document = {"name": wanted.name, "lifetime_days": wanted.days}
        key, secret = await accounts.add_key(owner, document, ACTOR)
    if wanted.json:
        output.document(_key_document(key, owner) | {"secret": secret})
        return
    until = f"{key.expires_at:%Y-%m-%d}"
    output.aside(f"key {key.id} of {owner.username}, valid until {until}; shown only this once:")
    output.say(secret)


async def list_keys(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    with told():
        owner = None if wanted.user is None else await Accounts(store, clock).user(wanted.user)
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
    with told():
        key, owner = await Accounts(store, clock).revoke_key(form.group(1), ACTOR)
    if wanted.json:
        output.document(_key_document(key, owner))
    else:
        output.say(f"key {key.id} of {owner.username} is revoked; gateways stop taking it soon")


@contextmanager
def told() -> Iterator[None]:
    """Tell a person in one line what the API would answer."""
    try:
        yield
    except BodyInvalid as invalid:
        faults = (f"{fault.field}: {fault.detail}".lstrip(": ") for fault in invalid.faults)
        raise Mistake(" ".join(faults), 2) from invalid
    except (Clash, NothingFound) as refused:
        raise Mistake(str(refused)) from refused


def _given(wanted: Namespace) -> dict[str, Any]:
    """Return the members of a user that were given; an empty text takes one away."""
    given: dict[str, Any] = {
        name: value
        for name in ("role", "status")
        if (value := getattr(wanted, name, None)) is not None
    }
    for name, value in (("name", wanted.display_name), ("email", wanted.email)):
        if value is not None:
            given[name] = value or None
    for name, listed in (("groups", wanted.group), ("iam_principals", wanted.principal)):
        if listed is not None:
            given[name] = [each for each in listed if each]
    return given


def _state(key: Key, owner: User | None, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_valid(now):
        return "expired"
    return "valid" if owner is not None and owner.status == "active" else "user inactive"


def _key_document(key: Key, owner: User | None) -> dict[str, object]:
    shown = key_document(key)
    named = {"id": shown.pop("id"), "user": user(key.user_id, owner.username if owner else "")}
    return named | shown
