"""The ledger after the load, held against what clients and provider saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from aigateway.interception import TOKEN_NAMES
from aigateway.ledger.rows import Interception
from aigateway.ledger.sqlite import SqliteStore
from bench.load.conversation import Asked, answer, response_id
from tests.recount import disagreement, rows_of

WHOLE = "completed"
LEFT = "client_disconnected"
SHOWN = 5
DIRECT = 0
"""The number of all requests that went to the provider itself."""


@final
@dataclass(frozen=True, slots=True)
class Expected:
    """One request as its client saw it. ``left``: before the end of the answer."""

    asked: Asked
    record: str
    left: bool


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """What does not agree, in numbers of requests and in words."""

    requests: int
    rows: int
    left: int
    missing: int
    doubled: int
    wrong: tuple[str, ...]
    counters: int

    @property
    def holds(self) -> bool:
        return not (self.missing or self.doubled or self.wrong or self.counters)


async def verdict(
    path: Path, expected: list[Expected], account: Mapping[int, tuple[int, bool]]
) -> Verdict:
    """Read the ledger that the processes left. Raises ``LedgerFault``."""
    store = SqliteStore(path)
    await store.start()
    try:
        now = datetime.now(UTC)
        rows = await rows_of(store, now)
        differing = await disagreement(store, now)
    finally:
        await store.stop()
    return judged(rows, expected, account, len(differing))


def judged(
    rows: list[Interception],
    expected: list[Expected],
    account: Mapping[int, tuple[int, bool]],
    counters: int,
) -> Verdict:
    """``account``: by number how often the provider was asked, and whether it answered whole."""
    known = {row.id: row for row in rows}
    of_clients = {each.record for each in expected}
    numbers = {each.asked.number for each in expected}
    came = {number: times for number, (times, _) in account.items() if number != DIRECT}
    missing = len(of_clients - known.keys()) + len(numbers - came.keys())
    doubled = (
        len(known.keys() - of_clients)
        + len(expected)
        - len(of_clients)
        + sum(times - 1 for times in came.values())
        + len(came.keys() - numbers)
    )
    wrong = [
        fault
        for each in expected
        if each.record in known
        and (fault := fault_of(known[each.record], each, account)) is not None
    ]
    return Verdict(
        requests=len(expected),
        rows=len(rows),
        left=sum(each.left for each in expected),
        missing=missing,
        doubled=doubled,
        wrong=tuple(wrong),
        counters=counters,
    )


def fault_of(
    row: Interception, each: Expected, account: Mapping[int, tuple[int, bool]]
) -> str | None:
    """Say what a record gets wrong; ``None``: nothing."""
    closed, asked = row.closed, each.asked
    name = f"request {asked.number}"
    if closed is None:
        return f"{name}: its record is open"
    if closed.provider_response_id != response_id(asked.dialect, asked.number):
        return f"{name}: its record names another answer"
    if each.left:
        _, whole = account.get(asked.number, (0, False))
        fine = closed.outcome == LEFT or (whole and closed.outcome == WHOLE)
        return None if fine else f"{name}: the client left, its record says {closed.outcome}"
    known = answer(asked.dialect, asked.events)
    usage = known.usage
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write)
    found = (
        closed.outcome,
        closed.response_bytes,
        tuple(row.tokens[token] for token in TOKEN_NAMES),
        len(row.calls),
        closed.deaf,
    )
    meant = (WHOLE, len(known.body(asked.number)), counts, 1, None)
    return None if found == meant else f"{name}: recorded {found}, expected {meant}"
