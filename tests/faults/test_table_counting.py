"""A table that fails while something is counted or noted that belongs to no record."""

from collections.abc import Mapping

import pytest

from tests.acceptance.stage import blocking
from tests.faults.conftest import OverTable
from tests.faults.site import Site, end_of, prompt_of
from tests.faults.table import FaultyTable

COUNTER, USED, WINDOW = "UpdateItem CTR#*", "UpdateItem K#*", "UpdateItem RL#*"
COMPLETED = ("completed", None)
LOST = ("throttled", "request lost", "reply lost", "access denied")


async def refusals(site: Site) -> Mapping[str, int]:
    """Return how often each reason to refuse a request was counted."""
    async with site.opened_elsewhere() as store:
        counters = await store.counters()
    return {of[0]: amounts["n"] for (kind, of), amounts in counters.items() if kind == "J"}


@pytest.mark.parametrize("fault", LOST)
async def test_a_refusal_that_cannot_be_counted_is_the_same_refusal(
    site: Site, table: FaultyTable, fault: str
) -> None:
    """It is counted once at most: a count is not repeated, because it may have arrived."""
    plain = await site.stage.send("/nowhere/v1/messages")
    with table.suffering(fault, COUNTER, times=1):
        refused = await site.stage.send("/nowhere/v1/messages")
    assert (refused.status, refused.body[:40]) == (404, plain.body[:40])
    assert await refusals(site) == {"route_not_supported": 2 if fault == "reply lost" else 1}
    await site.served()
    assert {end_of(row) for row in await site.settled()} == {COMPLETED}


@pytest.mark.parametrize("fault", LOST)
async def test_the_use_of_a_key_that_cannot_be_noted_holds_nobody_up(
    over_table: OverTable, table: FaultyTable, fault: str
) -> None:
    site = await over_table()
    site.clock.advance(600)
    with table.suffering(fault, USED):
        await site.served()
    assert table.suffered
    assert {end_of(row) for row in await site.settled()} == {COMPLETED}


@pytest.mark.parametrize("fault", LOST)
async def test_a_rate_that_cannot_be_counted_lets_requests_pass(
    over_table: OverTable, table: FaultyTable, fault: str
) -> None:
    site = await over_table(requests_per_second=1)
    with table.suffering(fault, WINDOW):
        await site.served()
        await site.served()
    assert {end_of(row) for row in await site.settled()} == {COMPLETED}


async def test_a_breaker_that_cannot_be_told_of_opens_all_the_same(
    over_table: OverTable, table: FaultyTable
) -> None:
    site = await over_table(circuit_breaker_enabled=True, circuit_breaker_failure_threshold=2)
    failing = blocking({"error": {"message": "down"}}, status=503)
    with table.suffering("unreachable", "UpdateItem GAUGE*", COUNTER):
        statuses = [(await site.ask(words=f"go {n}", script=failing)).status for n in range(3)]
    assert statuses == [503, 503, 503]
    found = [row for row in await site.settled() if (prompt_of(row) or "").startswith("go")]
    server, circuit = ("failed", "server_error"), ("failed", "overloaded")
    assert [end_of(row) for row in found] == [server, server, circuit]
    assert [words for words in site.seen if words.startswith("go")] == ["go 0", "go 1"]
