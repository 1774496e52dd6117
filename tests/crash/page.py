"""Writes docs/reliability.md from how runs ended: ``python -m tests.crash.page RESULTS``.

Without results it writes the page anew for the runs that stand there: points may have got other
words, stores other faults.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.crash.point import BOTH_HOSTS, BOTH_STORES, HostKind, Point, StoreKind
from tests.crash.points import POINTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
FAULTS = "tests.faults.rows"
PLACES: tuple[tuple[HostKind, StoreKind], ...] = tuple(
    (host, store) for host in BOTH_HOSTS for store in BOTH_STORES
)
NAMES: Mapping[str, str] = {
    "embedded": "process",
    "sandboxes": "sandbox",
    "file": "SQLite",
    "table": "DynamoDB",
}
ABSENT = "\u2013"
Runs = Mapping[tuple[str, str, str], int]
"""How many runs there were, by the name of the point, host and store."""

INTRODUCTION = """\
# Reliability

Every request that a provider has seen whole has exactly one record with an end: whatever dies,
and whenever. A record is on the disk, or in the table, before the last byte of its request goes
to the provider; it is closed once, together with the counters and the sums of its session; what a
process that died could not close is closed by the sweep, at most half an hour later. So counters
always say what the records say, and no answer is ever counted twice.

What this does not promise: an answer whose gateway was killed in the middle is recorded as
`abandoned`, with no more of it than had been stored, and its client has got a cut answer. A client
may have heard all of an answer but its end and still find it `abandoned`. If the store cannot take
the end of a record, that is kept in a file or in the log, a moment after the client got all of it:
a process killed in this moment leaves an `abandoned` record behind a whole answer. Counts that
belong to no record, of refusals, of routes that are not recorded and of keys that cool, may miss
what a killed process had not yet written. Nothing here was tried against power failures or broken
disks; SQLite commits with `synchronous=FULL`, and DynamoDB answers for itself.

`make crash` plays all of this and writes the page; `make test` plays a tenth of it. In each run a
client asks, in one of three dialects, streaming or not, with a session or without, and a process
ends itself by SIGKILL at one step, before it or after it. Other processes go on with more
requests, and a sweep follows with a later clock. Then the records are compared with the log of
the scripted provider, with what the client got, with the counters and with the sums of sessions.
The processes are assembled with wrappers round the product's own protocols (`local/crashing.py`);
the product has no hooks for it.
"""

POINTS_HEAD = """\
## Where a process may die

Counts are of runs. A **process** is the gateway on one machine, or what its ticks do; a
**sandbox** runs the gateway as deployed, behind a local Function URL. A dash: there is no such
step.
"""

FAULTS_HEAD = """\
## What may go wrong with the store

Each row is held by the test beside it.
"""


def page_of(runs: Runs) -> str:
    """Return the page for runs that all ended well."""
    parts = [INTRODUCTION, _summary(runs), POINTS_HEAD, "\n".join(_table_of_points(runs)) + "\n"]
    rows = fault_rows()
    if rows:
        parts += [FAULTS_HEAD, "\n".join(_table_of_faults(rows)) + "\n"]
    return "\n".join(parts)


def _summary(runs: Runs) -> str:
    by_place = Counter[tuple[str, str]]()
    for (_, host, store), number in runs.items():
        by_place[host, store] += number
    lines = [
        "| where | runs | lost | doubled | left open | counted wrongly |",
        "|---|" + "---|" * 5,
    ]
    lines += [
        f"| {NAMES[host]}, {NAMES[store]} | {by_place[host, store]:,} | 0 | 0 | 0 | 0 |"
        for host, store in PLACES
    ]
    total = f"The last {sum(runs.values()):,} runs, at {len(POINTS)} points:"
    return "\n".join([total, "", *lines]) + "\n"


def _table_of_points(runs: Runs) -> Iterator[str]:
    places = [f"{NAMES[host]}, {NAMES[store]}" for host, store in PLACES]
    cells = ["point", "where", "promise", *places]
    yield f"| {' | '.join(cells)} |"
    yield "|---" * len(cells) + "|"
    for point in POINTS:
        counts = [_count(point, host, store, runs) for host, store in PLACES]
        yield f"{row_of(point)} {' | '.join(counts)} |"


def row_of(point: Point) -> str:
    """Return the first cells of a point's row."""
    return f"| {point.name} | {point.where} | {point.promised} |"


def _count(point: Point, host: HostKind, store: StoreKind, runs: Runs) -> str:
    if host not in point.hosts or store not in point.stores:
        return ABSENT
    return str(runs.get((point.name, host, store), 0))


def fault_rows() -> tuple[Any, ...]:
    """Return the faults of stores that tests inject, if they are there."""
    try:
        is_there = find_spec(FAULTS) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        return ()
    from importlib import import_module  # noqa: PLC0415 - only then

    rows: tuple[Any, ...] = import_module(FAULTS).ROWS
    return rows


def _table_of_faults(rows: Iterable[Any]) -> Iterator[str]:
    yield "| store | fault | the client | the record | test |"
    yield "|---|---|---|---|---|"
    for row in rows:
        yield f"| {row.store} | {row.fault} | {row.client} | {row.record} | `{row.test}` |"


def counted(results: Iterable[str]) -> tuple[Runs, list[str]]:
    """Return how many runs there were, and what went wrong in any of them."""
    runs: Counter[tuple[str, str, str]] = Counter()
    wrong: list[str] = []
    for line in results:
        result = json.loads(line)
        runs[result["point"], result["host"], result["store"]] += 1
        wrong += [f"{result['point']}: {problem}" for problem in result["problems"]]
    return runs, wrong


def runs_in(page: str) -> Runs:
    """Return the runs that a page tells of, those of points that are gone left out."""
    runs: dict[tuple[str, str, str], int] = {}
    names = {point.name for point in POINTS}
    for line in page.splitlines():
        name, *cells = line.strip("| ").split(" | ")
        if name in names:
            counts = zip(cells[-len(PLACES) :], PLACES, strict=True)
            runs |= {(name, *place): int(count) for count, place in counts if count != ABSENT}
    return runs


def main(results: Sequence[str]) -> int:
    if not results:
        PAGE.write_text(page_of(runs_in(PAGE.read_text())))
        return 0
    runs, wrong = counted(Path(results[0]).read_text().splitlines())
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    PAGE.write_text(page_of(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
