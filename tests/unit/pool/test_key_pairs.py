"""Settings of a provider: two AWS keys become one secret, and an external id is made once."""

import json
from typing import Any

import pytest

from aigateway.errors import RowInvalid
from aigateway.pool.key_lists import random_id
from aigateway.pool.key_pairs import Settled, keeping_external_id, references, settled
from aigateway.pool.providers import SecretRef

ROLE = "arn:aws:iam::123456789012:role/bedrock"
PLANTED = "planted0123456789planted"
PAIR = {"access_key": "AKIAINVENTED00000000", "access_key_secret": PLANTED}


def settings(**members: object) -> dict[str, Any]:
    return {"_type": "bedrock", "_version": 1, "region": "us-east-1", **members}


def made(given: object, held: dict[str, Any] | None = None) -> Settled:
    return settled("aws", given, held, random_id)


def test_i10_a_pair_becomes_one_secret_and_its_reference() -> None:
    found = made(settings(**PAIR))
    ((ref, text),) = found.fresh.items()
    assert json.loads(text) == PAIR
    assert " " not in text
    assert found.settings == settings(credentials_ref={"id": ref.key_id, "masked": "AKIA...0000"})
    assert PLANTED not in repr(found)
    assert references("aws", {"settings": found.settings}) == {ref}


def test_a_pair_stays_where_none_is_given_and_goes_where_it_is_emptied() -> None:
    held: Any = made(settings(**PAIR)).settings
    (ref,) = references("aws", {"settings": held})
    assert made(settings(model="m"), held) == Settled({**held, "model": "m"})
    assert made(held, held) == Settled(held)
    assert made(settings(access_key="", access_key_secret=""), held) == Settled(
        settings(), removed=(ref,)
    )
    assert made(None, held) == Settled(None, removed=(ref,))


def test_another_pair_takes_the_place_of_the_first() -> None:
    held: Any = made(settings(**PAIR)).settings
    found = made(settings(**PAIR | {"access_key": "AKIAINVENTED00000001"}), held)
    assert found.removed == tuple(references("aws", {"settings": held}))
    assert found.fresh.keys().isdisjoint(found.removed)


def test_the_external_id_is_made_with_the_first_role_and_stays() -> None:
    first: Any = made(settings(role_arn=ROLE)).settings
    assert len(first["external_id"]) == 36
    assert made(settings(role_arn=f"{ROLE}2"), first).settings == first | {"role_arn": f"{ROLE}2"}
    without: Any = made(settings(), first).settings
    assert without["external_id"] == first["external_id"]
    assert "external_id" not in (made(settings()).settings or {})
    other: Any = made(settings(role_arn=ROLE)).settings
    assert other["external_id"] != first["external_id"]


def test_a_row_that_is_made_anew_keeps_the_external_id() -> None:
    old, new = ({"settings": made(settings(role_arn=ROLE)).settings} for _ in range(2))
    assert keeping_external_id(new, old) == old
    assert keeping_external_id({"name": "x"}, old) == {"name": "x"}
    assert keeping_external_id(new, {"name": "x"}) == new


@pytest.mark.parametrize(
    "given",
    [
        "planted",
        settings(access_key="AKIAINVENTED00000000"),
        settings(access_key_secret=PLANTED),
        settings(access_key="", access_key_secret=PLANTED),
        settings(access_key="AKIA 1", access_key_secret=PLANTED),
        settings(access_key=1, access_key_secret=PLANTED),
        settings(secret_access_key=PLANTED),
        settings(external_id="mine"),
        settings(credentials_ref={"id": "1", "masked": "..."}),
        {"_type": "openai", "_version": 1, **PAIR},
    ],
)
def test_what_cannot_be_taken_is_refused_and_not_shown(given: object) -> None:
    with pytest.raises(RowInvalid, match=r"^settings[.:]") as raised:
        made(given)
    assert "planted" not in str(raised.value)


def test_settings_of_another_kind_do_not_keep_a_pair() -> None:
    held: Any = made(settings(**PAIR)).settings
    with pytest.raises(RowInvalid):
        made({"_type": "openai", "_version": 1}, held)


def test_a_row_refers_to_its_keys_and_its_pair() -> None:
    row = {
        "api_keys": [{"id": "1", "masked": "a...b"}],
        "settings": {"credentials_ref": {"id": "2", "masked": "c...d"}},
    }
    assert references("x", row) == {SecretRef("x", "1", "a...b"), SecretRef("x", "2", "c...d")}
    assert references("x", {}) == set()
