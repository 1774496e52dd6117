"""One tick: rows become the published snapshot."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from aigateway.errors import LedgerFault
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow
from aigateway.pool.snapshot import snapshot_from
from aigateway.reload.tick import reload_pool
from tests.breaking import Breaking
from tests.builders import T0
from tests.clocks import HeldClock


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


def row(version: int = 1, **members: object) -> ProviderRow:
    document = {"name": "main", "type": "anthropic", "base_url": "https://h.example"} | members
    return ProviderRow("main", document, version)


async def test_rows_are_published_once_and_again_when_they_change(store: SqliteStore) -> None:
    await store.put_provider(row(), None)
    assert await reload_pool(store, clock := HeldClock()) == 1
    assert await reload_pool(store, clock) == 1
    await store.put_provider(row(2, enabled=False), 1)
    assert await reload_pool(store, clock) == 2
    published = await store.published()
    assert published is not None
    snapshot = snapshot_from(published.version, published.document, allow_byok=True, allowed=())
    assert not snapshot.providers["main"].enabled


async def test_a_pool_without_providers_is_published_too(store: SqliteStore) -> None:
    assert await reload_pool(store, HeldClock()) == 1


async def test_a_broken_row_is_published_and_fails_nothing(store: SqliteStore) -> None:
    await store.put_provider(row(base_url="http://h.example"), None)
    assert await reload_pool(store, HeldClock()) == 1


async def test_both_times_move_with_a_reload_that_succeeds(store: SqliteStore) -> None:
    clock = HeldClock()
    await reload_pool(store, clock)
    clock.advance(60)
    await reload_pool(store, clock)
    state = await store.reload_state()
    assert state.attempted_at == state.succeeded_at == T0 + timedelta(seconds=60)


@pytest.mark.parametrize("part", ["provider_rows", "reload_state", "publish"])
async def test_i14_a_failed_reload_moves_only_the_time_of_the_attempt(
    store: SqliteStore, part: str
) -> None:
    clock = HeldClock()
    await store.put_provider(row(), None)
    await reload_pool(store, clock)
    before = await store.published()
    await store.put_provider(row(2, enabled=False), 1)
    clock.advance(60)
    with pytest.raises(LedgerFault):
        await reload_pool(Breaking(store, part), clock)
    state = await store.reload_state()
    assert (state.attempted_at, state.succeeded_at) == (T0 + timedelta(seconds=60), T0)
    assert await store.published() == before
