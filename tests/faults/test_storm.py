"""Many requests at once over a table on which anything may fail at any time."""

import asyncio
import random

import pytest

from tests.faults.site import DIALECTS, TOKENS, Site, end_of, prompt_of, tokens_of
from tests.faults.table import FAULTS, Answer, Calling, Fault, FaultyTable, Request

REQUESTS = 12


def storm(table: FaultyTable, chance: random.Random) -> Fault:
    """Let every third call suffer any fault, late arrival included."""
    late = table.late()
    faults = [*FAULTS.values(), late, late]

    def meets(operation: str, request: Request, call: Calling) -> Answer:
        if chance.random() < 1 / 3:
            return chance.choice(faults).meets(operation, request, call)
        return call(request)

    return Fault(meets)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_fails_each_request_has_one_record_and_is_counted_once(
    site: Site, table: FaultyTable, seed: int
) -> None:
    await weather(site, table, seed)


@pytest.mark.ministack
@pytest.mark.parametrize("seed", range(6, 12))
async def test_over_a_table_that_knows_transactions_again_as_well(
    stand_in_site: Site, stand_in_table: FaultyTable, seed: int
) -> None:
    await weather(stand_in_site, stand_in_table, seed)


async def weather(site: Site, table: FaultyTable, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    with table.suffering(storm(table, chance)):
        answers = await asyncio.gather(
            *(
                site.ask(chance.choice(list(DIALECTS)), f"{seed}/{number}")
                for number in range(REQUESTS)
            )
        )
        await site.stage.store.stop()
    for answered in answers:
        assert answered.status in (200, 503)
        assert answered.over
    table.arrive(chance)
    found = await site.settled()
    assert await site.settled() == found
    served = {words for words in site.seen if "/" in words}
    assert len(served) == sum(answered.status == 200 for answered in answers)
    for row in found:
        if end_of(row) == ("completed", None):
            assert tokens_of(row) == TOKENS
    kept = {prompt_of(row): end_of(row) for row in found if row.opened.prompt is not None}
    assert {kept[words] for words in served} == {("completed", None)}
