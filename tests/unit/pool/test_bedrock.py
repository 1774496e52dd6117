"""Bedrock's settings, addresses, models and session names."""

from typing import Any

import pytest

from aigateway.errors import RowInvalid
from aigateway.pool.bedrock import (
    DEFAULT_MODEL,
    DEFAULT_SMALL_FAST_MODEL,
    BedrockSettings,
    invocation_path,
    session_name_of,
    settings_from,
)

PLAIN = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
ROLE = "arn:aws:iam::000000000000:role/path/bedrock"


def built(**settings: Any) -> BedrockSettings:  # noqa: ANN401 - a document's members
    found = settings_from({"settings": PLAIN | settings})
    assert found is not None
    return found


def test_without_settings_there_are_none() -> None:
    assert settings_from({}) is None
    assert settings_from({"settings": None}) is None


def test_what_is_left_out_has_a_default() -> None:
    found = built(model="", role_arn=None)
    assert (found.protocol, found.service) == ("invoke-model", "bedrock")
    assert (found.model, found.small_fast_model) == (DEFAULT_MODEL, DEFAULT_SMALL_FAST_MODEL)
    assert (found.role_arn, found.external_id, found.credential_hint) == (None, None, "role")
    assert found.default_base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"


def test_everything_that_is_given_is_taken() -> None:
    found = built(
        region="us-gov-west-1",
        protocol="mantle",
        model="arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.m-v1:0",
        role_arn=ROLE,
        external_id="aigw/1",
        credentials_ref={"id": "k1", "masked": "AK...99"},
        unheard_of=1,
    )
    assert found.service == "bedrock-mantle"
    assert found.default_base_url == "https://bedrock-mantle.us-gov-west-1.api.aws"
    assert (found.role_arn, found.external_id) == (ROLE, "aigw/1")
    assert (found.credentials_id, found.credential_hint) == ("k1", "AK...99")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("_version", 2),
        ("_version", True),
        ("_version", "1"),
        ("_version", None),
        ("region", None),
        ("region", "evil.example/"),
        ("region", "us-east-1.evil.example"),
        ("region", 1),
        ("protocol", "converse"),
        ("protocol", ["mantle"]),
        ("model", "../x"),
        ("model", "a b"),
        ("model", "a" * 2049),
        ("small_fast_model", 7),
        ("role_arn", "role"),
        ("role_arn", ROLE + "\n"),
        ("external_id", "x"),
        ("external_id", "a b"),
        ("credentials_ref", "planted"),
        ("credentials_ref", {"id": "k1"}),
    ],
)
def test_a_member_of_the_wrong_form_is_named_and_not_shown(member: str, value: object) -> None:
    with pytest.raises(RowInvalid) as raised:
        built(**{member: value})
    assert str(raised.value).startswith(f"settings.{member}: ")
    assert "planted" not in str(raised.value)


@pytest.mark.parametrize("settings", ["bedrock", []])
def test_settings_that_are_no_object_are_refused(settings: object) -> None:
    with pytest.raises(RowInvalid, match=r"^settings: expected an object"):
        settings_from({"settings": settings})


@pytest.mark.parametrize("settings", [{"_version": 1}, {"_type": "openai", "_version": 1}])
def test_settings_of_another_kind_are_none_of_bedrock(settings: object) -> None:
    assert settings_from({"settings": settings}) is None


@pytest.mark.parametrize(
    ("requested", "served"),
    [
        ("claude-sonnet-4-5", "big"),
        ("claude-haiku-4-5", "small"),
        ("anthropic/Claude-3-Haiku", "small"),
        ("unknown", "big"),
    ],
)
def test_invoke_model_serves_the_configured_models(requested: str, served: str) -> None:
    models = {"model": "big", "small_fast_model": "small"}
    assert built(**models).model_for(requested) == served
    assert built(protocol="mantle", **models).model_for(requested) == requested


def test_a_models_path_has_its_id_in_one_segment() -> None:
    arn = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.m-v1:0"
    assert invocation_path(arn, streaming=True) == (
        b"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A000000000000%3Ainference-profile%2Fus.m-v1%3A0"
        b"/invoke-with-response-stream"
    )
    assert invocation_path("m-v1:0", streaming=False) == b"/model/m-v1%3A0/invoke"


@pytest.mark.parametrize(
    ("username", "name"),
    [
        ("alice@example.com", "alice@example.com"),
        ("a" * 70, "a" * 64),
        ("a", "user-1"),
        ("", "user-1"),
        ("alice smith", "user-1"),
        ("\u00e9lise", "user-1"),
        ("alice\n", "user-1"),
    ],
)
def test_a_session_is_named_after_its_user_where_sts_allows_it(username: str, name: str) -> None:
    assert session_name_of(username, "user-1") == name
