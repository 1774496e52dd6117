"""Provider rows and their keys → the published pool, and what became of it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import Conflict, SnapshotUnreadable
from aigateway.ledger.store import Directory, Published
from aigateway.pool.outcomes import Outcome, outcomes_of
from aigateway.pool.secrets import Secrets, open_secrets
from aigateway.pool.snapshot import NO_OUTCOMES, check, snapshot_document, statuses
from aigateway.pool.vault import SecretsManager
from aigateway.settings import Settings

logger = logging.getLogger(__name__)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
TRIES = 3
"""So often a reload that another one overtook begins anew."""


@final
@dataclass(frozen=True, slots=True)
class Remembered:
    """What a process knows of its own reloads, for when the store answers nobody."""

    attempted_at: datetime | None
    succeeded_at: datetime | None
    outcomes: Mapping[str, Outcome]


@final
@dataclass(frozen=True, slots=True)
class _InForce:
    """``digest`` ``None``: nothing that could be read."""

    version: int
    digest: str | None
    outcomes: Mapping[str, Outcome]


@final
class Reload:
    """Publishes provider rows and access rules when they, or how rows come out, have changed.

    A bad row, or a key that cannot be read, costs that provider only. A reload fails where the
    rows or the store of keys cannot be read, or the pool cannot be stored: what is in force stays.

    ``secrets`` gives a new look at the keys, which remembers none of an earlier one.
    """

    def __init__(
        self,
        clock: Clock,
        secrets: Callable[[], Secrets],
        *,
        allow_byok: bool,
        allowed: tuple[Network, ...],
    ) -> None:
        self._clock = clock
        self._secrets = secrets
        self._allow_byok = allow_byok
        self._allowed = allowed
        self.remembered = Remembered(None, None, NO_OUTCOMES)

    async def run(self, directory: Directory) -> int:
        """Reload, and return the version in force.

        The attempt is noted before anything can fail, the success only at the end; neither time
        ever goes back. Raises ``LedgerFault`` or ``SecretStoreUnavailable``.
        """
        known = self.remembered
        began_at = max(self._clock.now(), known.attempted_at or LONG_AGO)
        self.remembered = Remembered(began_at, known.succeeded_at, known.outcomes)
        await directory.note_attempt(began_at)
        version, outcomes = await self._published(directory)
        await directory.note_success(began_at)
        self.remembered = Remembered(began_at, began_at, outcomes)
        return version

    async def _published(self, directory: Directory) -> tuple[int, Mapping[str, Outcome]]:
        for _ in range(TRIES - 1):
            try:
                return await self._publish(directory)
            except Conflict:
                logger.info("another reload was faster: this one begins anew")
        return await self._publish(directory)

    async def _publish(self, directory: Directory) -> tuple[int, Mapping[str, Outcome]]:
        """Look at what is in force before the rows: older rows are never put over newer ones.

        Raises ``Conflict`` where another reload published in between.
        """
        before = await _in_force(directory)
        rows = await directory.provider_rows()
        outcomes = await outcomes_of(
            rows, self._secrets(), allow_byok=self._allow_byok, allowed=self._allowed
        )
        access = await directory.access_rules()
        rules = (rule.document() for rule in access.rules)
        document, digest = snapshot_document(rows, outcomes, rules)
        if before.digest == digest:
            return before.version, outcomes
        version = before.version + 1
        await directory.publish(Published(version, digest, document), before.version or None)
        _log_changes(before.outcomes, outcomes)
        return version, outcomes


async def _in_force(directory: Directory) -> _InForce:
    """A published document that is damaged counts as none, so that this reload replaces it."""
    state = await directory.reload_state()
    try:
        published = await directory.published()
        if published is None:
            return _InForce(state.version, None, NO_OUTCOMES)
        check(published.document, published.digest)
        return _InForce(published.version, published.digest, statuses(published.document))
    except SnapshotUnreadable as damaged:
        logger.warning("snapshot unreadable: %s: it will be published anew", damaged)
        return _InForce(state.version, None, NO_OUTCOMES)


def _log_changes(before: Mapping[str, Outcome], after: Mapping[str, Outcome]) -> None:
    """Write a line for each provider whose status, or reason for it, is another one."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old and new and (old.status, old.reason) == (new.status, new.reason):
            continue
        level = logging.WARNING if new is not None and new.status == "error" else logging.INFO
        was, is_now = (outcome.status if outcome else "absent" for outcome in (old, new))
        reason = f": {new.reason}" if new is not None and new.reason else ""
        logger.log(level, "provider %s: %s -> %s%s", name, was, is_now, reason)


def reload_of(settings: Settings, clock: Clock) -> Reload:
    """Return the reload of a process, over the keys that its settings name."""
    vault = SecretsManager()
    return Reload(
        clock,
        lambda: open_secrets(settings, clock, vault),
        allow_byok=settings.allow_byok,
        allowed=settings.allowed_private_cidrs,
    )
