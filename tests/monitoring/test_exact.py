"""Many short-lived gateways, some of them killed, and counters that are exact all the same.

`make exact` sends 2,000 requests through 20 sandboxes, `make test` a tenth of that through four.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aigateway.ledger.rows import Interception
from tests.e2e.conftest import needs_stand_in
from tests.monitoring.deployment import INSTANCE, PEOPLE, Deployment, deployment
from tests.monitoring.plans import planned
from tests.recount import OURS, Values, differing, key, recounted, rows_of

pytestmark = [pytest.mark.prometheus, pytest.mark.ministack]
REQUESTS = int(os.environ.get("EXACT_REQUESTS", "200"))
SANDBOXES = int(os.environ.get("EXACT_SANDBOXES", "4"))
MINUTE, LATE = 60.0, 30 * 60.0
OLD = "coder_aibridged_"
RECOUNTED = (
    f"({OURS}|{OLD})(interceptions_total|interceptions_duration_seconds_.+|prompts_total"
    "|tokens_total|injected_.+|non_injected_.+|key_pool_failover_attempts_.+|passthrough_total"
    "|key_pool_state_transitions_total|key_pool_exhaustions_total"
    "|cost_control_unpriced_token_usage_records_total)"
    "|aigw_(usage_missing|rejected|orphans_closed|cost_usd)_total|aigw_time_to_first_byte_seconds_.+"
)


@pytest.fixture
async def deployed(tmp_path: Path) -> AsyncIterator[Deployment]:
    needs_stand_in()
    async with deployment(tmp_path, SANDBOXES) as made:
        yield made


async def test_after_each_push_counters_are_the_rows_whoever_was_killed(
    deployed: Deployment,
) -> None:
    asked = planned(REQUESTS, PEOPLE)
    most, some = asked[: REQUESTS * 7 // 10], asked[REQUESTS * 7 // 10 :]
    half = len(some) // 2
    assert await deployed.tick(0)
    began = deployed.now
    await deployed.live(most, SANDBOXES)
    await agrees(deployed, MINUTE)
    await deployed.live(some[:half], SANDBOXES)
    await deployed.tick(2 * MINUTE, "killed")
    await agrees(deployed, 3 * MINUTE)
    await deployed.live(some[half:], SANDBOXES)
    await deployed.tick(4 * MINUTE, "killed unheard")
    await deployed.tick(5 * MINUTE, "cut")
    await agrees(deployed, 6 * MINUTE)
    rows = await agrees(deployed, LATE)
    ends = [row.closed.outcome for row in rows if row.closed is not None]
    assert len(ends) == len(rows) == sum(each.is_recorded for each in asked)
    killed = Counter(each.killed_at != b"" for each in asked if each.kills)
    assert 0 < killed[False] <= ends.count("abandoned") <= killed.total()
    print(f"{killed[False]} killed in a stream, {killed[True]} at its end: {Counter(ends)}")  # noqa: T201 - likewise
    never_begins_anew(deployed, began)


async def agrees(deployed: Deployment, ahead: float) -> list[Interception]:
    """Push, and hold every sample that rows have a word on against it."""
    counted = await deployed.tick(ahead)
    assert counted is not None
    rows = await rows_of(deployed.store, datetime.now(UTC))
    expected = {**meant(rows), **rowless(deployed), **await marked(deployed)}
    everything = expected | {as_old(s): v for s, v in expected.items() if is_twinned(s)}
    assert differing(deployed.held(RECOUNTED), everything) == {}
    print(f"{len(rows)} rows, {len(everything)} samples, {counted}")  # noqa: T201 - measured
    return rows


def meant(rows: list[Interception]) -> Values:
    """Only a model that answered has a name of its own."""
    opened = [row.opened for row in rows if row.closed and row.closed.outcome == "completed"]
    known = {(each.provider_name, each.model) for each in opened}
    return recounted(rows, lambda p, model: model if (p, model) in known else "other")


def rowless(deployed: Deployment) -> Values:
    """What leaves no row was seen by its clients."""
    listed = deployed.sent["passthrough"]
    template = {"provider": "listed", "route": "/v1/models", "method": "GET"}
    attempts = f"{OURS}key_pool_failover_attempts"
    ends = {f"{attempts}_count", f"{attempts}_sum"}
    bounds = ("1", "2", "3", "4", "5", "10", "25", "+Inf")
    return {
        key(f"{OURS}passthrough_total", **template): listed,
        **{key(name, provider="listed"): listed for name in ends},
        **{key(f"{attempts}_bucket", provider="listed", le=bound): listed for bound in bounds},
        **{
            key("aigw_rejected_total", reason=reason): deployed.sent[reason]
            for reason in ("invalid_gateway_key", "route_not_supported")
        },
    }


async def marked(deployed: Deployment) -> Values:
    """Marked keys are in the table alone, in each gateway's own order."""
    (moved,) = [n for each, n in (await deployed.store.counters()).items() if each[0] == "K"]
    assert moved["r:rate_limited"] > 0
    names = {
        "r": ("key_pool_state_transitions_total", "reason"),
        "x": ("key_pool_exhaustions_total", "outcome"),
    }
    values: Values = {}
    for attribute, amount in moved.items():
        kind, _, word = attribute.partition(":")
        name, label = names[kind]
        values[key(f"{OURS}{name}", provider="pooled", **{label: word})] = amount
    return values


def is_twinned(series: tuple[tuple[str, str], ...]) -> bool:
    name = dict(series)["__name__"]
    return name.startswith(OURS) and not name.startswith(f"{OURS}cost_control_")


def as_old(series: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    labels = dict(series)
    name = labels.pop("__name__")
    return key(name.replace(OURS, OLD, 1), **labels)


def never_begins_anew(deployed: Deployment, began: float) -> None:
    """Every series begins with a 0, and what it gained since then is its value."""
    seconds = round(deployed.now - began) + 60
    of = f'{{__name__=~"{RECOUNTED}",instance="{INSTANCE}"}}[{seconds}s]'
    courses = deployed.prometheus.course(of, deployed.now)
    assert len(courses) > 100
    for labels, values in courses.items():
        assert values == sorted(values), labels
        assert values[0] == 0.0, labels
