"""One tick: what is new is prepared, provider rows are published, orphans closed, metrics sent."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, final

from aigateway.clock import Clock
from aigateway.errors import GatewayError
from aigateway.ledger import object_rules
from aigateway.ledger.store import Store
from aigateway.pool.secrets import open_secrets
from aigateway.pool.vault import SecretsManager
from aigateway.reload.ages import Ages
from aigateway.reload.figures import Figures, Publishing
from aigateway.reload.first_key import FirstKey
from aigateway.reload.payload_lifecycle import PayloadLifecycle
from aigateway.reload.pool import Reload, reload_of
from aigateway.reload.seed import Seed
from aigateway.reload.sweep import purge, repair_parents, sweep
from aigateway.settings import Settings
from aigateway.telemetry.journal import SILENT, Journal

logger = logging.getLogger(__name__)
Part = Callable[[Store], Awaitable[int]]


class Recovery(Protocol):
    """Closes records that gateways could not close, from what they kept of them elsewhere."""

    is_behind: bool
    """After the last run some were left that the next ones may close."""

    async def run(self, store: Store) -> int:
        """Return how many were closed."""


@final
class Tick:
    """A scheduled run, the same in a function and on one machine. Lives as long as its process."""

    def __init__(
        self,
        clock: Clock,
        reload: Reload,
        beginnings: Mapping[str, Part],
        endings: Mapping[str, Part] | None = None,
        journal: Journal = SILENT,
        spilled: Recovery | None = None,
        ages: Ages | None = None,
    ) -> None:
        self._clock = clock
        self._reload = reload
        self._beginnings = beginnings
        self._endings = endings or {}
        self._journal = journal
        self._spilled = spilled
        self._ages = ages

    @property
    def beginnings(self) -> tuple[str, ...]:
        return tuple(self._beginnings)

    @property
    def endings(self) -> tuple[str, ...]:
        return tuple(self._endings)

    async def run(self, store: Store, *, only_reload: bool = False) -> dict[str, int]:
        """Run each part and return what it counted.

        A part that fails is logged and stops no other; the first failure is raised at the end.
        """
        reloading: dict[str, Part] = {"reload": self._reload.run}
        spilled = {} if self._spilled is None else {"spilled": self._spilled.run}
        closing: dict[str, Part] = {
            **spilled,
            "sweep": self._sweep,
            "parents": lambda store: repair_parents(store, self._clock.now()),
            "purge": self._purge,
        }
        whole = {**self._beginnings, **reloading, **closing, **self._endings}
        parts = reloading if only_reload else whole
        counted: dict[str, int] = {}
        failed: Exception | None = None
        for name, part in parts.items():
            try:
                counted[name] = await part(store)
            except GatewayError as fault:
                logger.error("a scheduled part failed: %s: %s", name, fault)  # noqa: TRY400 - the message says it all
                failed = failed or fault
            except Exception as bug:
                logger.exception("a scheduled part failed: %s", name)
                failed = failed or bug
        if failed is not None:
            raise failed
        return counted

    async def _sweep(self, store: Store) -> int:
        """Close orphans, unless spilled records wait for the next run: they may be theirs."""
        if self._spilled is not None and self._spilled.is_behind:
            return 0
        if not self._are_ages_believed():
            return 0
        return await sweep(store, self._clock.now(), self._journal)

    async def _purge(self, store: Store) -> int:
        return await purge(store, self._clock.now()) if self._are_ages_believed() else 0

    def _are_ages_believed(self) -> bool:
        return self._ages is None or self._ages.are_believed()


def tick_of(
    settings: Settings,
    clock: Clock,
    journal: Journal = SILENT,
    *,
    spilled: Recovery | None = None,
    forget: Callable[[str], int] | None = None,
) -> Tick:
    """Return the tick of a process, with the beginnings and endings that its settings name.

    On one machine ``spilled`` brings home what gateways keep in a file, in place of the log, and
    ``forget`` takes a user's lines out of such files and returns how many there were.
    """
    vault = SecretsManager()
    beginnings: dict[str, Part] = {}
    if settings.admin_key_secret is not None:
        first = FirstKey(settings.admin_key_secret, vault)
        beginnings["first key"] = lambda store: first.make(store, clock)
    if settings.providers_seed_secret is not None:
        secrets, allowed = open_secrets(settings, clock), settings.allowed_private_cidrs
        seed = Seed(settings.providers_seed_secret, vault, secrets, allowed, clock)
        beginnings["seed"] = seed.sow
    objects = object_rules(settings)
    if objects is not None:
        lifecycle = PayloadLifecycle(objects, settings.retention)
        beginnings["payload lifecycle"] = lambda _: lifecycle.keep()
    reload = reload_of(settings, clock)
    endings: dict[str, Part] = {"erase": lambda store: _erase(store, clock, forget)}
    publisher: Publishing | None = None
    if settings.metric_sinks - {"emf"}:
        from aigateway.reload.publishing.assembly import (  # noqa: PLC0415 - only those pay who publish
            publisher_of,
        )

        publisher = publisher_of(settings, clock, vault, reload)
        endings["publish"] = publisher.run
    if "emf" in settings.metric_sinks:
        endings["figures"] = Figures(journal, reload, publisher).tell
    if spilled is None and settings.spilled_log_group is not None:
        spilled = _from_log(settings.spilled_log_group, clock, journal)
    ages = None if settings.on_lambda else Ages(clock)
    return Tick(clock, reload, beginnings, endings, journal, spilled, ages)


def _from_log(group: str, clock: Clock, journal: Journal) -> Recovery:
    from aigateway.reload.log_group import CloudWatchGroup  # noqa: PLC0415 - only those pay who read one
    from aigateway.reload.spilled_log import FromLog  # noqa: PLC0415 - likewise

    return FromLog(CloudWatchGroup(group), clock, journal)


async def _erase(store: Store, clock: Clock, forget: Callable[[str], int] | None) -> int:
    """Go on with forgetting users, as far as one tick goes."""
    from aigateway.ledger.erase import erase_due, no_files  # noqa: PLC0415 - after the reload, which is awaited

    return await erase_due(store, clock, forget or no_files)
