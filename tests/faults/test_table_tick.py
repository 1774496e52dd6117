"""A table that fails while the schedule works: a reload of the pool, a sweep."""

from datetime import timedelta

import pytest

from aigateway.errors import RecorderUnavailable
from aigateway.reload.sweep import ORPHAN_AGE, repair_parents, sweep
from tests.builders import an_opened
from tests.faults.conftest import OverTable
from tests.faults.site import Site, end_of
from tests.faults.table import FAULTS, FaultyTable, passing
from tests.reloads import a_reload

HARMLESS = ("batch answered in part", "empty page", "transaction in progress")
STOPPING = [name for name in FAULTS if name not in HARMLESS]
CLOSING = "TransactWriteItems"


async def disable(site: Site) -> None:
    (row, *_) = await site.stage.store.provider_rows()
    changed = type(row)(row.name, dict(row.document) | {"enabled": False}, row.version + 1)
    await site.stage.store.put_provider(changed, row.version)


@pytest.mark.parametrize("fault", passing())
async def test_a_reload_gets_over_a_fault_that_passes(
    over_table: OverTable, table: FaultyTable, fault: str
) -> None:
    site = await over_table(snapshot_poll_seconds=0.0)
    version = (await site.stage.store.reload_state()).version
    await disable(site)
    with (
        table.suffering(fault, "Query", times=2),
        table.suffering(fault, "UpdateItem SNAP/CURRENT", times=2),
    ):
        await site.stage.reload.run(site.stage.store)
    state = await site.stage.store.reload_state()
    assert (state.version, state.succeeded_at) == (version + 1, state.attempted_at)
    assert (await site.ask("messages")).headers["x-ai-gateway-error"] == "provider_disabled"


@pytest.mark.parametrize("fault", STOPPING)
async def test_a_reload_that_fails_leaves_the_pool_in_force_and_the_next_one_heals(
    over_table: OverTable, table: FaultyTable, fault: str
) -> None:
    site = await over_table(snapshot_poll_seconds=0.0)
    before = await site.stage.store.reload_state()
    await disable(site)
    site.clock.advance(60)
    with table.suffering(fault), pytest.raises(RecorderUnavailable):
        await site.stage.reload.run(site.stage.store)
    async with site.opened_elsewhere() as store:
        failed = await store.reload_state()
    assert (failed.version, failed.succeeded_at) == (before.version, before.succeeded_at)
    assert (await site.ask("messages")).status == 200
    await a_reload(site.clock, site.stage.keys).run(site.stage.store)
    assert (await site.ask("messages")).headers["x-ai-gateway-error"] == "provider_disabled"
    assert {end_of(row) for row in await site.settled()} == {("completed", None)}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_orphan_that_a_sweep_cannot_close_is_closed_by_a_later_one_and_once(
    site: Site, table: FaultyTable, fault: str
) -> None:
    store, now = site.stage.store, site.clock.now() + timedelta(minutes=30)
    orphans = [an_opened(number) for number in (1, 2)]
    for orphan in orphans:
        await store.open(orphan)
    with table.suffering(fault, CLOSING, "Query", "BatchGetItem"):
        try:
            closed = await sweep(store, now)
        except RecorderUnavailable:
            closed = 0
    closed += await sweep(store, now)
    assert closed == len(orphans)
    async with site.opened_elsewhere() as elsewhere:
        ends = [end_of(row) for row in await site.records(elsewhere)]
        orphaned = (await elsewhere.counters())["O", ("orphans",)]
    assert ends.count(("abandoned", "unknown")) == orphaned["n"] == len(orphans)
    assert timedelta(minutes=30) > ORPHAN_AGE


async def test_a_page_that_comes_out_empty_hides_no_orphan_and_no_parent(
    site: Site, table: FaultyTable
) -> None:
    store = site.stage.store
    orphan = an_opened(1)
    await store.open(orphan)
    with table.suffering("empty page"):
        assert await store.orphans(site.clock.now() + timedelta(hours=1), 10) == (orphan,)
        assert await repair_parents(store, site.clock.now()) == 0
