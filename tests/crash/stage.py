"""Plays runs: a process dies, another one goes on, the sweep comes, and all is compared."""

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, final

from aigateway.clock import SystemClock
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.spill_file import NAME, SpillFile
from aigateway.reload.spilled_file import FromFile
from aigateway.reload.sweep import repair_parents, sweep
from aigateway.telemetry.journal import SILENT
from local.crashing import Order
from tests.crash.comparing import Entries, fate_of, problems_of, sessions_differ
from tests.crash.errands.all import errand_of
from tests.crash.errands.errand import Play
from tests.crash.hosts import Embedded, Host
from tests.crash.ledgers import Ledger, Person, new_ledger, seed
from tests.crash.point import Point, Scene, StoreKind
from tests.crash.programs import OUTAGE
from tests.crash.runs import Run
from tests.crash.scenes import Asking, client_of
from tests.e2e.product import call
from tests.recount import disagreement, rows_of

RUNS_A_LEDGER, PAGE = 16, 50
"""Comparing takes in the whole ledger."""

RIVALS = 0.3
"""In so many runs another answer is under way in the process that dies."""

TOGETHER: frozenset[Scene] = frozenset({"turn", "prompt"})
"""Here two clients may ask at once, in as many runs; what is promised holds for one of them."""

LATER = timedelta(minutes=31)
"""Older than any orphan may be."""


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended. ``fates`` are those of the requests that were there when it was time."""

    run: Run
    problems: tuple[str, ...]
    fates: tuple[str, ...] = ()


@final
class Stage:
    """A host with gateways over one ledger after the other."""

    def __init__(
        self, folder: Path, store: StoreKind, host: Host, provider: str, aws: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._kind = store
        self._host = host
        self._provider = provider
        self._aws = aws
        self._ledgers: list[Ledger] = []
        self._ledger: Ledger | None = None
        self._variant = ""
        self._runs = 0

    async def stop(self) -> None:
        await self._host.stop()
        await self._leave_ledgers()

    async def play(self, run: Run, variant: str = "") -> Verdict:
        """Play one run; ``variant``: over a store that is broken on purpose."""
        ledger = await self._ledger_for(run, variant)
        await asyncio.to_thread(call, f"{self._provider}/_log/reset", "POST")
        random = Random(str(run))  # noqa: S311 - the same run each time
        person = await ledger.add_person()
        client = client_of(run.point, person.secret, random, f"session-{random.random()}")
        asking = Asking(self._host.port, client, str(run), random)
        if run.point.process == "gateway":
            told = await self._kill_gateway(run, ledger, person, asking, random)
        else:
            told = await self._kill_job(run, ledger, person, asking, random)
        for _ in range(2):
            await asking.follow("after")
        await look_after(ledger)
        return await self._compared(run, ledger, person, asking, told)

    async def _kill_gateway(
        self, run: Run, ledger: Ledger, person: Person, asking: Asking, random: Random
    ) -> list[str]:
        """Let a gateway die of a request; return what went wrong."""
        host, scene = self._host, run.point.scene
        rivals = []
        if scene in ("turn", "start"):
            await asking.lead()
        if run.host == "embedded" and random.random() < RIVALS:
            rivals.append(await asking.begun(person.other_secret))
        outage = ledger.settings.state_dir / OUTAGE
        if scene == "outage":
            outage.touch()
        give_order(ledger, run.point, random)
        if scene == "start":
            await host.end_gateways()
        twice = run.host == "embedded" and scene in TOGETHER and random.random() < RIVALS
        await asyncio.gather(*(asking.target(scene) for _ in range(1 + twice)))
        has_died = await host.died()
        outage.unlink(missing_ok=True)
        if not has_died:
            ledger.order.unlink(missing_ok=True)
            await host.end_gateways()
        await asyncio.gather(*rivals)
        return [] if has_died else ["nobody died"]

    async def _kill_job(
        self, run: Run, ledger: Ledger, person: Person, asking: Asking, random: Random
    ) -> list[str]:
        """Let a job die, and another process go on with it; return what went wrong."""
        assert isinstance(self._host, Embedded)
        host, process = self._host, run.point.process
        await asking.lead()
        await asking.follow("after")
        play = Play(ledger, host, person, asking, random, self._bare)
        errand = await errand_of(process, play)
        await errand.prepare()
        give_order(errand.ledger, run.point, random)
        told = []
        status = await host.run(process, errand.ledger, errand.arguments, self._variant)
        if status != -signal.SIGKILL:
            told.append(f"nobody died: status {status}")
            errand.ledger.order.unlink(missing_ok=True)
        await errand.between()
        if await host.run(process, errand.ledger, errand.arguments, self._variant) != 0:
            told.append("the next process could not go on")
        return [*told, *await errand.problems()]

    async def _compared(
        self, run: Run, ledger: Ledger, person: Person, asking: Asking, told: list[str]
    ) -> Verdict:
        log, now = await self._log(), datetime.now(UTC)
        everything = await rows_of(ledger.store, now)
        rows = [row for row in everything if row.opened.initiator_id == person.id]
        is_spilled = run.point.scene == "outage"
        problems = [*told, *problems_of(asking.sent, rows, log, is_spilled=is_spilled)]
        fates = tuple(fate_of(each, rows, log) for each in asking.sent if each.part == "target")
        wanted = run.point.fates
        if wanted and not {*fates} & {*wanted}:
            problems.append(f"{' and '.join(fates)}, promised was {' or '.join(wanted)}")
        own = Window(PAGE, now, auxiliary=True)
        sessions = await ledger.store.sessions(Filter(person.id), Reach(None), own)
        problems += sessions_differ(sessions.rows, rows)
        if await ledger.store.in_flight(PAGE):
            problems.append("something counts as in flight")
        if not is_spoilt_by(run.point):
            differing = await disagreement(ledger.store, now)
            problems += [f"counters differ: {series}: {both}" for series, both in differing.items()]
        return Verdict(run, tuple(problems), fates)

    async def _log(self) -> Entries:
        found = await asyncio.to_thread(call, f"{self._provider}/_log")
        entries: list[dict[str, Any]] = json.loads(found.body)
        return [each for each in entries if not each["target"].startswith("/_log")]

    async def _ledger_for(self, run: Run, variant: str) -> Ledger:
        is_used_up = self._runs % RUNS_A_LEDGER == 0 or variant != self._variant
        if self._ledger is None or is_used_up or needs_fresh(run.point):
            await self._leave_ledgers()
            self._ledger = await self._bare()
            await seed(self._ledger, self._provider)
            await self._host.serve(self._ledger, variant)
            self._variant = variant
        self._runs += 1
        if is_spoilt_by(run.point):
            used, self._ledger = self._ledger, None
            return used
        return self._ledger

    async def _bare(self) -> Ledger:
        folder = self._folder / f"ledger-{self._runs}-{len(self._ledgers)}"
        folder.mkdir()
        ledger = await new_ledger(self._kind, folder, self._aws)
        self._ledgers.append(ledger)
        return ledger

    async def _leave_ledgers(self) -> None:
        while self._ledgers:
            await self._ledgers.pop().store.stop()


async def look_after(ledger: Ledger) -> None:
    """Do what ticks do for records, a good while later."""
    spilled = FromFile(SpillFile(ledger.settings.state_dir / NAME), SystemClock(), SILENT)
    later = datetime.now(UTC) + LATER
    await spilled.run(ledger.store)
    await sweep(ledger.store, later)
    await repair_parents(ledger.store, later)


def needs_fresh(point: Point) -> bool:
    """A key that cools would not be tried again."""
    return point.scene == "keys"


def is_spoilt_by(point: Point) -> bool:
    """Counters keep what was forgotten of somebody."""
    return point.process == "erase"


def give_order(ledger: Ledger, point: Point, random: Random) -> None:
    """Say, as a whole, who is to die."""
    number = 1 + random.randrange(point.most)
    fresh = ledger.order.with_suffix(".new")
    fresh.write_text(Order(point.process, point.step, point.moment, number).written())
    fresh.replace(ledger.order)
