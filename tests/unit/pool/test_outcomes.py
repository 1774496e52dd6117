"""How each provider came out, and what is published of it."""

from typing import Any

import pytest

from aigateway.errors import SecretStoreUnavailable
from aigateway.pool.outcomes import Outcome, members_of, outcomes_in, outcomes_of
from aigateway.pool.providers import ProviderRow
from tests.reloads import HeldKeys


def row(name: str = "main", **members: Any) -> ProviderRow:  # noqa: ANN401 - a row's members
    keys = [{"id": "k1", "masked": "sk-a...1111"}, {"id": "k2", "masked": "sk-a...2222"}]
    document = {"type": "anthropic", "base_url": "https://h.example", "api_keys": keys}
    return ProviderRow(name, document | members, 1)


async def outcome(given: ProviderRow, keys: HeldKeys | None = None, **more: bool) -> Outcome:
    found = await outcomes_of(
        [given], keys or HeldKeys(), allow_byok=more.get("allow_byok", True), allowed=()
    )
    return found[given.name]


async def test_a_provider_with_all_its_keys_is_enabled() -> None:
    keys = HeldKeys()
    assert await outcome(row(), keys) == Outcome("enabled")
    assert keys.asked == ["main/k1", "main/k2"]


async def test_a_missing_key_is_named_by_its_mask() -> None:
    found = await outcome(row(), HeldKeys("main"))
    assert found == Outcome("error", "api_keys: the key sk-a...1111 cannot be read")


async def test_of_several_keys_one_that_cannot_be_read_is_a_warning() -> None:
    reason = "api_keys: the key sk-a...2222 cannot be read"
    assert await outcome(row(), HeldKeys("main/k2")) == Outcome("enabled", warnings=(reason,))


async def test_what_is_switched_off_is_disabled_and_its_keys_are_not_read() -> None:
    keys = HeldKeys("main")
    assert await outcome(row(enabled=False), keys) == Outcome("disabled")
    assert keys.asked == []


async def test_what_is_wrong_with_a_provider_that_is_switched_off_is_a_warning() -> None:
    found = await outcome(row(enabled=False, type="?"))
    assert found.status == "disabled"
    assert found.warnings[0].startswith("type: ")


async def test_a_provider_without_keys_is_for_those_who_bring_one() -> None:
    found = await outcome(row(api_keys=[]))
    assert found.status == "enabled"
    assert found.warnings[0].startswith("api_keys: ")
    assert (await outcome(row(api_keys=[]), allow_byok=False)).status == "error"


@pytest.mark.parametrize("kind", ["copilot", "openai-compat"])
async def test_a_type_that_needs_no_key_is_not_warned_of(kind: str) -> None:
    assert await outcome(row(type=kind, api_keys=[])) == Outcome("enabled")


@pytest.mark.parametrize("kind", ["bedrock", "anthropic"])
async def test_a_pair_of_aws_keys_is_looked_for_like_any_key(kind: str) -> None:
    settings = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
    reference = {"credentials_ref": {"id": "aws", "masked": "AKIA...0000"}}
    assert await outcome(row(type=kind, api_keys=[], settings=settings)) == Outcome("enabled")
    pair, keys = row(type=kind, api_keys=[], settings=settings | reference), HeldKeys()
    assert await outcome(pair, keys) == Outcome("enabled")
    assert keys.asked == ["main/aws"]
    reason = "settings.credentials_ref: the key AKIA...0000 cannot be read"
    assert await outcome(pair, HeldKeys("main")) == Outcome("error", reason)


async def test_a_row_counts_under_the_name_that_it_is_stored_by() -> None:
    another = ProviderRow("main", {**row().document, "name": "another"}, 1)
    assert await outcome(another) == Outcome("enabled")
    assert (await outcome(row("no name!"))).status == "error"


async def test_a_silent_store_of_keys_says_nothing_of_any_provider() -> None:
    keys = HeldKeys()
    keys.fault = SecretStoreUnavailable("silent")
    with pytest.raises(SecretStoreUnavailable):
        await outcomes_of([row()], keys, allow_byok=True, allowed=())


def test_the_published_form_is_read_back() -> None:
    outcomes = {
        "a": Outcome("enabled", warnings=("w1", "w2")),
        "b": Outcome("error", "reason"),
        "c": Outcome("disabled"),
    }
    published = members_of(outcomes)
    assert published == {
        "a": {"status": "enabled", "warnings": ["w1", "w2"]},
        "b": {"status": "error", "reason": "reason"},
        "c": {"status": "disabled"},
    }
    assert outcomes_in(published) == outcomes


@pytest.mark.parametrize(
    "published", [None, 7, [], {"a": None}, {"a": {}}, {"a": {"status": "new"}}, {"a": ["error"]}]
)
def test_what_another_release_published_and_nobody_here_knows_is_left_out(
    published: object,
) -> None:
    assert outcomes_in(published) == {}
