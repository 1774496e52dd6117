"""The form of gateway keys, and their digest."""

from datetime import timedelta

import pytest

from aigateway.caller.keys import (
    digest,
    holds_key,
    is_key_of,
    key_from,
    key_id_of,
    new_secret,
)
from tests.builders import T0, a_key, a_user

GOOD = "aigw_0123456789abcdef_" + "A" * 43


def test_a_new_key_has_the_form_and_is_its_own() -> None:
    one, two = new_secret(), new_secret()
    assert key_id_of(one) == one.split("_", 2)[1]
    assert len(one) == 65
    assert one != two


def test_a_secret_part_may_hold_underscores() -> None:
    assert key_id_of("aigw_0123456789abcdef_" + "_" * 43) == "0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-ant-api03-x",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        GOOD.replace("abcdef", "ABCDEF"),
        GOOD.replace("0123", "٠١٢٣"),
        GOOD[:-1] + "=",
        GOOD.replace("aigw", "aigv"),
    ],
)
def test_no_other_text_is_a_gateway_key(text: str) -> None:
    assert key_id_of(text) is None
    with pytest.raises(ValueError, match="expected a key of the form"):
        key_from(text, "u", "n", T0, None)


@pytest.mark.parametrize("text", [GOOD, f"Bearer {GOOD}", f"Basic {GOOD} x", f"a={GOOD},b"])
def test_a_key_is_found_wherever_it_stands(text: str) -> None:
    assert holds_key(text)
    assert not holds_key(text.replace("aigw", "key"))


def test_i10_what_is_stored_holds_id_and_digest_but_no_secret() -> None:
    key = key_from(GOOD, "u-alice", "laptop", T0, None)
    assert (key.id, key.prefix) == ("0123456789abcdef", "aigw_0123456789abcdef")
    assert key.sha256 == digest(GOOD)
    assert "A" * 43 not in repr(key)


def test_only_the_whole_key_is_the_key() -> None:
    key = key_from(GOOD, "u", "n", T0, None)
    assert is_key_of(GOOD, key)
    assert not is_key_of(GOOD[:-1] + "B", key)
    assert not is_key_of("", key)


def test_a_key_is_valid_until_it_expires_or_is_revoked() -> None:
    key = key_from(GOOD, "u", "n", T0, T0 + timedelta(days=1))
    assert key.is_valid(T0 + timedelta(days=1) - timedelta(microseconds=1))
    assert not key.is_valid(T0 + timedelta(days=1))
    assert key_from(GOOD, "u", "n", T0, None).is_valid(T0 + timedelta(days=9999))
    revoked = a_key(a_user())
    assert revoked.is_valid(T0)


def test_what_is_stored_of_a_key_is_all_but_the_key() -> None:
    until = T0 + timedelta(days=1)
    key = key_from(GOOD, "user-1", "laptop", T0, until)
    assert (key.id, key.user_id, key.name) == ("0123456789abcdef", "user-1", "laptop")
    assert (key.created_at, key.expires_at, key.revoked_at) == (T0, until, None)
    assert (key.prefix, key.sha256) == ("aigw_0123456789abcdef", digest(GOOD))
