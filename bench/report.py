"""The figures as people read them: with units on a terminal, as ratios in the repository."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import final

from bench import function_report
from bench.functions import Functions
from bench.measures import EVENTS, MANY_EVENTS, OPEN_STREAMS, Latency, Memory, Pair, Start

FIRST_BYTE_LIMIT_MS = 3.0
MEMORY_LIMIT_MIB = 60.0
START_LIMIT_SECONDS = 4.0

INTRODUCTION = """\
# Performance

What the gateway costs beside nginx as a plain streaming relay (HTTP/1.1, kept connections,
`proxy_buffering off`, one worker), with the same client, the same provider and the same machine,
in the same run. `make bench` measures and writes this page; `make smoke` runs a short form that
checks bytes, records and memory, and never fails on a time.

Only ratios stand here: they carry over from one machine to another far better than milliseconds
do, and `make bench` prints those too. Both relays take turns in every round, and each figure is
a median. The provider sends every event as a write of its own, 1 ms apart; for the requests a
second it sends them as fast as it can. The gateway records every request on the disk
meanwhile: that is what nginx does not do, and the two writes of a record are measured by
themselves beside it.
"""

MODULES = """\
A cold start is one sandbox from its process to its first `next`, from the layers as they are
built, bytecode included, on this machine's Python and processor. Behind the local Function URL and
under uvicorn the same app writes into the same embedded store. These are the modules that the
function's import loads beyond the interpreter's own:
"""


@final
@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that one run has measured.

    ``waits`` by the kind of request, CPU by events, throughput by concurrency.
    """

    waits: Mapping[str, Latency]
    cpu: Mapping[int, Pair]
    throughput: Mapping[int, Pair]
    memory: Memory
    start: Start
    functions: Functions

    @property
    def cpu_of_an_event(self) -> Pair:
        few, many = self.cpu[EVENTS], self.cpu[MANY_EVENTS]
        events = MANY_EVENTS - EVENTS
        return Pair((many.nginx - few.nginx) / events, (many.gateway - few.gateway) / events)


def lines(figures: Figures) -> list[str]:
    """Return the figures with their units."""
    start = figures.start
    ratio = start.gateway_import / start.asyncio_import
    worked = (
        f"CPU of a request with {n} events: gateway {pair.gateway:.2f} ms, "
        f"nginx {pair.nginx:.3f} ms ({pair.ratio:.1f} times)"
        for n, pair in figures.cpu.items()
    )
    loaded = (
        f"requests a second, {n} at once: gateway {pair.gateway:.0f}, "
        f"nginx {pair.nginx:.0f} ({pair.ratio:.2f} times)"
        for n, pair in figures.throughput.items()
    )
    return [
        *(line for kind, wait in figures.waits.items() for line in _latency_lines(kind, wait)),
        *worked,
        *loaded,
        *_memory_lines(figures.memory),
        f"start: {start.run_seconds:.2f} s to the ready line",
        f"imports: {start.gateway_import:.3f} s of CPU, {ratio:.1f} times those of asyncio",
        *function_report.lines(figures.functions),
    ]


def _latency_lines(kind: str, latency: Latency) -> list[str]:
    direct, relay, ours = latency.direct, latency.nginx, latency.gateway
    first = (
        f"{kind}, first byte: direct {direct.first:.2f} ms; nginx adds "
        f"{relay.first - direct.first:.2f}, gateway {ours.first - direct.first:.2f}, of which "
        f"the opening write is {latency.opening:.2f}: {latency.beyond_opening:.2f} beyond it"
    )
    end = (
        f"{kind}, end of body: direct {direct.end:.2f} ms; nginx adds "
        f"{relay.end - direct.end:.2f}, gateway {ours.end - direct.end:.2f}; from last event to "
        f"end {ours.tail:.2f}, of which the closing write is {latency.closing:.2f}: "
        f"{latency.beyond_closing:.2f} beyond it"
    )
    return [first, end]


def _memory_lines(memory: Memory) -> list[str]:
    after = ", ".join(f"{held:.1f} after {n}" for n, held in memory.after.items())
    held = (
        f"memory: interpreter {memory.bare:.1f} MiB; gateway {memory.started:.1f} at the start, "
        f"{after}; at most {memory.most_with_open_streams:.1f}, with {OPEN_STREAMS} open streams"
    )
    slopes = ", ".join(
        f"{slope:.2f} from {earlier} to {later}"
        for (earlier, later), slope in memory.growth_kib_per_stream.items()
    )
    return [
        held,
        f"memory above the interpreter: {memory.above_bare:.1f} MiB of {MEMORY_LIMIT_MIB:.0f}",
        f"growth in KiB a stream: {slopes}",
    ]


Row = tuple[str, float, str]
"""What is compared with what, the ratio, and what it should be."""


def document(figures: Figures) -> str:
    """Return docs/performance.md."""
    tables = {
        **{
            f"Time, one request at a time, {kind}": _latency_rows(latency)
            for kind, latency in figures.waits.items()
        },
        "Work": _work_rows(figures),
        "Memory": _memory_rows(figures.memory),
        "Start": _start_rows(figures.start),
        "As a function": function_report.rows(figures.functions),
    }
    parts = [INTRODUCTION, f"Last run: {machine()}.\n"]
    for title, rows in tables.items():
        cells = "\n".join(f"| {what} | {ratio:.2f} | {aim} |" for what, ratio, aim in rows)
        parts.append(f"## {title}\n\n| ratio | value | aim |\n|---|---|---|\n{cells}\n")
    parts.append(f"{MODULES}\n{function_report.modules_table(figures.functions)}\n")
    return "\n".join(parts)


def _latency_rows(latency: Latency) -> list[Row]:
    direct, relay, ours = latency.direct, latency.nginx, latency.gateway
    limit = FIRST_BYTE_LIMIT_MS
    return [
        ("time to the first byte, gateway / nginx", ours.first / relay.first, ""),
        ("the store's opening write / 3 ms", latency.opening / limit, ""),
        ("added to the first byte beyond that write / 3 ms", latency.beyond_opening / limit, "< 1"),
        ("added to the end of the body / 3 ms", (ours.end - direct.end) / limit, ""),
        ("the store's closing write / 3 ms", latency.closing / limit, ""),
        (
            "from the last event to the end, beyond that write / 3 ms",
            latency.beyond_closing / limit,
            "",
        ),
    ]


def _work_rows(figures: Figures) -> list[Row]:
    return [
        *(
            (f"CPU of a request with {n} events, gateway / nginx", pair.ratio, "")
            for n, pair in figures.cpu.items()
        ),
        ("CPU of one more event, gateway / nginx", figures.cpu_of_an_event.ratio, ""),
        *(
            (f"requests a second, {n} at once, gateway / nginx", pair.ratio, "")
            for n, pair in figures.throughput.items()
        ),
    ]


def _memory_rows(memory: Memory) -> list[Row]:
    def share(held: float) -> float:
        return (held - memory.bare) / MEMORY_LIMIT_MIB

    most = share(memory.most_with_open_streams)
    grown = (
        (
            f"growth from {earlier} to {later} streams / 60 MiB",
            share(memory.after[later]) - share(memory.after[earlier]),
            "0",
        )
        for earlier, later in list(memory.growth_kib_per_stream)[1:]
    )
    return [
        ("above the interpreter's own, at the start / 60 MiB", share(memory.started), "≤ 1"),
        *((f"after {n} streams / 60 MiB", share(held), "≤ 1") for n, held in memory.after.items()),
        *grown,
        (f"the most it ever held, {OPEN_STREAMS} streams open at once / 60 MiB", most, ""),
    ]


def _start_rows(start: Start) -> list[Row]:
    imports = start.gateway_import / start.asyncio_import
    return [
        (
            "`aigw run` to its ready line, warm / 4 s",
            start.run_seconds / START_LIMIT_SECONDS,
            "≤ 1",
        ),
        ("CPU of the gateway's imports / of `import asyncio`", imports, ""),
    ]


def machine() -> str:
    """Return the machine's kind in words; neither its name nor its place."""
    cores = cpu_count() or 1
    processor = Path("/proc/cpuinfo")
    virtual = processor.exists() and " hypervisor" in processor.read_text()
    kind = "virtual machine" if virtual else "machine"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"a {kind} with {cores} cores ({platform.machine()}, {platform.system()}), {python}"
