"""What people write of a provider → a row, and what is wrong with it."""

from typing import Any

import pytest

from aigateway.pool.drafts import drafted
from aigateway.pool.stamps import provider_id, stamped, unstamped
from tests.builders import at

MINE = {"name": "mine", "type": "anthropic"}
BEDROCK = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}


def test_a_change_leaves_every_other_member_as_it_was() -> None:
    held = drafted(MINE | {"enabled": False, "icon": "i", "models_allow": ["a*"]}).document
    assert drafted({"enabled": True}, held).document == {**held, "enabled": True}


def test_an_empty_list_and_nothing_take_a_member_away() -> None:
    held = drafted(MINE | {"models_allow": ["a*"], "icon": "i"}).document
    changed = drafted({"models_allow": [], "icon": None}, held)
    assert changed.document == {**MINE, "api_keys": []}
    assert drafted({"models_allow": None}, held).document == {**MINE, "api_keys": [], "icon": "i"}


@pytest.mark.parametrize(
    ("kind", "settings", "member"),
    [
        ("openai", BEDROCK, "settings"),
        ("bedrock", None, "settings"),
        ("bedrock", {"_type": "openai", "_version": 1}, "settings"),
        ("anthropic", BEDROCK, None),
        ("bedrock", BEDROCK, None),
    ],
)
def test_settings_of_bedrock_belong_to_its_types(
    kind: str, settings: object, member: str | None
) -> None:
    found = drafted({"name": "mine", "type": kind, "settings": settings})
    assert list(found.faults) == ([member] if member else [])


@pytest.mark.parametrize("text", [7, "a\nb", "\x00", "x" * 129])
def test_a_label_is_one_short_line(text: object) -> None:
    assert set(drafted(MINE | {"display_name": text}).faults) == {"display_name"}


@pytest.mark.parametrize("value", ["a*", {}, [1], [["a"]]])
def test_members_have_their_own_shapes(value: object) -> None:
    lists = ("models_allow", "extra_passthrough", "api_key_refs")
    assert set(drafted(MINE | dict.fromkeys(lists, value)).faults) == set(lists)
    assert set(drafted(MINE | {"base_url": [value]}).faults) == {"base_url"}
    found = drafted(MINE | {"circuit_breaker": [value]}).faults
    assert found == {"circuit_breaker": "expected an object"}


def test_what_a_row_says_of_itself_is_no_wish() -> None:
    given = {"id": "1", "status": {}, "created_at": "", "updated_at": "", "colour": "red"}
    draft = drafted(MINE | given)
    assert set(draft.faults) == set(given)
    assert draft.document == {**MINE, "api_keys": []}


def test_a_row_knows_when_it_and_its_keys_were_made() -> None:
    first = stamped(drafted(MINE | {"api_keys": ["k1"]}).document, None, at(0))
    wanted = drafted({"api_keys": [{"id": first["api_keys"][0]["id"]}, "k2"]}, first)
    second = stamped(wanted.document, first, at(60))
    assert (second["id"], second["created_at"]) == (first["id"], first["created_at"])
    assert first["updated_at"] == first["created_at"] == "2026-11-24T12:00:00.000000Z"
    assert second["updated_at"] == "2026-11-24T12:01:00.000000Z"
    assert [key["created_at"] for key in second["api_keys"]] == [
        first["created_at"], second["updated_at"],
    ]  # fmt: skip


def test_equal_wishes_are_equal_without_their_stamps() -> None:
    row = drafted(MINE | {"api_keys": ["k1"]}).document
    stamps: list[dict[str, Any]] = [stamped(row, None, at(n)) for n in range(2)]
    assert stamps[0] != stamps[1]
    assert unstamped(stamps[0]) == unstamped(stamps[1]) == row


def test_an_old_row_without_an_id_has_the_same_one_every_time() -> None:
    assert provider_id("mine", {}) == provider_id("mine", {}) != provider_id("other", {})
    assert stamped(MINE, MINE, at(0))["id"] == provider_id("mine", MINE)
