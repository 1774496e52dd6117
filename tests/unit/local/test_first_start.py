"""What a start on this machine prepares."""

import json
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from aigateway.caller.identity import caller_of
from aigateway.caller.keys import key_id_of, new_secret
from aigateway.errors import InvalidKey, SettingsError
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow, SecretRef
from aigateway.pool.secrets import FileSecrets
from local.first_start import first_key, put_providers, wanted_providers
from local.provider_variables import Named
from tests.builders import T0
from tests.clocks import HeldClock

LOOPBACK = (ip_network("127.0.0.0/8"),)
CLOCK = HeldClock()


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


async def role_of(store: SqliteStore, secret: str) -> str:
    return caller_of(secret, await store.key(key_id_of(secret) or ""), T0).role


async def test_the_first_key_is_made_once_and_kept_where_only_its_owner_reads(
    store: SqliteStore, tmp_path: Path
) -> None:
    secret = await first_key(store, tmp_path, None, CLOCK)
    assert await first_key(store, tmp_path, None, CLOCK) == secret
    assert await role_of(store, secret) == "admin"
    kept = tmp_path / "admin.key"
    assert kept.read_text() == secret + "\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    (key,) = await store.keys()
    assert key.expires_at is None


async def test_a_wanted_key_replaces_the_kept_one_and_stays_for_later_starts(
    store: SqliteStore, tmp_path: Path
) -> None:
    old = await first_key(store, tmp_path, None, CLOCK)
    wanted = new_secret()
    assert await first_key(store, tmp_path, wanted, CLOCK) == wanted
    assert await role_of(store, wanted) == "admin"
    with pytest.raises(InvalidKey):
        await role_of(store, old)
    assert await first_key(store, tmp_path, None, CLOCK) == wanted
    assert await first_key(store, tmp_path, old, CLOCK) == old
    assert await role_of(store, old) == "admin"


async def test_a_wanted_key_may_keep_the_id_and_change_the_secret(
    store: SqliteStore, tmp_path: Path
) -> None:
    old = await first_key(store, tmp_path, None, CLOCK)
    wanted = old[:-43] + new_secret()[-43:]
    assert await first_key(store, tmp_path, wanted, CLOCK) == wanted
    assert await role_of(store, wanted) == "admin"
    with pytest.raises(InvalidKey):
        await role_of(store, old)


async def test_a_kept_key_that_was_revoked_is_not_brought_back(
    store: SqliteStore, tmp_path: Path
) -> None:
    old = await first_key(store, tmp_path, None, CLOCK)
    (key,) = await store.keys()
    await store.put_key(replace(key, revoked_at=T0))
    fresh = await first_key(store, tmp_path, None, CLOCK)
    assert fresh != old
    assert await role_of(store, fresh) == "admin"
    with pytest.raises(InvalidKey):
        await role_of(store, old)


async def test_a_kept_key_works_in_a_new_store(store: SqliteStore, tmp_path: Path) -> None:
    secret = new_secret()
    (tmp_path / "admin.key").touch(mode=0o600)
    (tmp_path / "admin.key").write_text(secret)
    assert await first_key(store, tmp_path, None, CLOCK) == secret
    assert await role_of(store, secret) == "admin"


async def test_a_file_that_holds_no_key_is_replaced(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("something else")
    secret = await first_key(store, tmp_path, None, CLOCK)
    assert await role_of(store, secret) == "admin"


def named(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in wanted_providers(environment, 4182).documents}


def test_without_any_variable_both_providers_are_the_scripted_one() -> None:
    found = named({})
    assert found["anthropic"]["base_url"] == "http://127.0.0.1:4182"
    assert found["openai"]["base_url"] == "http://127.0.0.1:4182/v1"
    assert found["openai"]["api_keys"] == ["scripted-openai-key"]


def test_a_key_of_a_real_service_points_that_provider_at_it() -> None:
    found = named({"ANTHROPIC_API_KEY": "sk-ant-invented"})
    assert found["anthropic"]["base_url"] == "https://api.anthropic.com"
    assert found["anthropic"]["api_keys"] == ["sk-ant-invented"]
    assert found["openai"]["base_url"] == "http://127.0.0.1:4182/v1"
    assert named({"OPENAI_API_KEY": "sk-x"})["openai"]["base_url"] == "https://api.openai.com/v1"


@pytest.mark.parametrize("value", ["", " ", "aigw_0123456789abcdef_" + "A" * 43])
def test_a_gateway_key_in_that_variable_is_no_key_of_the_service(value: str) -> None:
    assert named({"ANTHROPIC_API_KEY": value}) == named({})


def test_given_providers_take_the_place_of_both() -> None:
    given = [{"name": "mine", "type": "openai", "api_keys": ["k"]}]
    environment = {"AIGW_PROVIDERS_JSON": json.dumps(given), "OPENAI_API_KEY": "sk-x"}
    assert list(wanted_providers(environment, 4182).documents) == given


@pytest.mark.parametrize("text", ["{", "{}", "5", '["planted"]', "[[]]"])
def test_given_providers_are_an_array_of_objects(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^AIGW_PROVIDERS_JSON: expected") as raised:
        wanted_providers({"AIGW_PROVIDERS_JSON": text}, 4182)
    assert "planted" not in str(raised.value)


def document(name: str = "mine", **members: object) -> dict[str, Any]:
    plain = {
        "name": name,
        "type": "anthropic",
        "base_url": "http://127.0.0.1:1",
        "api_keys": ["k1"],
    }
    return plain | members


async def put(store: SqliteStore, tmp_path: Path, *documents: dict[str, Any]) -> FileSecrets:
    secrets = FileSecrets(tmp_path / "secrets.json")
    places = tuple(f"AIGW_PROVIDERS_JSON[{n}]" for n in range(len(documents)))
    await put_providers(store, secrets, Named(documents, places), LOOPBACK, T0)
    return secrets


async def test_i10_rows_hold_references_and_the_file_holds_the_keys(
    store: SqliteStore, tmp_path: Path
) -> None:
    keys = ["sk-ant-planted-0123456789", {"api_key": "sk-ant-planted-9876543210"}]
    secrets = await put(store, tmp_path, document(api_keys=keys))
    (row,) = await store.provider_rows()
    assert "planted" not in json.dumps(row.document)
    stored: Any = row.document["api_keys"]
    refs = [SecretRef("mine", each["id"], each["masked"]) for each in stored]
    assert [await secrets.key(ref) for ref in refs] == [keys[0], keys[1]["api_key"]]  # type: ignore[index]  # the second form
    assert refs[0].mask == "sk-a...6789"


async def test_equal_starts_write_nothing_and_a_change_writes_one_row(
    store: SqliteStore, tmp_path: Path
) -> None:
    await put(store, tmp_path, document("a"), document("b"))
    await put(store, tmp_path, document("a"), document("b"))
    assert [row.version for row in await store.provider_rows()] == [1, 1]
    await put(store, tmp_path, document("b", api_keys=["k2"]))
    assert {row.name: row.version for row in await store.provider_rows()} == {"a": 1, "b": 2}


async def test_faults_of_all_documents_are_reported_at_once_and_nothing_is_written(
    store: SqliteStore, tmp_path: Path
) -> None:
    documents = [
        document(),
        document("api"),
        document("two", type="unheard-of"),
        document("three", api_keys="sk-planted"),
        document("four", api_keys=["sk-planted", "sk-planted"]),
        document("five", api_keys=[" sk-planted"]),
        document("six", api_keys=["k1", "k2", "k3", "k4", "k5", "k6"]),
        document("seven", base_url="http://h.example"),
        document(),
    ]
    with pytest.raises(SettingsError) as raised:
        await put(store, tmp_path, *documents)
    problems = raised.value.problems
    assert [problem.partition(": ")[0] for problem in problems] == [
        f"AIGW_PROVIDERS_JSON[{position}]" for position in range(1, 9)
    ]
    assert "planted" not in " ".join(problems)
    assert await store.provider_rows() == ()
    assert not (tmp_path / "secrets.json").exists()


async def test_a_row_that_is_overwritten_leaves_no_key_behind(
    store: SqliteStore, tmp_path: Path
) -> None:
    await put(store, tmp_path, document("a", api_keys=["k1", "k2"]))
    await put(store, tmp_path, document("a", api_keys=["k2"]))
    kept = json.loads((tmp_path / "secrets.json").read_text())
    assert list(kept.values()) == ["k2"]


async def test_the_external_id_of_a_role_survives_every_start(
    store: SqliteStore, tmp_path: Path
) -> None:
    settings = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
    settings |= {"role_arn": "arn:aws:iam::123456789012:role/x"}
    ids: list[Any] = []
    versions: list[int] = []
    for model in ("m1", "m1", "m2"):
        wanted = document("a", type="bedrock", api_keys=[], settings=settings | {"model": model})
        await put(store, tmp_path, wanted)
        (row,) = await store.provider_rows()
        kept: Any = row.document["settings"]
        ids.append(kept["external_id"])
        versions.append(row.version)
    assert (len(set(ids)), versions) == (1, [1, 1, 2])


async def test_a_deleted_provider_that_a_start_names_is_there_again(
    store: SqliteStore, tmp_path: Path
) -> None:
    await put(store, tmp_path, document("a"))
    gone = ProviderRow("a", {"name": "a", "deleted_at": "2026-11-24T12:00:00Z"}, 2)
    await store.put_provider(gone, 1)
    await put(store, tmp_path, document("a"))
    (row,) = await store.provider_rows()
    assert (row.version, "deleted_at" in row.document) == (3, False)
