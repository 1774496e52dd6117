"""Counters and rows agree, whatever is recorded."""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as some

from aigateway.interception import Charge, Closed, Opened
from aigateway.ledger.rows import whole
from aigateway.ledger.store import CounterKey
from aigateway.steps import orphaned, steps_of_closing
from aigateway.transcript.facts import TokenUsage
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened
from tests.recount import counted, differing, recounted

MICROSECOND = timedelta(microseconds=1)
TIMES = some.one_of(some.integers(0, 10**7), some.integers(-(10**9), 10**9))
TOOLS = some.one_of(some.sampled_from(["Bash", "mcp__a/b.c:d", "x" * 65]), some.text(max_size=70))
FACTS = some.one_of(
    some.builds(
        a_usage,
        some.tuples(*[some.integers(0, 10**12)] * 4),
        some.dictionaries(
            some.sampled_from(["output_reasoning", "prompt_audio", "total_tokens", "tier"]),
            some.one_of(some.integers(0, 9), some.just("word")),
        ),
    ),
    some.builds(a_tool, name=TOOLS),
    some.just(a_thought()),
)
OUTCOMES = ["completed", "failed", "upstream_cut", "client_disconnected", "gateway_timeout"]
OPENED = some.builds(
    an_opened,
    prompt=some.one_of(some.none(), some.just("go")),
    client=some.sampled_from(["Unknown", "Zed"]),
    provider_name=some.sampled_from(["a", "b"]),
    model=some.one_of(some.sampled_from(["m-1", "m-2"]), some.text(min_size=1, max_size=140)),
    initiator_id=some.sampled_from(["u-alice", "u-bob"]),
)


@some.composite
def records(draw: Any) -> tuple[Opened, Closed]:  # noqa: ANN401 - Hypothesis' own form
    opened = draw(OPENED)
    closed = closed_after(
        opened,
        draw(TIMES),
        *draw(some.lists(FACTS, max_size=4)),
        outcome=draw(some.sampled_from([*OUTCOMES, "abandoned"])),
        key_attempts=draw(some.integers(0, 30)),
        usage_missing=draw(some.booleans()),
        deaf=draw(some.sampled_from([None, "frame_too_large"])),
        notes=draw(some.sampled_from([{}, {"usage_refused": 1}])),
    )
    charged = tuple(
        replace(row, charge=draw(CHARGES) if isinstance(row.fact, TokenUsage) else None)
        for row in closed.rows
    )
    return opened, replace(closed, rows=charged)


CHARGES = some.one_of(
    some.none(), some.builds(Charge, some.integers(0, 10**9), some.just("v"), *[some.none()] * 5)
)


def closed_after(opened: Opened, micros: int, *facts: Any, **changed: Any) -> Closed:  # noqa: ANN401 - as ``a_closed`` takes them
    ended: datetime = opened.started_at + micros * MICROSECOND
    return a_closed(opened, *facts, ended_at=ended, first_byte_at=ended, **changed)


HALF = an_opened()


@given(some.lists(records(), max_size=5))
@example([(HALF, closed_after(HALF, 501_500))])
@example([(HALF, closed_after(HALF, 500_400))])
def test_counters_are_what_rows_mean(records: list[tuple[Opened, Closed]]) -> None:
    counters: dict[CounterKey, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for opened, closed in records:
        late = orphaned() if closed.outcome == "abandoned" else ()
        for step in (*steps_of_closing(opened, closed), *late):
            counters[step.kind, step.key][step.attribute] += step.amount
    rows = [whole(opened, closed) for opened, closed in records]
    assert differing(counted(counters), recounted(rows)) == {}


def test_a_difference_is_told() -> None:
    opened = an_opened()
    closed = a_closed(opened, a_tool())
    said = counted({("R", ("anthropic", "m", "/r", "POST", "Zed", "u")): {"c": 1}})
    meant = recounted([whole(opened, closed)])
    assert differing(said, meant).keys() == said.keys() | meant.keys()
    assert recounted([whole(opened, None)]) == {}
