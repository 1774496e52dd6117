"""A table that is slow: within the bound, past it, and long after anybody waited."""

import asyncio

from aigateway.reload.sweep import sweep
from tests.faults.conftest import OverTable
from tests.faults.site import LATER, TOKENS, Site, end_of, prompt_of, tokens_of
from tests.faults.table import FaultyTable, Slow

RECORD, CLOSING = "PutItem S#*/I#", "TransactWriteItems"
COMPLETED, ABANDONED = ("completed", None), ("abandoned", "unknown")


async def ends(site: Site, words: str) -> list[tuple[str, str | None] | None]:
    return [end_of(row) for row in await site.settled() if prompt_of(row) == words]


async def test_a_slow_opening_holds_back_the_end_of_the_request(
    site: Site, table: FaultyTable
) -> None:
    before, slow = len(site.seen), Slow()
    with table.suffering(slow.fault, RECORD):
        asking = asyncio.create_task(site.ask(words="go"))
        await slow.met()
        assert len(site.seen) == before
        slow.release()
        answered = await asking
    assert (answered.status, answered.over) == (200, True)
    assert await ends(site, "go") == [COMPLETED]


async def test_a_slow_closing_holds_back_the_end_of_the_answer_as_long_as_it_may(
    over_table: OverTable, table: FaultyTable
) -> None:
    """Past that the client has its answer, and the closing goes on by itself."""
    site, slow = await over_table(close_seconds=0.05), Slow()
    with table.suffering(slow.fault, CLOSING):
        asking = asyncio.create_task(site.ask(words="go"))
        await slow.met()
        await site.over.wait()
        assert not asking.done()
        slow.release()
        assert (await asking).status == 200
    assert await ends(site, "go") == [COMPLETED]


async def test_a_slow_closing_within_the_bound_is_waited_for(
    over_table: OverTable, table: FaultyTable
) -> None:
    site, slow = await over_table(close_seconds=60.0), Slow()
    with table.suffering(slow.fault, CLOSING):
        asking = asyncio.create_task(site.ask(words="go"))
        await slow.met()
        assert not site.over.is_set()
        slow.release()
        assert (await asking).over
    assert await ends(site, "go") == [COMPLETED]


async def test_an_opening_that_arrives_when_its_request_was_refused_is_swept(
    site: Site, table: FaultyTable
) -> None:
    before = len(site.seen)
    with table.suffering(table.late(), RECORD):
        assert (await site.ask(words="go")).status == 503
        await site.stage.store.stop()
    table.arrive()
    assert len(site.seen) == before
    assert await ends(site, "go") == [ABANDONED]


async def test_closings_that_arrive_all_at_once_count_once(site: Site, table: FaultyTable) -> None:
    """None of six tries was answered in time, and in the end each of them arrives."""
    with table.suffering(table.late(), CLOSING):
        assert (await site.ask(words="go")).status == 200
    assert len(table.arrive()) == 6
    (row,) = [row for row in await site.settled() if prompt_of(row) == "go"]
    assert (end_of(row), tokens_of(row)) == (COMPLETED, TOKENS)


async def test_a_closing_that_arrives_after_its_record_came_home_changes_nothing(
    site: Site, table: FaultyTable
) -> None:
    with table.suffering(table.late(), CLOSING):
        assert (await site.ask(words="go")).status == 200
    before = await site.settled()
    assert await ends(site, "go") == [COMPLETED]
    assert all(isinstance(answer, Exception) for answer in table.arrive())
    assert await site.settled() == before


async def test_a_closing_that_arrives_after_the_sweep_changes_nothing(
    site: Site, table: FaultyTable
) -> None:
    with table.suffering(table.late(), CLOSING):
        assert (await site.ask(words="go")).status == 200
    async with site.opened_elsewhere() as store:
        assert await sweep(store, site.clock.now() + LATER) == 1
    before = await site.settled()
    assert await ends(site, "go") == [ABANDONED]
    assert all(isinstance(answer, Exception) for answer in table.arrive())
    assert await site.settled() == before
