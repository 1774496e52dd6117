"""Clocks that jump while requests are under way, over both stores."""

from collections.abc import AsyncIterator

import pytest

from aigateway.reload.ages import Ages
from aigateway.reload.tick import Tick
from tests.acceptance.stage import Script
from tests.acceptance.words import calling, tool_result
from tests.faults.conftest import OverFile, OverTable
from tests.faults.site import TOKENS, Site, end_of, prompt_of, tokens_of

COMPLETED = ("completed", None)
HOUR = 3_600.0
CLOCKS = {
    "clock ahead": HOUR,
    "clock back": -HOUR,
    "clock half a second ahead": 0.5,
    "clock half a second back": -0.5,
}
"""Seconds that the wall clock jumps, by the names that people read."""


@pytest.fixture(params=["table", "file"])
async def site(
    request: pytest.FixtureRequest, over_table: OverTable, over_file: OverFile
) -> AsyncIterator[Site]:
    settings = {"snapshot_poll_seconds": 1.0, "key_cache_seconds": 60.0}
    if request.param == "table":
        yield await over_table(**settings)
    else:
        made, _ = await over_file(**settings)
        yield made


@pytest.mark.parametrize("jump", CLOCKS)
async def test_a_clock_that_jumps_in_the_middle_of_a_stream_costs_the_record_nothing(
    site: Site, jump: str
) -> None:
    """The next request finds its caller and its pool, whatever age their memory seems to have."""
    async with site.midway("go") as asking:
        site.clock.thaw_after(CLOCKS[jump])
    assert ((await asking).status, (await asking).over) == (200, True)
    await site.served()
    found = await site.settled()
    assert {end_of(row) for row in found} == {COMPLETED}
    (row,) = [row for row in found if prompt_of(row) == "go"]
    assert tokens_of(row) == TOKENS
    assert row.closed is not None
    lasted = (row.closed.ended_at - row.opened.started_at).total_seconds()
    assert lasted == CLOCKS[jump]


@pytest.mark.parametrize("jump", CLOCKS)
async def test_a_stream_that_lives_is_never_swept_whatever_its_clock_does(
    site: Site, jump: str
) -> None:
    tick = Tick(site.clock, site.stage.reload, {}, ages=Ages(site.clock))
    async with site.midway("go") as asking:
        site.clock.thaw_after(CLOCKS[jump])
        async with site.opened_elsewhere() as store:
            counted = await tick.run(store)
    assert (counted["sweep"], counted["purge"]) == (0, 0)
    assert (await asking).over
    (row,) = [row for row in await site.settled() if prompt_of(row) == "go"]
    assert (end_of(row), tokens_of(row)) == (COMPLETED, TOKENS)


@pytest.mark.parametrize("jump", CLOCKS)
async def test_requests_before_and_after_a_jump_are_all_listed_and_found(
    site: Site, jump: str
) -> None:
    for number in range(3):
        assert (await site.ask(words=f"number {number + 10}")).status == 200
        site.clock.thaw_after(CLOCKS[jump])
    site.clock.thaw_after(2 * HOUR)
    listed = site.stage.get("interceptions")["results"]
    starts = [row["started_at"] for row in listed]
    assert starts == sorted(starts, reverse=True)
    assert len(listed) == len(site.seen)
    for row in listed:
        assert site.stage.get(f"interceptions/{row['id']}")["id"] == row["id"]


async def test_a_tool_result_finds_its_call_over_half_a_second_of_skew(site: Site) -> None:
    """Where more than that lay between them; else the turn would begin a thread of its own."""
    await site.ask(words="call", script=Script(calling("toolu_9")))
    parent = await site.record("call")
    site.clock.thaw_after(-0.5)
    answered = await site.ask(words=[tool_result("toolu_9")])
    assert site.stage.record(answered)["thread_parent_id"] == parent.id
