"""The first admin and its key: without them nobody could make any other.

An admin counts as made once its user is there, so that is the last write; everything before it
follows from the text in the secret. A run that was killed on the way, or that another one
overtook, leaves nothing that a later run would not write just the same.
"""

import logging
from datetime import datetime
from typing import final
from uuid import NAMESPACE_OID, uuid5

from aigateway.caller.keys import key_from, key_id_of, new_secret
from aigateway.caller.people import Key, User
from aigateway.clock import Clock
from aigateway.errors import Conflict, SecretUnavailable
from aigateway.ledger.store import Directory
from aigateway.pool.vault import Vault

logger = logging.getLogger(__name__)
ADMIN = "admin"


def first_admin(secret: str, now: datetime) -> User:
    """Return the user to whom the first key belongs; its id follows from the key's."""
    return User(str(uuid5(NAMESPACE_OID, f"aigw {key_id_of(secret)}")), ADMIN, "admin", now)


def first_key_row(secret: str, user_id: str, now: datetime) -> Key:
    """Return what is stored of the first key: it has no end."""
    return key_from(secret, user_id, "first", now, None)


@final
class FirstKey:
    """Makes the first admin of a deployment, with the key that lies in a secret."""

    def __init__(self, name: str, vault: Vault) -> None:
        self._name = name
        self._vault = vault
        self._is_over = False

    async def make(self, directory: Directory, clock: Clock) -> int:
        """Make the admin unless there is one; return how many were made.

        Raises ``SecretUnavailable`` or ``LedgerFault``: the next run then goes on.
        """
        made = 0
        if not self._is_over and not await _has_admin(directory):
            made = await self._make(directory, clock.now())
        self._is_over = True
        return made

    async def _make(self, directory: Directory, now: datetime) -> int:
        secret = await self._secret()
        admin = first_admin(secret, now)
        key = first_key_row(secret, admin.id, now)
        if await directory.key(key.id) is None:
            await directory.put_key(key)
        try:
            await directory.add_user(admin)
        except Conflict:
            logger.info("the user %s was made by somebody else", ADMIN)
            return 0
        logger.info("the first admin key was made: it lies in the secret %s", self._name)
        return 1

    async def _secret(self) -> str:
        """Return the key in the secret; where it holds none, one that all runs agree on."""
        before = await self._vault.read(self._name)
        if before is None or key_id_of(before.text.strip()) is None:
            await self._vault.replace(self._name, new_secret(), before)
            before = await self._vault.read(self._name)
        text = before.text.strip() if before else ""
        if key_id_of(text) is None:
            raise SecretUnavailable(f"secret {self._name}: expected a gateway key")
        return text


async def _has_admin(directory: Directory) -> bool:
    if await directory.user(ADMIN) is not None:
        return True
    return any(user.role == "admin" for user in await directory.users())
