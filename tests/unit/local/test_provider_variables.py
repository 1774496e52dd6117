"""Providers that a start finds in its environment, in three forms of which one counts."""

import json

import pytest

from aigateway.errors import SettingsError
from aigateway.pool.documents import split
from aigateway.settings import is_local_only
from local.provider_variables import MEMBERS, OLDEST, Named, named_providers

PREFIXES = ("AIGW_", "CODER_AI_GATEWAY_", "CODER_AIBRIDGE_")
PLANTED = "sk-planted-0123456789"


def named(**variables: str) -> Named:
    found = named_providers(variables)
    assert found is not None
    return found


def problems(**variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        named_providers(variables)
    assert "planted" not in str(raised.value)
    return raised.value.problems


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AIGW_PROVIDERS_JSON": " "},
        {"AIGW_X": "1"},
        {"ANTHROPIC_API_KEY": "k", "OPENAI_KEY": "k"},
    ],
)
def test_keys_that_are_meant_for_others_name_no_provider(
    environment: dict[str, str],
) -> None:
    assert named_providers(environment) is None


@pytest.mark.parametrize("prefix", PREFIXES)
def test_providers_are_numbered_from_0_on(prefix: str) -> None:
    found = named(**{
        f"{prefix}PROVIDER_0_TYPE": "anthropic",
        f"{prefix}PROVIDER_0_KEY": PLANTED,
        f"{prefix}PROVIDER_1_TYPE": "openai",
        f"{prefix}PROVIDER_1_NAME": "second",
        f"{prefix}PROVIDER_1_KEYS": "k1, k2",
        f"{prefix}PROVIDER_1_BASE_URL": "https://h.example/v1",
    })  # fmt: skip
    assert found.documents == (
        {"name": "anthropic", "type": "anthropic", "api_keys": [PLANTED]},
        {"name": "second", "type": "openai", "api_keys": ["k1", "k2"],
         "base_url": "https://h.example/v1"},
    )  # fmt: skip
    assert found.places == (f"{prefix}PROVIDER_0", f"{prefix}PROVIDER_1")


def test_of_several_prefixes_the_first_counts() -> None:
    kinds = zip(PREFIXES, ("openai", "azure", "google"), strict=True)
    types = {f"{prefix}PROVIDER_0_TYPE": kind for prefix, kind in kinds}
    assert named(**types).documents[0]["type"] == "openai"


def test_bedrock_has_settings_and_its_pair_becomes_a_secret() -> None:
    found = named(
        AIGW_PROVIDER_0_TYPE="bedrock",
        AIGW_PROVIDER_0_NAME="aws",
        AIGW_PROVIDER_0_BEDROCK_REGION="us-east-1",
        AIGW_PROVIDER_0_BEDROCK_BASE_URL="https://bedrock.example",
        AIGW_PROVIDER_0_BEDROCK_ACCESS_KEY="AKIAINVENTED00000000",
        AIGW_PROVIDER_0_BEDROCK_ACCESS_KEY_SECRET=PLANTED,
    )
    parted = split(found.documents, ())
    assert parted.faults == ()
    (row,) = parted.rows
    assert row["settings"]["credentials_ref"]["masked"] == "AKIA...0000"
    assert PLANTED not in json.dumps(row)
    assert [json.loads(text)["access_key_secret"] for text in parted.keys.values()] == [PLANTED]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_oldest_form_names_up_to_one_provider_of_each_type(prefix: str) -> None:
    found = named(**{
        f"{prefix}ANTHROPIC_KEY": "k1",
        f"{prefix}OPENAI_KEY": "k2",
        f"{prefix}OPENAI_BASE_URL": "https://h.example/v1",
        f"{prefix}BEDROCK_REGION": "us-east-1",
    })  # fmt: skip
    assert found.documents == (
        {"name": "openai", "type": "openai", "api_keys": ["k2"], "base_url": "https://h.example/v1"},
        {"name": "anthropic", "type": "anthropic", "api_keys": ["k1"]},
        {"name": "bedrock", "type": "bedrock",
         "settings": {"_type": "bedrock", "_version": 1, "region": "us-east-1"}},
    )  # fmt: skip


def test_what_is_wrong_is_told_all_at_once_and_by_names_only() -> None:
    assert problems(
        AIGW_PROVIDER_0_TYPE="openai",
        AIGW_PROVIDER_0_KEY=PLANTED,
        AIGW_PROVIDER_0_KEYS=PLANTED,
        AIGW_PROVIDER_0_COLOUR=PLANTED,
        AIGW_PROVIDER_2_KEY=PLANTED,
    ) == (
        "AIGW_PROVIDER_0_COLOUR: no such member of a provider",
        "AIGW_PROVIDER_0_KEY and AIGW_PROVIDER_0_KEYS: expected one of them",
        "AIGW_PROVIDER_2: there is no number 1 before it",
        "AIGW_PROVIDER_2_TYPE: is missing",
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"AIGW_PROVIDERS_JSON": "[]", "AIGW_PROVIDER_0_TYPE": PLANTED},
        {"AIGW_PROVIDERS_JSON": "[]", "CODER_AIBRIDGE_OPENAI_KEY": PLANTED},
        {"AIGW_PROVIDER_0_TYPE": "openai", "AIGW_ANTHROPIC_KEY": PLANTED},
    ],
)
def test_one_form_at_a_time(variables: dict[str, str]) -> None:
    (problem,) = problems(**variables)
    assert problem.endswith("providers are named in more than one form")
    assert all(name in problem for name in variables)


def test_json_is_an_array_of_documents() -> None:
    found = named(AIGW_PROVIDERS_JSON='[{"name":"a"},{"name":"b"}]')
    assert found == Named(({"name": "a"}, {"name": "b"}),
                          ("AIGW_PROVIDERS_JSON[0]", "AIGW_PROVIDERS_JSON[1]"))  # fmt: skip
    assert problems(AIGW_PROVIDERS_JSON=PLANTED) == ("AIGW_PROVIDERS_JSON: expected a JSON array",)


def test_every_member_of_both_forms_is_known_to_the_settings() -> None:
    """They may hold secrets: no process of the product is given one."""
    names = [f"PROVIDER_7_{member}" for member in MEMBERS]
    names += [name for group in OLDEST.values() for name in group]
    assert all(is_local_only(prefix + name) for prefix in PREFIXES for name in names)
    assert not is_local_only("AIGW_TABLE")
