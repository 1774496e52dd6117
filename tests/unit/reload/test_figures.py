"""What CloudWatch is told of each tick."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import final

import pytest

from aigateway.errors import LedgerFault
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.pool.outcomes import Outcome
from aigateway.reload.figures import Figures
from aigateway.reload.pool import Remembered
from aigateway.reload.tick import tick_of
from aigateway.settings import Settings
from tests.breaking import Breaking
from tests.builders import an_opened, at
from tests.clocks import HeldClock
from tests.told import Told

POOL = {"main": Outcome("enabled"), "spare": Outcome("disabled"), "broken": Outcome("error", "?")}


@final
@dataclass
class Knowing:
    remembered: Remembered


@final
@dataclass
class Published:
    went_well: bool | None


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


async def told(store: Store, remembered: Remembered, **publisher: bool | None) -> Told:
    journal = Told()
    made = Published(**publisher) if publisher else None
    await Figures(journal, Knowing(remembered), made).tell(store)
    return journal


async def test_each_provider_is_0_or_1_and_those_that_are_not_enabled_are_counted(
    store: SqliteStore,
) -> None:
    await store.note_success(at(60))
    journal = await told(store, Remembered(at(60), at(60), POOL))
    assert journal.of_each == {
        "main": {"ProviderNotEnabled": 0},
        "spare": {"ProviderNotEnabled": 1},
        "broken": {"ProviderNotEnabled": 1},
    }
    assert journal.of_all == {
        "ReloadAttempts": 1,
        "ProvidersNotEnabled": 2,
        "ReloadSuccessAgeSeconds": 0,
        "Inflight": 0,
    }


async def test_the_age_goes_from_the_last_success_of_any_process_to_this_attempt(
    store: SqliteStore,
) -> None:
    await store.note_success(at(0))
    journal = await told(store, Remembered(at(400), None, {}))
    assert journal.of_all["ReloadSuccessAgeSeconds"] == 400
    assert "ProvidersNotEnabled" not in journal.of_all


async def test_without_any_success_the_age_is_that_of_1970(store: SqliteStore) -> None:
    journal = await told(store, Remembered(at(400), None, {}))
    assert journal.of_all["ReloadSuccessAgeSeconds"] == at(400).timestamp()


async def test_a_store_that_is_away_leaves_what_this_process_remembers(store: SqliteStore) -> None:
    journal = Told()
    away = Breaking(store, "reload_state")
    await Figures(journal, Knowing(Remembered(at(400), at(0), POOL))).tell(away)
    assert journal.of_all["ReloadSuccessAgeSeconds"] == 400
    cold = Told()
    await Figures(cold, Knowing(Remembered(at(400), None, {}))).tell(away)
    assert "ReloadSuccessAgeSeconds" not in cold.of_all
    silent = Told()
    reloading = Knowing(Remembered(at(400), at(0), POOL))
    with pytest.raises(LedgerFault):
        await Figures(silent, reloading).tell(Breaking(store, "in_flight"))
    assert silent.of_all["ReloadAttempts"] == 1
    assert "Inflight" not in silent.of_all


async def test_open_records_are_counted(store: SqliteStore) -> None:
    await store.open(an_opened())
    await store.open(an_opened(1))
    journal = await told(store, Remembered(at(0), at(0), {}))
    assert journal.of_all["Inflight"] == 2


@pytest.mark.parametrize(("went_well", "told_of"), [(True, 1), (False, 0), (None, None)])
async def test_the_publisher_is_told_of_where_it_was_at_work(
    store: SqliteStore, went_well: bool | None, told_of: int | None
) -> None:
    journal = await told(store, Remembered(at(0), at(0), {}), went_well=went_well)
    assert journal.of_all.get("PublisherOk") == told_of
    assert "PublisherOk" not in (await told(store, Remembered(at(0), at(0), {}))).of_all


async def test_a_tick_tells_them_last_and_only_where_cloudwatch_listens(
    store: SqliteStore,
) -> None:
    journal = Told()
    clock = HeldClock()
    assert tick_of(Settings(), clock, journal).endings == ("erase",)
    everything = Settings(on_lambda=True, metrics_endpoint=True)
    tick = tick_of(everything, clock, journal)
    assert tick.endings == ("erase", "publish", "figures")
    await tick.run(store)
    assert journal.of_all == {
        "ReloadAttempts": 1,
        "ProvidersNotEnabled": 0,
        "ReloadSuccessAgeSeconds": 0,
        "PublisherOk": 1,
        "Inflight": 0,
    }
    alone = tick_of(Settings(metrics=frozenset({"emf"})), clock, journal)
    assert alone.endings == ("erase", "figures")
