"""What runs beside gateways: each job once, in a process of its own, with steps to die at."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aigateway.ledger.dynamodb.connection import Sending
from aigateway.ledger.erase import erase_due
from aigateway.ledger.importing import Importer
from aigateway.ledger.transfer import row_in
from aigateway.pool.secrets import open_secrets
from aigateway.reload.first_key import FirstKey
from aigateway.reload.pool import Reload
from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.assembly import remote_of, view_of
from aigateway.reload.seed import Seed
from aigateway.reload.spilled_file import FromFile
from aigateway.reload.sweep import purge, repair_parents, sweep
from aigateway.settings import Settings
from aigateway.telemetry.journal import SILENT
from local.crashing import Crash, Dying
from tests.crash.broken import BROKEN
from tests.crash.programs import VARIANT, crash_of, dying_spill, dying_store
from tests.crash.vault import FolderVault
from tests.monitoring.ticking import ClockAhead

PUSHES = "pushes"
RECEIVER = "http://127.0.0.1/api/v1/write"
ACCEPTED = 204


@final
@dataclass(frozen=True, slots=True)
class Work:
    """What a job is given. ``store`` is wrapped."""

    settings: Settings
    store: Any
    crash: Crash
    clock: ClockAhead
    arguments: Mapping[str, Any]

    @property
    def secrets(self) -> Any:  # noqa: ANN401 - keys, wrapped
        return Dying(open_secrets(self.settings, self.clock), "secrets", self.crash)

    @property
    def vault(self) -> Any:  # noqa: ANN401 - a vault, wrapped
        return Dying(FolderVault(self.settings.state_dir), "vault", self.crash)


async def run_job(name: str, arguments: Mapping[str, Any], sending: Sending | None) -> None:
    """Run one of ``JOBS`` over the store of this process's environment, ``ahead`` of the time."""
    settings = Settings.from_env(os.environ)
    clock = ClockAhead(arguments.get("ahead", 0.0))
    crash, broken = crash_of(os.environ, name), BROKEN[os.environ.get(VARIANT, "")]
    store = dying_store(settings, crash, broken, sending, clock)
    await store.start()
    try:
        await JOBS[name](Work(settings, store, crash, clock, arguments))
    finally:
        await store.stop()


async def _sweep(work: Work) -> None:
    await sweep(work.store, work.clock.now())
    await repair_parents(work.store, work.clock.now())
    await purge(work.store, work.clock.now())


async def _bring(work: Work) -> None:
    """What was spilled comes home before anybody looks for orphans."""
    spilled = dying_spill(work.settings, work.crash)
    await FromFile(spilled, work.clock, SILENT).run(work.store)
    await sweep(work.store, work.clock.now())


async def _reload(work: Work) -> None:
    settings = work.settings
    reload = Reload(
        work.clock,
        lambda: work.secrets,
        allow_byok=settings.allow_byok,
        allowed=settings.allowed_private_cidrs,
    )
    await reload.run(work.store)


async def _first_key(work: Work) -> None:
    await FirstKey("first", work.vault).make(work.store, work.clock)


async def _seed(work: Work) -> None:
    allowed = work.settings.allowed_private_cidrs
    await Seed("seed", work.vault, work.secrets, allowed, work.clock).sow(work.store)


async def _publish(work: Work) -> None:
    receiver: Any = Dying(Pushes(work.settings.state_dir / PUSHES), "receiver", work.crash)
    remote = remote_of(work.settings, RECEIVER, receiver, work.clock)
    sinks = Sinks(remote, has_endpoint=True)
    view = view_of(work.settings)
    publisher = Publisher(sinks, work.clock, view, lambda: None, has_twins=False)
    await publisher.run(work.store)
    assert publisher.went_well, "the push did not go well"


@final
class Pushes:
    """Takes remote writes into a folder, a file for each, numbered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, body: bytes) -> int:
        self._folder.mkdir(exist_ok=True)
        names = (self._folder / f"{number:06}" for number in itertools.count())
        next(name for name in names if not name.exists()).write_bytes(body)
        return ACCEPTED


async def _erase(work: Work) -> None:
    await erase_due(work.store, work.clock)


async def _import(work: Work) -> None:
    exported = Path(work.arguments["file"])
    importer = Importer(work.store, work.clock)
    for line in (await asyncio.to_thread(exported.read_bytes)).splitlines(keepends=True):
        await importer.take([row_in(line)])


JOBS: Mapping[str, Callable[[Work], Awaitable[None]]] = {
    "sweep": _sweep,
    "bring home": _bring,
    "reload": _reload,
    "first key": _first_key,
    "seed": _seed,
    "publish": _publish,
    "erase": _erase,
    "import": _import,
}
