"""A table that fails while the record of a request is being closed."""

import pytest

from aigateway.ledger.dynamodb.closing import ATTEMPTS
from tests.faults.site import DIALECTS, TOKENS, Site, end_of, prompt_of, tokens_of
from tests.faults.table import FAULTS, FaultyTable, passing

CLOSING, ANSWER = "TransactWriteItems", "PutItem S#*/P#*#1."
COMPLETED, ABANDONED = ("completed", None), ("abandoned", "unknown")
HARMLESS = ("batch answered in part", "empty page", "reply lost")
"""What cannot keep a record from being closed: a repeat finds that it was this very call."""
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


async def test_replies_that_are_all_lost_close_a_record_once(
    site: Site, table: FaultyTable
) -> None:
    with table.suffering("reply lost", CLOSING):
        await site.served()
    assert {end_of(row) for row in await site.settled()} == {COMPLETED}


@pytest.mark.parametrize("fault", STOPPING)
async def test_a_fault_that_lasts_leaves_the_client_alone(
    site: Site, table: FaultyTable, fault: str
) -> None:
    with table.suffering(fault, CLOSING):
        await site.served()
    first, *others = await site.settled()
    assert end_of(first) == COMPLETED
    assert [(end_of(row), tokens_of(row)) for row in others] == [(ABANDONED, TOKENS)] * len(
        DIALECTS
    )
