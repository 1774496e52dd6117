"""The figures of a load: with units on a terminal, as ratios in the repository."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import final

from bench.load.held import Held, Worked
from bench.load.ledger import SHOWN, Verdict
from bench.load.plan import (
    BUSY,
    GAP_US,
    GROWTH_LIMIT_MIB,
    HELD_LIMIT_MIB,
    RATIO_AIM,
    Plan,
)
from bench.report import Row, machine

Waits = tuple[tuple[float, float], ...]
"""Seconds to the first byte, direct and through the gateway, pair by pair."""


@final
@dataclass(frozen=True, slots=True)
class Added:
    """Milliseconds that the gateway adds to the first byte: quantiles of both, subtracted."""

    median: float
    p99: float

    @classmethod
    def of(cls, waits: Waits) -> "Added":
        direct, relayed = ([wait * 1000 for wait in one] for one in zip(*waits, strict=True))
        return cls(median(relayed) - median(direct), p99(relayed) - p99(direct))


def p99(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


@final
@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that one run has measured."""

    plan: Plan
    alone: Waits
    among: Waits
    first_seconds: tuple[float, ...]
    held: Mapping[str, Held]
    worked: Worked
    verdict: Verdict

    @property
    def one(self) -> Added:
        return Added.of(self.alone)

    @property
    def many(self) -> Added:
        return Added.of(self.among)

    @property
    def faults(self) -> list[str]:
        """Say what fails the run; times never do."""
        found = []
        verdict = self.verdict
        if not verdict.holds:
            found.append(
                f"records: {verdict.missing} missing, {verdict.doubled} doubled, "
                f"{len(verdict.wrong)} wrong, {verdict.counters} counters differ"
            )
            found += verdict.wrong[:SHOWN]
        for name, held in self.held.items():
            if held.above_bare > HELD_LIMIT_MIB:
                found.append(f"{name} holds {held.above_bare:.0f} MiB above the interpreter's own")
            if held.grows:
                found.append(f"{name} grew by {held.growth:.1f} MiB after the warm-up")
        return found


def lines(loaded: Loaded) -> list[str]:
    """Return the figures with their units."""
    verdict, one, many = loaded.verdict, loaded.one, loaded.many
    worked = ", ".join(f"{name} {cores:.2f}" for name, cores in loaded.worked.cores.items())
    full = "; full: the waits are those of a full machine" if loaded.worked.busy > BUSY else ""
    firsts = [seconds * 1000 for seconds in loaded.first_seconds]
    return [
        (
            f"load: {loaded.plan.streams} streams, {loaded.plan.seconds} s: "
            f"{verdict.requests} requests, of them {verdict.left} that a client left"
        ),
        (
            f"records: {verdict.rows}; {verdict.missing} missing, {verdict.doubled} doubled, "
            f"{len(verdict.wrong)} wrong, {verdict.counters} counters differ from the rows"
        ),
        f"cores: {worked}; machine busy {loaded.worked.busy:.0%}{full}",
        *(
            f"memory of {name}: {held.usual:.1f} MiB after the warm-up, at most "
            f"{max(held.samples):.1f}, growth {held.growth:+.2f} MiB (limit {GROWTH_LIMIT_MIB:.0f})"
            for name, held in loaded.held.items()
        ),
        f"first byte, one stream: {_wait_line(loaded.alone, one)}",
        f"first byte, all streams: {_wait_line(loaded.among, many)}",
        (
            f"added p99, all streams / one stream: {many.p99 / one.p99:.2f} (aim {RATIO_AIM:.0f}); "
            f"medians {many.median / one.median:.2f}"
        ),
        (
            f"first byte of the streams themselves: median {median(firsts):.2f} ms, "
            f"p99 {p99(firsts):.2f} ms"
        ),
    ]


def _wait_line(waits: Waits, added: Added) -> str:
    direct, relayed = ([wait * 1000 for wait in one] for one in zip(*waits, strict=True))
    return (
        f"{len(waits)} pairs; direct {median(direct):.2f} ms, p99 {p99(direct):.2f}; gateway "
        f"{median(relayed):.2f}, p99 {p99(relayed):.2f}; added {added.median:.2f}, "
        f"p99 {added.p99:.2f}"
    )


def part(loaded: Loaded) -> str:
    """Return the part of docs/performance.md, below its heading."""
    cells = "\n".join(f"| {what} | {ratio:.2f} | {aim} |" for what, ratio, aim in _rows(loaded))
    return f"{_introduction(loaded)}\n| ratio | value | aim |\n|---|---|---|\n{cells}\n"


def _rows(loaded: Loaded) -> list[Row]:
    verdict, one, many = loaded.verdict, loaded.one, loaded.many
    streams, limit = loaded.plan.streams, f"{GROWTH_LIMIT_MIB:.0f} MiB"
    first = f"added to the first byte, {streams} streams / one"
    return [
        ("records missing / requests", verdict.missing / verdict.requests, "0"),
        ("records doubled / requests", verdict.doubled / verdict.requests, "0"),
        (f"{first}, 99 of 100", many.p99 / one.p99, f"≤ {RATIO_AIM:.0f}"),
        (f"{first}, median", many.median / one.median, ""),
        *(
            (
                f"growth of the {name} after the warm-up / {limit}",
                held.growth / GROWTH_LIMIT_MIB,
                "≤ 1",
            )
            for name, held in loaded.held.items()
        ),
        *(
            (f"the most the {name} ever held / its mean", max(held.samples) / held.usual, "")
            for name, held in loaded.held.items()
        ),
        *(
            (f"CPU of the {name} / one core", cores, "")
            for name, cores in loaded.worked.cores.items()
        ),
        ("processors of the machine, busy / all", loaded.worked.busy, f"< {BUSY}"),
    ]


def _introduction(loaded: Loaded) -> str:
    plan, verdict = loaded.plan, loaded.verdict
    events = 1_000_000 // GAP_US
    held = loaded.held["gateway"]
    warm_up = len(held.samples) - len(held.warm)
    return f"""
`make load`: {plan.streams} streams open at any time for {plan.seconds} seconds, before gateway and
control as the image starts them, over SQLite; client and provider share the machine with them.
Three dialects, bodies of 4 to 60 KB, a tool call in each answer and an answer to it in every second
request, streams of 1 to {max(plan.lasting)} seconds with {events} events a second in each.
Of {verdict.requests} requests clients left {verdict.left} half-way. Afterwards each record is held
against what client and provider saw (bytes, tokens, tool calls, outcome), and every counter against
the records.

Beside the streams one more client sends short requests, one at a time, to the provider itself and
through the gateway in turn. What the gateway adds to the first byte is the difference between the
two at the same quantile; for "one" the same client does so before and after the streams. Memory is
looked at every second; the first {warm_up} are the warm-up, and growth is the slope of
the rest times its length.

Last run: {machine()}.
"""
