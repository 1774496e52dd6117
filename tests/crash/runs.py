"""The runs of the matrix: which point, where, and how often."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import final

from tests.crash.point import HostKind, Point, StoreKind
from tests.crash.points import POINTS

RUNS = int(os.environ.get("CRASH_RUNS", "200"))


@final
@dataclass(frozen=True, slots=True)
class Run:
    """``seed`` decides what the point leaves open: dialect, session, streaming, rivals."""

    point: Point
    host: HostKind
    store: StoreKind
    seed: int

    def __str__(self) -> str:
        return f"{self.point.name}, {self.host}, {self.store}, {self.seed}"


def planned(number: int = RUNS, points: Sequence[Point] = POINTS) -> tuple[Run, ...]:
    """Return so many runs, the same every time, and never fewer than the first round.

    That has each point in each place of an embedded gateway, and once in sandboxes; of a job, once.
    The rounds after it have everything everywhere.
    """
    first = [*_first_round(points)]
    rest = islice(_later_rounds(points), max(number - len(first), 0))
    return (*first, *rest)


def _first_round(points: Sequence[Point]) -> Iterator[Run]:
    for at, point in enumerate(points):
        turn = point.stores[at % len(point.stores)]
        for host in point.hosts:
            is_cheap = point.process == "gateway" and host == "embedded"
            for store in point.stores if is_cheap else (turn,):
                yield Run(point, host, store, 0)


def _later_rounds(points: Sequence[Point]) -> Iterator[Run]:
    places = [(p, host, store) for p in points for host in p.hosts for store in p.stores]
    for seed in count(1):
        for place in places:
            yield Run(*place, seed)


def runs_at(host: HostKind, store: StoreKind, *, jobs: bool = False) -> list[Run]:
    """Return the runs of one test file."""
    return [
        run
        for run in planned()
        if (run.host, run.store) == (host, store) and (run.point.process != "gateway") == jobs
    ]
