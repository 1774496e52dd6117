"""A table that fails while the record of a request is being closed."""

import pytest

from aigateway.ledger.dynamodb.closing import ATTEMPTS
from aigateway.reload.bringing import NotTaken
from aigateway.reload.spilled_file import FromFile
from aigateway.reload.sweep import sweep
from aigateway.telemetry.journal import SILENT
from tests.faults.site import DIALECTS, LATER, TOKENS, Site, end_of, prompt_of, tokens_of
from tests.faults.table import FAULTS, FaultyTable, passing

CLOSING, ANSWER = "TransactWriteItems", "PutItem S#*/P#*#1."
COMPLETED, ABANDONED = ("completed", None), ("abandoned", "unknown")
HARMLESS = ("batch answered in part", "empty page")
STOPPING = [name for name in FAULTS if name not in HARMLESS]


@pytest.mark.parametrize("fault", passing())
async def test_a_fault_that_passes_is_not_noticed_and_counts_once(
    site: Site, table: FaultyTable, fault: str
) -> None:
    with (
        table.suffering(fault, CLOSING, times=ATTEMPTS - 1),
        table.suffering(fault, ANSWER, times=2),
    ):
        answered = await site.ask(words="go")
    assert (answered.status, answered.over) == (200, True)
    (row,) = [row for row in await site.settled() if prompt_of(row) == "go"]
    assert (end_of(row), tokens_of(row)) == (COMPLETED, TOKENS)


@pytest.mark.ministack
async def test_a_transaction_that_is_known_again_is_a_closing_and_counts_once(
    stand_in_site: Site, stand_in_table: FaultyTable
) -> None:
    """The stand-in remembers tokens as the service does, and moto does not."""
    with stand_in_table.suffering("reply lost", CLOSING, times=ATTEMPTS - 1):
        await stand_in_site.served()
    ends = [(end_of(row), tokens_of(row)) for row in await stand_in_site.settled()]
    assert ends == [(COMPLETED, TOKENS)] * (1 + len(DIALECTS))
    assert stand_in_site.spilled.first(9).lines == ()


@pytest.mark.parametrize("fault", STOPPING)
async def test_a_fault_that_lasts_leaves_the_client_alone_and_the_record_comes_home_whole(
    site: Site, table: FaultyTable, fault: str
) -> None:
    with table.suffering(fault, CLOSING):
        await site.served()
    assert len(site.spilled.first(9).lines) == len(DIALECTS)
    ends = [(end_of(row), tokens_of(row)) for row in await site.settled()]
    assert ends == [(COMPLETED, TOKENS)] * (1 + len(DIALECTS))
    assert site.spilled.first(9).lines == ()


async def test_what_was_closed_by_a_call_that_never_heard_of_it_is_brought_home_as_nothing_new(
    site: Site, table: FaultyTable
) -> None:
    with table.suffering("reply lost", CLOSING):
        assert (await site.ask(words="go")).status == 200
    async with site.opened_elsewhere() as store:
        (row,) = [row for row in await site.records(store) if prompt_of(row) == "go"]
        before = await store.counters()
        assert await FromFile(site.spilled, site.clock, SILENT).run(store) == 0
        assert await store.counters() == before
    assert (end_of(row), tokens_of(row)) == (COMPLETED, TOKENS)
    await site.settled()


@pytest.mark.parametrize("fault", ["throttled", "request lost", "access denied"])
async def test_without_what_was_kept_the_sweep_finds_what_the_table_has_of_an_answer(
    site: Site, table: FaultyTable, fault: str
) -> None:
    """As if the machine was gone together with the record that it kept."""
    with table.suffering(fault, CLOSING):
        assert (await site.ask(words="has texts")).status == 200
    with table.suffering(fault, CLOSING, ANSWER):
        assert (await site.ask(words="has none")).status == 200
    site.spilled.take(site.spilled.first(9), 2)
    found = {prompt_of(row): (end_of(row), tokens_of(row)) for row in await site.settled()}
    assert found["has texts"] == (ABANDONED, TOKENS)
    assert found["has none"] == (ABANDONED, (0, 0))


async def test_a_spilled_record_that_the_table_refuses_again_stays_and_comes_home_later(
    site: Site, table: FaultyTable
) -> None:
    with table.suffering("throttled", CLOSING):
        assert (await site.ask(words="go")).status == 200
    with table.suffering("throttled", CLOSING), pytest.raises(NotTaken):
        await FromFile(site.spilled, site.clock, SILENT).run(site.stage.store)
    assert len(site.spilled.first(9).lines) == 1
    (row,) = [row for row in await site.settled() if prompt_of(row) == "go"]
    assert (end_of(row), tokens_of(row)) == (COMPLETED, TOKENS)


async def test_a_spilled_record_that_was_swept_first_is_told_as_late_and_counts_nothing(
    site: Site, table: FaultyTable
) -> None:
    with table.suffering("throttled", CLOSING):
        assert (await site.ask(words="go")).status == 200
    async with site.opened_elsewhere() as store:
        assert await sweep(store, site.clock.now() + LATER) == 1
    (row,) = [row for row in await site.settled() if prompt_of(row) == "go"]
    assert end_of(row) == ABANDONED
    late = site.stage.get(f"interceptions/{row.id}")["late"]
    assert (late["outcome"], late["output_tokens"]) == ("completed", 3)
