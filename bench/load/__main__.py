"""``python -m bench.load`` runs the load and writes its part of docs/performance.md.

With ``--smoke`` it takes ten seconds and writes nothing. ``LOAD_SECONDS`` and ``LOAD_STREAMS``
shorten the long form. Exit status 1 when a record is missing, doubled or wrong, when memory grows,
when bytes differ. Never because of a time.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

from aigateway.caller.keys import new_secret
from bench import page
from bench.client import Broken
from bench.load.container import Container, account_of, container
from bench.load.held import Held, Worked, machine_ticks, watched
from bench.load.ledger import Expected, verdict
from bench.load.plan import SMOKE, Plan, plan_of
from bench.load.probes import Probed, asked_as
from bench.load.report import Loaded, lines, part
from bench.load.streams import Streams
from bench.processes import ROOT, Peer, bare_interpreter, provider, python

STATE = ROOT / ".aigw"
PROBES_AT = (1_000, 30_000, 60_000)
"""Where the numbers of the three series of probes begin: below those of all streams."""


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--smoke"]):
        print("usage: python -m bench.load [--smoke]", file=sys.stderr)
        return 2
    STATE.mkdir(mode=0o700, exist_ok=True)
    try:
        plan = SMOKE if arguments else plan_of(os.environ)
        with tempfile.TemporaryDirectory(prefix="load-", dir=STATE) as directory:
            loaded = measured(plan, Path(directory) / "state")
    except (Broken, ConnectionError) as broken:
        print(f"load: {broken}", file=sys.stderr)
        return 1
    print("\n".join(lines(loaded)))
    if not plan.smoke and not loaded.faults:
        page.write(page.with_load(page.read(), part(loaded)))
    for fault in loaded.faults:
        print(f"load: {fault}", file=sys.stderr)
    return 1 if loaded.faults else 0


def measured(plan: Plan, state: Path) -> Loaded:
    """Raises ``Broken``."""
    key = new_secret()
    with bare_interpreter() as interpreter:
        bare = interpreter.resident_mib()
    with provider("bench.load.provider") as upstream:
        with container(upstream, state, key) as running:
            run = _Run(plan, upstream, running, key)
            before = run.probed(plan.alone_seconds, PROBES_AT[0])
            streams, among, held, worked = asyncio.run(run.loaded(bare))
            after = run.probed(plan.alone_seconds, PROBES_AT[2])
        account = account_of(upstream.address)
    records = {**before.records, **among.records, **after.records}
    expected = [Expected(seen.asked, seen.record, seen.left) for seen in streams.seen]
    expected += [Expected(asked_as(n), record, left=False) for n, record in records.items()]
    return Loaded(
        plan=plan,
        alone=before.waits + after.waits,
        among=among.waits,
        first_seconds=tuple(seen.first_seconds for seen in streams.seen),
        held=held,
        worked=worked,
        verdict=asyncio.run(verdict(state / "ledger.db", expected, account)),
    )


@final
@dataclass(frozen=True, slots=True)
class _Run:
    plan: Plan
    upstream: Peer
    running: Container
    key: str

    def probed(self, seconds: float, first: int) -> Probed:
        process = self._probes(seconds, first)
        return _result_of(process, process.communicate()[0])

    def _probes(self, seconds: float, first: int) -> "subprocess.Popen[str]":
        ports = (self.upstream.address[1], self.running.gateway.address[1])
        words = ("-m", "bench.load.probes", *map(str, (*ports, seconds, first)))
        return python(*words, BENCH_KEY=self.key)

    async def loaded(self, bare: float) -> tuple[Streams, Probed, dict[str, Held], Worked]:
        """Run the streams, and the probes from the moment all of them are open."""
        plan = self.plan
        streams = Streams(self.running.gateway.address, self.key, plan)
        running = asyncio.create_task(streams.run())
        await asyncio.wait({running}, timeout=plan.ramp_seconds)
        seconds = plan.seconds - plan.ramp_seconds
        process = self._probes(seconds - 1, PROBES_AT[1])
        peers = {"gateway": self.running.gateway, "control": self.running.control}
        spent = {"provider": self.upstream, **peers}
        began, cpu = time.monotonic(), {name: peer.cpu_seconds() for name, peer in spent.items()}
        ticks = machine_ticks()
        watching = asyncio.create_task(watched(peers, seconds, bare))
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_EXCEPTION)
        took = time.monotonic() - began
        cores = {name: (peer.cpu_seconds() - cpu[name]) / took for name, peer in spent.items()}
        busy, lived = (now - then for now, then in zip(machine_ticks(), ticks, strict=True))
        output = await asyncio.to_thread(process.communicate)
        await running
        return (
            streams,
            _result_of(process, output[0]),
            await watching,
            Worked(cores, busy / lived),
        )


def _result_of(process: "subprocess.Popen[str]", text: str) -> Probed:
    if process.returncode:
        raise Broken("the probes failed")
    found = json.loads(text)
    records = {int(number): record for number, record in found["records"].items()}
    return Probed(tuple((direct, relayed) for direct, relayed in found["waits"]), records)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
