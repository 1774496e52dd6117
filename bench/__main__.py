"""``python -m bench`` measures and writes docs/performance.md; with ``--smoke`` it only looks.

Exit status 1 when something is broken: another status than 200, bytes that differ, records that
are missing, memory far beyond its limit. Never because of a time.
"""

import sys
import tempfile
from pathlib import Path

from bench import page
from bench.client import Broken
from bench.functions import Functions, functions
from bench.layer import built_layer, source_layer
from bench.measures import (
    CONCURRENCIES,
    EVENTS,
    FULL,
    LARGE_BYTES,
    MANY_EVENTS,
    OPEN_STREAMS,
    SMALL_BYTES,
    SMOKE,
    Latency,
    Memory,
    Peers,
    Plan,
    cpu,
    crowd,
    latency,
    memory,
    start,
    throughput,
)
from bench.processes import ROOT, Gateway, Peer, gateway, nginx, provider
from bench.report import MEMORY_LIMIT_MIB, Figures, document, lines
from bench.store_writes import StoreWrites

STATE = ROOT / ".aigw"
"""The figures are of the disk where a gateway of this folder keeps its records."""


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--smoke"]):
        print("usage: python -m bench [--smoke]", file=sys.stderr)
        return 2
    plan = SMOKE if arguments else FULL
    STATE.mkdir(mode=0o700, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=STATE) as directory:
            figures = measured(plan, Path(directory))
    except (Broken, ConnectionError) as broken:
        print(f"bench: {broken}", file=sys.stderr)
        return 1
    print("\n".join(lines(figures)))
    if plan is FULL:
        page.write(page.with_measures(page.read(), document(figures)))
    return 0


def measured(plan: Plan, directory: Path) -> Figures:
    """Raises ``Broken``."""
    with provider() as upstream:
        held = _memory(upstream, directory / "memory", plan)
        with nginx(upstream, directory / "nginx") as relay:
            state = directory / "state"
            with gateway(upstream, state) as running:
                peers = Peers(upstream, relay, running.peer)
                waits = _latencies(peers, running.key, directory / "ledger.db", plan)
                loaded = {n: throughput(peers, running.key, n, plan) for n in CONCURRENCIES}
                worked = {n: cpu(peers, running.key, n, plan) for n in (EVENTS, MANY_EVENTS)}
                timed = len(waits) * plan.timed + OPEN_STREAMS
                sent = timed + plan.rounds * plan.requests_a_round
                _check_records(running, sent)
            started = start(upstream, state, plan)
        deployed = _functions(upstream, directory, plan)
    return Figures(waits, worked, loaded, held, started, deployed)


def _functions(upstream: Peer, directory: Path, plan: Plan) -> Functions:
    """The short run takes the layers as they lie in the source: building them is another test."""
    layer = built_layer(directory / "layers") if plan is FULL else source_layer()
    state = directory / "function"
    with gateway(upstream, state) as running:
        found = functions(layer, upstream, running, state, starts=plan.starts, rounds=plan.timed)
        _check_records(running, 2 * plan.timed)
    return found


def _memory(upstream: Peer, state: Path, plan: Plan) -> Memory:
    with gateway(upstream, state) as running:
        held = memory(running, plan)
        _check_records(running, plan.streams[-1] + OPEN_STREAMS)
    if held.above_bare > 2 * MEMORY_LIMIT_MIB:
        raise Broken(f"the gateway holds {held.above_bare:.0f} MiB above the interpreter's own")
    return held


def _latencies(peers: Peers, key: str, ledger: Path, plan: Plan) -> dict[str, Latency]:
    with StoreWrites(ledger) as writes:
        small = latency(peers, writes, key, SMALL_BYTES, plan.timed)
        large = latency(peers, writes, key, LARGE_BYTES, plan.timed)
        crowd(peers, key)
        behind = latency(peers, writes, key, SMALL_BYTES, plan.timed)
    return {
        "body of 1 KB": small,
        "body of 100 KB": large,
        f"body of 1 KB, after {OPEN_STREAMS} streams at once": behind,
    }


def _check_records(running: Gateway, sent: int) -> None:
    found = running.records()
    if found != sent:
        raise Broken(f"{sent} requests were sent, {found} closed records found")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
