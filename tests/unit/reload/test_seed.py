"""The providers that a deployment begins with."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aigateway.errors import LedgerFault, RowInvalid, SecretUnavailable
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow, SecretRef
from aigateway.pool.secrets import AwsSecrets
from aigateway.reload.seed import Seed
from tests.breaking import Breaking
from tests.clocks import HeldClock
from tests.reloads import a_reload
from tests.vaults import HeldVault

NAME = "seed"
PLANTED = "sk-ant-planted-0123456789"


def document(name: str, **members: object) -> dict[str, Any]:
    plain = {"name": name, "type": "anthropic", "api_keys": [f"{PLANTED}-{name}"]}
    return plain | members


def a_vault(*documents: dict[str, Any]) -> HeldVault:
    return HeldVault(**{NAME: json.dumps(documents)})


def a_seed(vault: HeldVault) -> Seed:
    return Seed(NAME, vault, AwsSecrets("providers/", vault, HeldClock()), (), HeldClock())


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


async def names(store: SqliteStore) -> list[str]:
    return [row.name for row in await store.provider_rows()]


async def test_i10_an_empty_table_is_filled_and_holds_no_key(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    vault = a_vault(document("one"), document("two"))
    assert await a_seed(vault).sow(store) == 2
    rows = await store.provider_rows()
    assert [(row.name, row.version) for row in rows] == [("one", 1), ("two", 1)]
    assert PLANTED not in json.dumps([row.document for row in rows]) + caplog.text
    reference: Any = rows[0].document["api_keys"]
    ref = SecretRef("one", reference[0]["id"], reference[0]["masked"])
    assert await AwsSecrets("providers/", vault, HeldClock()).key(ref) == f"{PLANTED}-one"


async def test_a_seed_that_is_sown_is_not_looked_at_again(store: SqliteStore) -> None:
    vault = a_vault(document("one"))
    seed = a_seed(vault)
    await seed.sow(store)
    vault.asked.clear()
    assert await seed.sow(store) == 0
    assert vault.asked == []


async def test_providers_that_are_there_are_left_alone_with_one_warning_a_process(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    await store.put_provider(ProviderRow("own", document("own"), 1), None)
    await a_reload(HeldClock()).run(store)
    caplog.clear()
    vault = a_vault(document("one"))
    for _ in range(2):
        seed = a_seed(vault)
        for _ in range(2):
            assert await seed.sow(store) == 0
    assert await names(store) == ["own"]
    assert vault.asked == []
    warning = f"the seed in the secret {NAME} is ignored: there are providers"
    assert caplog.messages == [warning, warning]


async def test_an_empty_pool_that_was_published_is_filled_all_the_same(store: SqliteStore) -> None:
    await a_reload(HeldClock()).run(store)
    assert await a_seed(a_vault(document("one"))).sow(store) == 1


async def test_i10_a_broken_document_is_told_and_hides_no_other(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    vault = a_vault(document("one"), document("api"), document("two", api_keys=PLANTED))
    assert await a_seed(vault).sow(store) == 1
    assert await names(store) == ["one"]
    assert [message.partition(": ")[0] for message in caplog.messages] == [
        f"provider {position} of the seed is left out" for position in (1, 2)
    ]
    assert PLANTED not in caplog.text
    assert [name for name in vault.given if name.startswith("providers/api")] == []


@pytest.mark.parametrize("text", ["", "{}", f'"{PLANTED}"', f'["{PLANTED}"]', f"[{PLANTED}"])
async def test_i10_a_secret_without_documents_is_an_error_that_shows_nothing(
    store: SqliteStore, text: str
) -> None:
    seed = a_seed(HeldVault(**{NAME: text}))
    for _ in range(2):
        with pytest.raises(RowInvalid, match=rf"^secret {NAME}: expected a JSON array") as raised:
            await seed.sow(store)
        assert PLANTED not in str(raised.value)


async def test_a_secret_that_is_empty_or_missing_is_an_error(store: SqliteStore) -> None:
    with pytest.raises(SecretUnavailable, match="expected providers, found no text"):
        await a_seed(HeldVault()).sow(store)


async def test_a_seed_that_is_mended_is_sown(store: SqliteStore) -> None:
    vault = a_vault(document("api"))
    seed = a_seed(vault)
    assert await seed.sow(store) == 0
    vault.given[NAME] = json.dumps([document("one")])
    assert await seed.sow(store) == 1


async def test_keys_are_stored_before_any_row(store: SqliteStore) -> None:
    vault = a_vault(document("one"), document("two"))
    vault.fault, vault.failing = SecretUnavailable("broken by the test"), {"put"}
    with pytest.raises(SecretUnavailable):
        await a_seed(vault).sow(store)
    assert await names(store) == []


@pytest.mark.parametrize("is_same_process", [True, False])
async def test_a_seed_that_was_half_sown_is_finished(
    store: SqliteStore, *, is_same_process: bool
) -> None:
    vault = a_vault(document("one"), document("two"))
    seed = a_seed(vault)
    broken = Breaking(store, "put_provider", when=lambda row, _: row.name == "two")
    with pytest.raises(LedgerFault):
        await seed.sow(broken)
    assert await names(store) == ["one"]
    if is_same_process:
        await a_reload(HeldClock()).run(store)
    assert await (seed if is_same_process else a_seed(vault)).sow(store) == 1
    assert await names(store) == ["one", "two"]
    assert [row.version for row in await store.provider_rows()] == [1, 1]


async def test_two_at_the_same_time_write_each_row_once(store: SqliteStore) -> None:
    vault = a_vault(document("one"))
    others = a_seed(vault)

    async def first_the_other(row: ProviderRow, previous: int | None) -> None:
        await others.sow(store)
        await store.put_provider(row, previous)

    overtaken = Breaking(store, "none")
    overtaken.put_provider = first_the_other  # type: ignore[attr-defined]  # one verb of our own
    assert await a_seed(vault).sow(overtaken) == 0
    assert await names(store) == ["one"]
