"""The providers that a deployment begins with."""

import logging
from typing import final

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import Conflict, RowInvalid, SecretUnavailable
from aigateway.ledger.store import Directory
from aigateway.pool.documents import Split, documents_from, split
from aigateway.pool.providers import ProviderRow
from aigateway.pool.secrets import WritableSecrets
from aigateway.pool.stamps import stamped
from aigateway.pool.vault import Vault

logger = logging.getLogger(__name__)


@final
class Seed:
    """Fills an empty table from the provider documents in a secret.

    Keys are stored before the rows that refer to them, rows only where there is none of the name.
    What a run could not finish a later one of this process goes on with; so does one of another
    process, unless a pool has been published in between. A table that is not empty is left alone.
    """

    def __init__(
        self,
        name: str,
        vault: Vault,
        secrets: WritableSecrets,
        allowed: tuple[Network, ...],
        clock: Clock,
    ) -> None:
        self._name = name
        self._vault = vault
        self._secrets = secrets
        self._allowed = allowed
        self._clock = clock
        self._is_begun = False
        self._is_over = False

    async def sow(self, directory: Directory) -> int:
        """Write the rows; return how many. A document with a fault is logged and left out.

        Raises ``RowInvalid`` for a secret that holds no documents, ``SecretUnavailable`` or
        ``LedgerFault``.
        """
        if self._is_over:
            return 0
        if not self._is_begun and await _is_configured(directory):
            logger.warning("the seed in the secret %s is ignored: there are providers", self._name)
            self._is_over = True
            return 0
        found = await self._read()
        self._is_begun = True
        await self._secrets.put(found.keys)
        added, now = 0, self._clock.now()
        for row in found.rows:
            try:
                await directory.put_provider(
                    ProviderRow(row["name"], stamped(row, None, now), 1), None
                )
                added += 1
            except Conflict:
                logger.info("the provider %s of the seed is there already", row["name"])
        self._is_over = bool(found.rows)
        return added

    async def _read(self) -> Split:
        stored = await self._vault.read(self._name)
        if stored is None:
            raise SecretUnavailable(f"secret {self._name}: expected providers, found no text")
        try:
            found = split(documents_from(stored.text), self._allowed)
        except RowInvalid as wrong:
            raise RowInvalid(f"secret {self._name}: {wrong}") from None
        for position, reason in found.faults:
            logger.warning("provider %d of the seed is left out: %s", position, reason)
        return found


async def _is_configured(directory: Directory) -> bool:
    """Before the first pool rows can only be those of a seed that was not finished."""
    if not await directory.provider_rows(deleted=True):
        return False
    return (await directory.reload_state()).version > 0
