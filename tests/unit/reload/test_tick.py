"""One tick: every part has its turn."""

from collections.abc import AsyncIterator

import pytest

from aigateway.errors import LedgerFault
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.pool.providers import ProviderRow
from aigateway.reload.log_group import LogUnreadable
from aigateway.reload.tick import Tick, tick_of
from aigateway.settings import Settings
from aigateway.transcript.facts import AnsweredCall
from tests.breaking import Breaking
from tests.builders import a_closed, an_opened
from tests.clocks import HeldClock
from tests.reloads import a_reload


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


def row(version: int = 1, **members: object) -> ProviderRow:
    document = {"name": "main", "type": "anthropic", "base_url": "https://h.example"} | members
    return ProviderRow("main", document, version)


async def test_a_tick_reloads_closes_orphans_and_purges(store: SqliteStore) -> None:
    clock = HeldClock()
    await store.put_provider(row(), None)
    await store.open(an_opened())
    clock.advance(30 * 60)
    tick = Tick(clock, a_reload(clock), {})
    expected = {"reload": 1, "sweep": 1, "parents": 0, "purge": 0}
    assert await tick.run(store) == expected
    clock.advance(61 * 86_400)
    assert (await tick.run(store))["purge"] > 0


async def test_a_clock_that_is_set_ahead_makes_no_orphan_and_nothing_expire(
    store: SqliteStore,
) -> None:
    """What lives now is twenty minutes old at the earliest in twenty minutes."""
    clock, settings = HeldClock(), Settings()
    tick = tick_of(settings, clock)
    live = an_opened()
    await store.open(live)
    clock.thaw_after(90 * 86_400)
    counted = await tick.run(store)
    assert (counted["sweep"], counted["purge"]) == (0, 0)
    assert await store.close(live, a_closed(live), ())
    clock.advance(20 * 60)
    assert (await tick.run(store))["purge"] > 0


def test_a_function_which_is_frozen_between_its_runs_believes_its_clock() -> None:
    assert tick_of(Settings(on_lambda=True, table="t"), HeldClock())._ages is None


async def test_a_tick_finds_late_parents(store: SqliteStore) -> None:
    opened = an_opened(answered_calls=(AnsweredCall("toolu_1", None, 3),))
    await store.open(opened)
    await store.close(opened, a_closed(opened, parents_unknown=True), ())
    clock = HeldClock()
    clock.advance(30 * 60)
    assert (await Tick(clock, a_reload(clock), {}).run(store))["parents"] == 1


async def test_beginnings_come_before_the_reload_so_that_it_publishes_them(
    store: SqliteStore,
) -> None:
    async def begin(store: Store) -> int:
        await store.put_provider(row(), None)
        return 1

    assert await Tick(clock := HeldClock(), a_reload(clock), {"seed": begin}).run(store) == {
        "seed": 1,
        "reload": 1,
        "sweep": 0,
        "parents": 0,
        "purge": 0,
    }
    published = await store.published()
    assert published is not None
    assert b"main" in published.document


async def test_a_run_for_a_change_only_reloads(store: SqliteStore) -> None:
    async def begin(_: Store) -> int:
        raise AssertionError

    tick = Tick(clock := HeldClock(), a_reload(clock), {"seed": begin})
    assert await tick.run(Breaking(store, "orphans"), only_reload=True) == {"reload": 1}


@pytest.mark.parametrize("fault", [LedgerFault("broken"), ZeroDivisionError("a bug")])
async def test_a_part_that_fails_stops_no_other_and_is_raised_at_the_end(
    store: SqliteStore, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def begin(_: Store) -> int:
        raise fault

    clock = HeldClock()
    await store.open(an_opened())
    clock.advance(30 * 60)
    broken = Breaking(store, "provider_rows", KeyError("a later one"))
    with pytest.raises(type(fault)) as raised:
        await Tick(clock, a_reload(clock), {"seed": begin}).run(broken)
    assert raised.value is fault
    assert await store.orphans(clock.now(), 9) == ()
    assert [part in caplog.text for part in ("seed", "reload", "sweep")] == [True, True, False]


def test_a_tick_has_the_beginnings_that_its_settings_name() -> None:
    assert tick_of(Settings(), HeldClock()).beginnings == ()
    both = Settings(admin_key_secret="a", providers_seed_secret="b", secrets_prefix="c/")
    assert tick_of(both, HeldClock()).beginnings == ("first key", "seed")
    texts = Settings(table="records", payload_bucket="texts")
    assert tick_of(texts, HeldClock()).beginnings == ("payload lifecycle",)


async def test_without_a_log_group_nothing_is_looked_for_and_with_one_it_is_first(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = await tick_of(Settings(), HeldClock()).run(store)
    assert "spilled" not in plain
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    tick = tick_of(Settings(spilled_log_group="/aws/lambda/x"), HeldClock())
    with pytest.raises(LogUnreadable, match="/aws/lambda/x"):
        await tick.run(store)
