"""Every fault of a provider document is found, not only the first."""

from typing import Any

import pytest

from aigateway.pool.checking import faults_of


def found(allow_byok: bool = True, **members: Any) -> set[str]:  # noqa: ANN401, FBT002 - members of a document
    document = {"name": "mine", "type": "anthropic", **members}
    return set(faults_of(document, allow_byok=allow_byok, allowed=()))


def test_a_good_document_has_no_fault() -> None:
    assert found() == set()


def test_every_member_at_fault_is_named_with_its_reason() -> None:
    document = {
        "name": "api",
        "type": "unheard-of",
        "base_url": "http://10.0.0.1",
        "enabled": "yes",
        "inject_usage": 1,
        "first_byte_timeout_s": 0,
        "idle_timeout_s": 9999,
        "api_keys": "k",
        "api_key_refs": ["arn"],
    }
    faults = faults_of(document, allow_byok=True, allowed=())
    assert faults.keys() == document.keys()
    assert faults["enabled"] == "expected true or false"


def test_a_member_that_is_missing_hides_no_other() -> None:
    assert found(allow_byok=False, base_url="ftp://x", idle_timeout_s=-1) == {
        "api_keys", "base_url", "idle_timeout_s",
    }  # fmt: skip
    assert found(type="azure", enabled=None) == {"base_url", "enabled"}
    assert found(name=None, type="azure", enabled=None) == {"name", "base_url", "enabled"}


@pytest.mark.parametrize("url", [None, "", "https://h.example"])
def test_a_type_that_is_unknown_makes_no_other_fault(url: str | None) -> None:
    assert found(type="unheard-of", base_url=url) == {"type"}


def test_keys_where_none_are_taken_are_one_fault() -> None:
    key = {"id": "1", "masked": "..."}
    assert found(type="copilot", api_keys=[key], enabled=3) == {"api_keys", "enabled"}


@pytest.mark.parametrize("arns", ["arn", [1], ["arn:aws:s3:::b"], ["x" * 9], None])
def test_references_to_secrets_are_arns_of_secrets(arns: object) -> None:
    assert found(api_key_refs=arns) == (set() if arns is None else {"api_key_refs"})


def test_a_secret_is_referred_to_once() -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mine-AbCdEf"
    assert found(api_key_refs=[arn]) == set()
    assert found(api_key_refs=[arn, arn]) == {"api_key_refs"}
    assert found(allow_byok=False, api_key_refs=[arn]) == set()
