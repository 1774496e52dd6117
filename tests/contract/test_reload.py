"""What becomes of a reload, whatever fails and whoever comes between, over each store."""

import logging
from typing import Any, final

import pytest

from aigateway.errors import Conflict, LedgerFault, SecretStoreUnavailable
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import Answering, Range
from aigateway.ledger.expressions import Put
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Published, ReloadState, Store
from aigateway.pool.outcomes import Outcome
from aigateway.pool.providers import ProviderRow
from aigateway.pool.snapshot import snapshot_from, statuses
from tests.breaking import Breaking
from tests.builders import at
from tests.clocks import HeldClock
from tests.interleaving import Interleaving
from tests.reloads import HeldKeys, a_reload

STEPS = ("note_attempt", "reload_state", "published", "provider_rows", "publish", "note_success")
GOOD = Outcome("enabled")


def row(name: str = "main", version: int = 1, **members: Any) -> ProviderRow:  # noqa: ANN401 - a row's members
    document = {"name": name, "type": "anthropic", "base_url": "https://h.example"}
    keys = [{"id": "k1", "masked": "sk-p...nted"}]
    return ProviderRow(name, document | {"api_keys": keys} | members, version)


async def in_force(store: Store) -> Published:
    published = await store.published()
    assert published is not None
    return published


async def outcomes(store: Store) -> dict[str, Outcome]:
    return statuses((await in_force(store)).document)


async def test_rows_are_published_once_and_again_when_they_change(store: Store) -> None:
    await store.put_provider(row(), None)
    reload = a_reload(HeldClock())
    assert [await reload.run(store) for _ in range(2)] == [1, 1]
    await store.put_provider(row(version=2, enabled=False), 1)
    assert await reload.run(store) == 2
    published = await in_force(store)
    snapshot = snapshot_from(published.version, published.document, allow_byok=True, allowed=())
    assert not snapshot.providers["main"].enabled
    assert await outcomes(store) == {"main": Outcome("disabled")}


async def test_a_pool_without_providers_is_published_too(store: Store) -> None:
    assert await a_reload(HeldClock()).run(store) == 1
    assert await outcomes(store) == {}


async def test_a_missing_secret_breaks_its_provider_alone_and_heals(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    keys = HeldKeys("main")
    reload = a_reload(clock := HeldClock(), keys)
    await store.put_provider(row(), None)
    await store.put_provider(row("other"), None)
    assert await reload.run(store) == 1
    broken = Outcome("error", "api_keys: the key sk-p...nted cannot be read")
    assert await outcomes(store) == {"main": broken, "other": GOOD}
    keys.missing.clear()
    clock.advance(60)
    assert await reload.run(store) == 2
    assert await outcomes(store) == {"main": GOOD, "other": GOOD}
    state = await store.reload_state()
    assert state.attempted_at == state.succeeded_at == at(60)
    assert [text for text in caplog.messages if text.startswith("provider ")] == [
        f"provider main: absent -> error: {broken.reason}",
        "provider other: absent -> enabled",
        "provider main: error -> enabled",
    ]


async def test_one_broken_row_stops_no_other(store: Store) -> None:
    await store.put_provider(row("bad", base_url="http://h.example"), None)
    await store.put_provider(row("good"), None)
    await store.put_provider(row("odd", type="another"), None)
    assert await a_reload(HeldClock()).run(store) == 1
    found = await outcomes(store)
    assert {name: outcome.status for name, outcome in found.items()} == {
        "bad": "error",
        "good": "enabled",
        "odd": "error",
    }
    assert (found["bad"].reason or "").startswith("base_url: ")


async def test_a_row_that_is_damaged_in_the_store_stops_no_other(store: Store) -> None:
    await store.put_provider(row("bad"), None)
    await store.put_provider(row("good"), None)
    if isinstance(store, SqliteStore):
        damaged = "UPDATE provider SET document = '{' WHERE name = 'bad'"
        await store._database.write(lambda c: c.execute(damaged).rowcount)
    else:
        assert isinstance(store, DynamoStore)
        item = await store._table.read(("PROV", "bad"))
        assert item is not None
        await store._table.put(Put(item | {"document": "{"}))
    assert await a_reload(HeldClock()).run(store) == 1
    found = await outcomes(store)
    assert (found["bad"].status, found["good"]) == ("error", GOOD)


async def test_i14_a_silent_store_of_secrets_fails_the_reload_and_leaves_the_pool(
    store: Store,
) -> None:
    keys = HeldKeys()
    reload = a_reload(clock := HeldClock(), keys)
    await store.put_provider(row(), None)
    await reload.run(store)
    before = await in_force(store)
    await store.put_provider(row(version=2, enabled=True, display_name="changed"), 1)
    keys.fault = SecretStoreUnavailable("silent")
    clock.advance(60)
    with pytest.raises(SecretStoreUnavailable):
        await reload.run(store)
    assert await in_force(store) == before
    assert await store.reload_state() == ReloadState(1, before.digest, at(60), at(0))
    assert reload.remembered.attempted_at == at(60)
    assert reload.remembered.succeeded_at == at(0)
    assert reload.remembered.outcomes == {"main": GOOD}
    keys.fault = None
    assert await reload.run(store) == 2


@pytest.mark.parametrize("step", STEPS)
async def test_i14_a_reload_that_fails_at_any_step_moves_only_the_time_of_the_attempt(
    store: Store, step: str
) -> None:
    reload = a_reload(clock := HeldClock())
    await store.put_provider(row(), None)
    await reload.run(store)
    before = await in_force(store)
    await store.put_provider(row(version=2, enabled=False), 1)
    clock.advance(60)
    with pytest.raises(LedgerFault):
        await reload.run(Breaking(store, step))
    state = await store.reload_state()
    assert state.attempted_at == (at(0) if step == "note_attempt" else at(60))
    assert state.succeeded_at == at(0)
    assert (await in_force(store) == before) is (step != "note_success")
    assert reload.remembered.attempted_at == at(60)
    assert reload.remembered.succeeded_at == at(0)


@pytest.mark.parametrize("step", STEPS)
async def test_of_two_reloads_at_once_the_newer_rows_and_the_later_times_remain(
    store: Store, step: str
) -> None:
    """A second one, which sees a later change, runs whole before any one step of the first."""
    await store.put_provider(row(), None)
    clock = HeldClock()
    await a_reload(clock).run(store)
    clock.advance(10)
    await store.put_provider(row(version=2, display_name="second"), 1)
    slow, quick = a_reload(clock), HeldClock()
    quick.advance(20)

    async def meanwhile() -> None:
        await store.put_provider(row(version=3, display_name="third"), 2)
        await a_reload(quick).run(store)

    version = await slow.run(Interleaving(store, step, meanwhile))
    published = await in_force(store)
    assert b'"third"' in published.document
    assert version <= published.version
    state = await store.reload_state()
    assert (state.attempted_at, state.succeeded_at) == (at(20), at(20))


async def test_a_reload_that_is_always_overtaken_gives_up_and_is_no_success(store: Store) -> None:
    await store.put_provider(row(), None)
    reload = a_reload(HeldClock())
    tries: list[object] = []

    def noted(*arguments: object) -> bool:
        tries.append(arguments)
        return True

    with pytest.raises(Conflict):
        await reload.run(Breaking(store, "publish", Conflict("overtaken"), noted))
    assert len(tries) == 3
    assert (await store.reload_state()).succeeded_at is None
    assert await store.published() is None


async def test_a_clock_that_goes_back_moves_neither_times_nor_versions_back(store: Store) -> None:
    reload = a_reload(clock := HeldClock())
    await store.put_provider(row(), None)
    clock.advance(100)
    await reload.run(store)
    clock.thaw_after(-90)
    await store.put_provider(row(version=2, enabled=False), 1)
    for process in (reload, a_reload(clock)):
        assert await process.run(store) == 2
        state = await store.reload_state()
        assert (state.attempted_at, state.succeeded_at) == (at(100), at(100))


async def test_a_damaged_snapshot_is_published_anew(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await store.put_provider(row(), None)
    await store.publish(Published(1, "a hash of something else", b'{"providers": []}'), None)
    assert await a_reload(HeldClock()).run(store) == 2
    assert await outcomes(store) == {"main": GOOD}
    assert "snapshot unreadable" in caplog.text


class Killed(BaseException):
    """The end of a process, which nothing handles."""


@pytest.mark.parametrize("step", STEPS)
async def test_a_process_that_is_killed_at_any_step_leaves_a_whole_pool_behind(
    store: Store, step: str
) -> None:
    await store.put_provider(row(), None)
    await a_reload(HeldClock()).run(store)
    before = await in_force(store)
    await store.put_provider(row(version=2, enabled=False), 1)
    with pytest.raises(Killed):
        await a_reload(HeldClock()).run(Breaking(store, step, Killed()))  # type: ignore[arg-type]
    published = await in_force(store)
    assert (published == before) is (step != "note_success")
    assert await a_reload(HeldClock()).run(store) == 2
    assert await outcomes(store) == {"main": Outcome("disabled")}


@final
class KilledAt:
    """A connection that ends the process when the pool in force would be named anew."""

    def __init__(self, connection: Answering) -> None:
        self._connection = connection

    def dispatch(self, operation_name: str, operation_kwargs: dict[str, Any]) -> dict[str, Any]:
        if operation_name == "UpdateItem" and "digest" in str(operation_kwargs):
            raise Killed
        return self._connection.dispatch(operation_name, operation_kwargs)


async def test_a_process_that_is_killed_between_document_and_pointer_leaves_no_half(
    dynamodb_moto: DynamoStore, moto_connection: Answering
) -> None:
    """On a table the document is written in parts, before it is named as the one in force."""
    store = dynamodb_moto
    await store.start()
    await store.put_provider(row(), None)
    await a_reload(HeldClock()).run(store)
    before = await in_force(store)
    await store.put_provider(row(version=2, enabled=False), 1)
    dying = DynamoStore(store._table.name, connection=KilledAt(moto_connection))
    with pytest.raises(Killed):
        await a_reload(HeldClock()).run(dying)
    assert len(await store._table.all(Range("SNAPDOC"))) == 2, "the document is there"
    assert await in_force(store) == before
    await store.put_provider(row(version=3, display_name="later"), 2)
    assert await a_reload(HeldClock()).run(store) == 2
    assert b"later" in (await in_force(store)).document
    for version in range(4, 8):
        await store.put_provider(row(version=version, display_name=str(version)), version - 1)
        await a_reload(HeldClock()).run(store)
    parts = await store._table.all(Range("SNAPDOC"))
    assert [part["sk"][:8] for part in parts] == ["00000004", "00000005", "00000006"]
    await store.stop()
