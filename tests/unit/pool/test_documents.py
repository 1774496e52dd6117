"""Provider documents with keys in clear, split into rows and keys."""

import json
from ipaddress import ip_network
from typing import Any

import pytest

from aigateway.errors import RowInvalid
from aigateway.pool.documents import documents_from, split
from aigateway.pool.providers import SecretRef

LOOPBACK = (ip_network("127.0.0.0/8"),)


def document(name: str = "mine", **members: object) -> dict[str, Any]:
    plain = {"name": name, "type": "anthropic", "api_keys": ["k1"]}
    return plain | members


def test_i10_a_row_holds_references_and_everything_else_as_it_was() -> None:
    keys = ["sk-ant-planted-0123456789", {"api_key": "sk-ant-planted-9876543210"}]
    found = split([document(api_keys=keys, inject_usage=True)], ())
    (row,) = found.rows
    assert "planted" not in json.dumps(row) + repr(found)
    assert dict(row) | {"api_keys": None} == document(
        api_keys=None, inject_usage=True, enabled=True
    )
    refs = [SecretRef("mine", each["id"], each["masked"]) for each in row["api_keys"]]
    assert found.keys == {refs[0]: keys[0], refs[1]: "sk-ant-planted-9876543210"}
    assert refs[0].mask == "sk-a...6789"


def test_equal_keys_give_equal_rows_and_other_keys_other_ones() -> None:
    rows = [split([document(api_keys=[key])], ()).rows for key in ("k1", "k1", "k2")]
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize("keys", [None, []])
def test_a_provider_may_have_no_key(keys: object) -> None:
    found = split([document(api_keys=keys)], ())
    assert (found.rows[0]["api_keys"], found.keys, found.faults) == ([], {}, ())


BROKEN = {
    "a reserved name": document("api"),
    "an unknown type": document(type="unheard-of"),
    "no list": document(api_keys="sk-planted"),
    "a key twice": document(api_keys=["sk-planted", "sk-planted"]),
    "a blank at the beginning": document(api_keys=[" sk-planted"]),
    "a line end within": document(api_keys=["sk-\nplanted"]),
    "an empty key": document(api_keys=[""]),
    "no text": document(api_keys=[{"id": "sk-planted"}]),
    "six keys": document(api_keys=["k1", "k2", "k3", "k4", "k5", "k6"]),
    "plain http": document(base_url="http://h.example"),
    "a key where none is used": document(type="copilot"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_i10_a_broken_document_hides_no_other_and_its_keys_are_left_out(what: str) -> None:
    good = document("good"), document("better", base_url="http://127.0.0.1:1", api_keys=["k2"])
    found = split([good[0], BROKEN[what], good[1]], LOOPBACK)
    assert [row["name"] for row in found.rows] == ["good", "better"]
    assert sorted(found.keys.values()) == ["k1", "k2"]
    ((position, reason),) = found.faults
    assert position == 1
    assert "planted" not in reason


def test_of_two_of_one_name_the_first_counts() -> None:
    found = split([document(api_keys=["k1"]), document(api_keys=["k2"])], ())
    assert list(found.keys.values()) == ["k1"]
    assert found.faults == ((1, "name: is given twice"),)


def test_documents_are_read_from_an_array_of_objects() -> None:
    assert documents_from('[{"name": "mine"}]') == [{"name": "mine"}]


@pytest.mark.parametrize("text", ["", "{", "{}", "5", '["planted"]', "[[]]", "[" * 100_000])
def test_i10_anything_else_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(RowInvalid, match=r"^expected a JSON array") as raised:
        documents_from(text)
    assert "planted" not in str(raised.value)
