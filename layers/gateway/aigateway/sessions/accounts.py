"""Users and keys: made, changed and ended, for the calls of the API and for the command line.

Whoever changes something is named in an audit entry that follows the change.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.people import Key, User
from aigateway.clock import Clock, time_text
from aigateway.errors import Conflict, Refusal
from aigateway.ledger.store import AuditEntry, Directory
from aigateway.sessions.calls import NothingFound
from aigateway.sessions.interception_view import Document, given, time_or_none, user
from aigateway.sessions.people_members import changes_of, new_key, new_user

ATTEMPTS = 5
"""So often a change is made again from what is stored by then."""
PRIVATE = ("name", "email")
"""Fields whose values do not outlive their user in the audit."""


@final
class Clash(Refusal):
    """What is asked for cannot stand beside what is there."""

    status, code = 409, "clash"


@final
class Accounts:
    """The users and keys of a directory. ``actor_id`` is who asks for a change."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    async def user(self, id_or_username: str) -> User:
        """Raises ``NothingFound``."""
        found = await self._directory.user(id_or_username)
        if found is None:
            raise NothingFound(f"There is no user {id_or_username}.")
        return found

    async def add_user(self, document: Mapping[str, Any], actor_id: str) -> User:
        """Make a user. Raises ``BodyInvalid`` or ``Clash``."""
        made = new_user(document, str(uuid.uuid4()), self._clock.now())
        await self._refuse_taken(made)
        try:
            await self._directory.add_user(made)
        except Conflict as taken:
            await self._refuse_taken(made)
            raise Clash(f"The username {made.username} is or was another user's.") from taken
        await self._audit(actor_id, "user.added", made.username, _differences(None, made))
        return made

    async def change_user(
        self, id_or_username: str, document: Mapping[str, Any], actor_id: str
    ) -> User:
        """Set some fields. Raises ``BodyInvalid``, ``NothingFound`` or ``Clash``."""
        changes = changes_of(document)
        before, after = await self._changed(id_or_username, changes)
        if after != before:
            changed = _differences(before, after)
            await self._audit(actor_id, "user.changed", after.username, changed)
        return after

    async def delete_user(self, id_or_username: str, actor_id: str) -> None:
        """End a user for good, and all its keys; history keeps the name.

        Raises ``NothingFound`` or ``Clash``.
        """
        end = {"status": "deleted", "iam_principals": ()}
        _, deleted = await self._changed(id_or_username, end)
        now = self._clock.now()
        ended = [key for key in await self._directory.keys(deleted.id) if key.is_valid(now)]
        for key in ended:
            await self._directory.put_key(replace(key, revoked_at=now))
        revoked = {"revoked_keys": [key.id for key in ended]}
        await self._audit(actor_id, "user.deleted", deleted.username, revoked)

    async def add_key(
        self, owner: User, document: Mapping[str, Any], actor_id: str
    ) -> tuple[Key, str]:
        """Make a key; return it with its secret, which nobody can read again.

        Raises ``BodyInvalid``.
        """
        wanted, now, secret = new_key(document), self._clock.now(), new_secret()
        key = key_from(secret, owner.id, wanted.name, now, now + wanted.lifetime)
        await self._directory.put_key(key)
        shown = {"id": key.id, "name": key.name, "expires_at": time_or_none(key.expires_at)}
        await self._audit(actor_id, "key.added", owner.username, {"key": shown})
        return key, secret

    async def revoke_key(
        self, key_id: str, actor_id: str, owner: User | None = None
    ) -> tuple[Key, User]:
        """End a key, of ``owner`` if that is given. Raises ``NothingFound``."""
        found = await self._directory.key(key_id)
        if found is None or (owner is not None and found[1].id != owner.id):
            raise NothingFound(f"There is no key {key_id}.")
        key, its_user = found
        if key.revoked_at is None:
            key = replace(key, revoked_at=self._clock.now())
            await self._directory.put_key(key)
            revoked = {"key": {"id": key.id, "name": key.name}}
            await self._audit(actor_id, "key.revoked", its_user.username, revoked)
        return key, its_user

    async def _changed(self, id_or_username: str, changes: Mapping[str, Any]) -> tuple[User, User]:
        """Apply the changes to what is stored, and again to what somebody else made of it."""
        for _ in range(ATTEMPTS):
            before = await self.user(id_or_username)
            after = replace(before, **changes)
            if after == before:
                return before, after
            await self._refuse_taken(after)
            admin_left = await self._admin_left(before, after)
            try:
                await self._directory.change_user(before, after, admin_left)
            except Conflict:
                continue
            return before, after
        raise Clash("Others keep changing this user: try again.")

    async def _admin_left(self, before: User, after: User) -> str | None:
        """Return who is an admin still when ``before`` is none any more. Raises ``Clash``."""
        if not before.is_active_admin or after.is_active_admin:
            return None
        for other in await self._directory.users():
            if other.is_active_admin and other.id != before.id:
                return other.id
        raise Clash(f"{before.username} is the last active admin: make another one first.")

    async def _refuse_taken(self, wanted: User) -> None:
        for arn in wanted.principals:
            owner = await self._directory.principal(arn)
            if owner is not None and owner.id != wanted.id:
                raise Clash(f"The AWS principal {arn} is the user {owner.username}'s.")

    async def _audit(
        self, actor_id: str, action: str, target: str, changes: Mapping[str, object]
    ) -> None:
        now = self._clock.now()
        entry = AuditEntry(str(uuid.uuid4()), now, actor_id, action, target, changes)
        await self._directory.audit(entry)


def user_document(one: User) -> Document:
    return {
        **user(one.id, one.username),
        **given(name=one.name, email=one.email),
        "role": one.role,
        "groups": list(one.groups),
        "status": one.status,
        "iam_principals": list(one.iam_principals),
        "created_at": time_text(one.created_at),
    }


def key_document(key: Key) -> Document:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": time_text(key.created_at),
        "expires_at": time_or_none(key.expires_at),
        **given(
            last_used_at=time_or_none(key.last_used_at), revoked_at=time_or_none(key.revoked_at)
        ),
    }


def _differences(before: User | None, after: User) -> dict[str, object]:
    """Return each field that is another now: what it was and is, or only that it changed."""
    changed: dict[str, object] = {}
    for name in ("name", "email", "role", "status", "groups", "iam_principals"):
        old, new = getattr(before, name, None), getattr(after, name)
        if old != new:
            changed[name] = "changed" if name in PRIVATE else {"from": old, "to": new}
    return changed
