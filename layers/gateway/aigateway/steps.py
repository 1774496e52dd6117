"""What a closing counts: the steps of the counters that metrics are made of.

Steps are integers, so that sums stay exact: milliseconds, counts, micro-dollars. They are added
in the transaction that closes the record, so rows and counters cannot differ.
"""

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import final

from aigateway.interception import TOKEN_NAMES, UNKNOWN_MODEL, Closed, Opened
from aigateway.transcript.facts import ToolUsage

DURATION_SECONDS = (0.5, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0)
FIRST_BYTE_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
KEY_ATTEMPTS = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 25.0)
MILLISECOND = timedelta(milliseconds=1)

NAME_LIMIT_BYTES = 128
COUNTED_TOOL = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
TOKEN_TYPES = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cache_write_input_tokens": "cache_write_input_tokens",
}
COUNTED_EXTRAS = frozenset(
    {
        "cache_ephemeral_1h_input",
        "cache_ephemeral_5m_input",
        "completion_accepted_prediction",
        "completion_audio",
        "completion_reasoning",
        "completion_rejected_prediction",
        "output_reasoning",
        "output_thinking",
        "prompt_audio",
    }
)
"""A closed list: no provider's answer can create a series."""


CLOSED = "R"
"""The kind of the counters of closed interceptions."""
CLOSED_LABELS = ("provider_name", "model", "route", "method", "client", "initiator_id")
"""What their key holds, in this order."""


@final
@dataclass(frozen=True, slots=True)
class Step:
    """Add ``amount`` to ``attribute`` of the counter ``kind`` with the label values ``key``."""

    kind: str
    key: tuple[str, ...]
    attribute: str
    amount: int


def cut_name(name: str) -> str:
    """Cut a label value at 128 bytes, at a character boundary.

    Half of a surrogate pair, which JSON allows, becomes ``?``: it has no UTF-8 form.
    """
    return name.encode(errors="replace")[:NAME_LIMIT_BYTES].decode(errors="ignore")


def bucket(bounds: tuple[float, ...], value: float) -> int:
    """Return the index of the first bound that is not below ``value``; past the last: 7."""
    return bisect_left(bounds, value)


def steps_of_closing(opened: Opened, closed: Closed) -> tuple[Step, ...]:
    """Return the steps of one closed interception, all on one counter."""
    key = (
        opened.provider_name,
        cut_name(opened.model) or UNKNOWN_MODEL,
        opened.route,
        opened.method,
        opened.client.name,
        opened.initiator_id,
    )
    amounts: Counter[str] = Counter()
    amounts["c" if closed.outcome == "completed" else "f"] = 1
    amounts["p"] = int(opened.prompt is not None)
    tokens = closed.tokens
    for name, kind in TOKEN_TYPES.items():
        amounts[f"t:{kind}"] = tokens[name]
    for name in COUNTED_EXTRAS & (tokens.keys() - set(TOKEN_NAMES)):
        amounts[f"t:{name}"] = tokens[name]
    for row in closed.rows:
        if isinstance(row.fact, ToolUsage):
            known = COUNTED_TOOL.fullmatch(row.fact.name)
            amounts[f"n:{row.fact.name if known else 'other'}"] += 1
    _add_times(amounts, opened, closed)
    amounts["uc"] = closed.cost_micros or 0
    amounts[f"up:{opened.provider_type}"] = closed.unpriced
    if closed.usage_missing:
        amounts[f"um:{_why_missing(closed)}"] = 1
    return tuple(Step(CLOSED, key, name, amount) for name, amount in amounts.items() if amount)


def _add_times(amounts: Counter[str], opened: Opened, closed: Closed) -> None:
    lasted = max(closed.ended_at - opened.started_at, timedelta())
    amounts[f"d{bucket(DURATION_SECONDS, lasted.total_seconds())}"] = 1
    amounts["ds"] = round(lasted / MILLISECOND)
    if closed.first_byte_at is not None:
        waited = max(closed.first_byte_at - opened.started_at, timedelta())
        amounts[f"b{bucket(FIRST_BYTE_SECONDS, waited.total_seconds())}"] = 1
        amounts["bs"] = round(waited / MILLISECOND)
    if closed.key_attempts:
        amounts[f"k{bucket(KEY_ATTEMPTS, closed.key_attempts)}"] = 1
        amounts["ks"] = closed.key_attempts


def _why_missing(closed: Closed) -> str:
    if closed.deaf is not None:
        return "unread"
    if "usage_refused" in closed.notes:
        return "invalid"
    return "absent" if closed.outcome in ("completed", "failed") else "cut"


def recorder_failed(verb: str) -> tuple[Step, ...]:
    """Return the step of a verb of the store that failed while a request was served."""
    return (Step("O", ("err", verb), "n", 1),)


def spilled() -> tuple[Step, ...]:
    """Return the step of a record that could not be closed."""
    return (Step("O", ("spilled",), "n", 1),)


def orphaned() -> tuple[Step, ...]:
    """Return the step of a record that its gateway never closed."""
    return (Step("O", ("orphans",), "n", 1),)


def rejected(code: str) -> tuple[Step, ...]:
    """Return the step of a request that was refused before it had a record."""
    return (Step("J", (code,), "n", 1),)


def passed_through(
    provider: str, route: str, method: str, seconds: float, key_attempts: int
) -> tuple[Step, ...]:
    """Return the steps of a pass-through request that took ``seconds``."""
    key = (provider, route, method)
    steps = (
        Step("P", key, "n", 1),
        Step("P", key, f"d{bucket(DURATION_SECONDS, seconds)}", 1),
        Step("P", key, "ds", round(seconds * 1000)),
    )
    if not key_attempts:
        return steps
    tried = Step("P", key, f"k{bucket(KEY_ATTEMPTS, key_attempts)}", 1)
    return (*steps, tried, Step("P", key, "ks", key_attempts))


def key_marked(provider: str, reason: str) -> tuple[Step, ...]:
    """Return the step of a key of a pool that begins to cool."""
    return (Step("K", (provider,), f"r:{reason}", 1),)


def keys_exhausted(provider: str, outcome: str) -> tuple[Step, ...]:
    """Return the step of a request for which a pool had no key any more."""
    return (Step("K", (provider,), f"x:{outcome}", 1),)


def circuit_tripped(scope: tuple[str, str, str]) -> tuple[Step, ...]:
    """Return the step of a breaker that opens: its provider, endpoint and model."""
    return (Step("B", scope, "tr", 1),)


def circuit_rejected(scope: tuple[str, str, str]) -> tuple[Step, ...]:
    """Return the step of a request that an open breaker refuses."""
    return (Step("B", scope, "rj", 1),)
