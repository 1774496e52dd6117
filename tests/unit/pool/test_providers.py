"""From a stored row to a provider, each row on its own."""

from contextlib import suppress
from ipaddress import ip_network
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.addresses import literal_of, may_be_dialled
from aigateway.errors import RowInvalid
from aigateway.pool.base_url import BaseUrl, base_url_from
from aigateway.pool.providers import (
    PROVIDER_TYPES,
    RESERVED,
    Provider,
    RuntimeType,
    SecretRef,
    is_provider_name,
    provider_from,
    runtime_type,
)

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
KEY = {"id": "k1", "masked": "sk-a...wxyz"}


def built(allow_byok: bool = True, **document: Any) -> Provider:  # noqa: ANN401, FBT002 - a row's members
    plain = {"name": "main", "type": "anthropic", "api_keys": [KEY]}
    return provider_from(plain | document, allow_byok=allow_byok, allowed=LOOPBACK)


def reason(**document: Any) -> str:  # noqa: ANN401 - a row's members
    with pytest.raises(RowInvalid) as raised:
        built(**document)
    return str(raised.value)


@pytest.mark.parametrize("name", ["a", "openai", "my-azure-2", "0", "a" * 63])
def test_a_provider_name_is_words_joined_by_hyphens(name: str) -> None:
    assert is_provider_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "a_b", "-a", "a-", "a--b", "a b", "a\n", "a/b", "é", "a" * 64, *sorted(RESERVED)],
)
def test_any_other_name_is_refused(name: str) -> None:
    assert not is_provider_name(name)
    assert reason(name=name).startswith("name: ")


def test_every_type_belongs_to_one_family() -> None:
    families = {kind: runtime_type(kind) for kind in PROVIDER_TYPES}
    assert families["anthropic"] == families["bedrock"] == "anthropic"
    assert families["copilot"] == "copilot"
    others = set(PROVIDER_TYPES) - {"anthropic", "bedrock", "copilot"}
    assert {families[kind] for kind in others} == {"openai"}
    assert set(families.values()) == set(get_args(RuntimeType))


@pytest.mark.parametrize(
    ("url", "expected", "host"),
    [
        ("https://h.example", BaseUrl("https", "h.example", 443, ""), b"h.example"),
        ("https://h.example/", BaseUrl("https", "h.example", 443, ""), b"h.example"),
        ("https://H.example:843/x/", BaseUrl("https", "h.example", 843, "/x"), b"h.example:843"),
        ("http://127.0.0.1:4182/v1", BaseUrl("http", "127.0.0.1", 4182, "/v1"), b"127.0.0.1:4182"),
        ("http://[::1]:80", BaseUrl("http", "::1", 80, ""), b"[::1]"),
        ("http://localhost", BaseUrl("http", "localhost", 80, ""), b"localhost"),
    ],
)  # fmt: skip
def test_a_base_url_is_taken_apart(url: str, expected: BaseUrl, host: bytes) -> None:
    assert base_url_from(url, LOOPBACK) == expected
    assert expected.host_header == host


@pytest.mark.parametrize(
    "url",
    [
        "h.example",
        "//h.example",
        "ftp://h.example",
        "https://",
        "https://h.example:port",
        "https://h.example:99999",
        "https://user:pw@h.example",
        "https://@h.example",
        "https://h.example/?q=1",
        "https://h.example/#f",
        "https://h.example/a b",
        "https://h.example\n",
        " https://h.example",
        "https://hé.example",
        "https://h.example/é",
        "http://h.example",
        "http://1.1.1.1",
        "http://10.0.0.1",
        "https://10.0.0.1",
        "https://169.254.169.254/latest",
        "https://[fe80::1%25eth0]",
        "https://[fd00:ec2::254]",
    ],
)
def test_a_base_url_that_is_unsafe_or_no_url_is_refused(url: str) -> None:
    with pytest.raises(RowInvalid, match=r"^base_url: "):
        base_url_from(url, LOOPBACK)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1", "http://[::1]:1"])
def test_loopback_is_refused_where_nothing_allows_it(url: str) -> None:
    with pytest.raises(RowInvalid, match=r"^base_url: "):
        base_url_from(url, ())


@pytest.mark.parametrize(
    ("kind", "host"),
    [
        ("openai", "api.openai.com"),
        ("anthropic", "api.anthropic.com"),
        ("copilot", "api.individual.githubcopilot.com"),
    ],
)
def test_known_services_need_no_base_url(kind: str, host: str) -> None:
    assert built(type=kind, api_keys=[]).base_url.host == host


@pytest.mark.parametrize("kind", ["azure", "google", "openrouter", "openai-compat"])
def test_every_other_type_needs_one(kind: str) -> None:
    assert reason(type=kind, api_keys=[]) == f"base_url: a provider of type {kind} needs one"


def test_a_row_becomes_a_provider_with_references_instead_of_keys() -> None:
    provider = built(first_byte_timeout_s=30, idle_timeout_s=1.5, unheard_of=1)
    assert provider.credentials == (SecretRef("main", "k1", "sk-a...wxyz"),)
    assert (provider.first_byte_seconds, provider.idle_seconds) == (30, 1.5)
    assert provider.enabled
    assert provider.inject_usage
    assert not built(inject_usage=False).inject_usage


@pytest.mark.parametrize("value", [0, -1, 3601, "30", True, float("nan")])
def test_a_time_limit_out_of_bounds_is_refused(value: object) -> None:
    assert reason(idle_timeout_s=value).startswith("idle_timeout_s: ")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", "unheard-of"),
        ("type", ["anthropic"]),
        ("name", None),
        ("base_url", 5),
        ("enabled", "no"),
        ("inject_usage", 1),
        ("api_keys", "sk-planted"),
        ("api_keys", ["sk-planted"]),
        ("api_keys", [{"id": "k"}]),
        ("api_keys", [{"id": 1, "masked": "m"}]),
    ],
)
def test_a_member_of_the_wrong_form_is_named_and_not_shown(member: str, value: object) -> None:
    found = reason(**{member: value})
    assert found.startswith(f"{member}: ")
    assert "planted" not in found


@pytest.mark.parametrize("kind", ["bedrock", "copilot"])
def test_types_that_use_no_key_of_the_deployment_take_none(kind: str) -> None:
    settings = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
    found = reason(
        type=kind, base_url="https://h.example", settings=settings if kind == "bedrock" else None
    )
    assert found == f"api_keys: a provider of type {kind} takes none"


def test_the_chatgpt_plan_is_an_openai_named_so_and_takes_no_key() -> None:
    plan = built(name="chatgpt", type="openai", api_keys=[])
    assert plan.base_url == BaseUrl("https", "chatgpt.com", 443, "/backend-api/codex")
    assert plan.needs_own_key
    assert reason(name="chatgpt", type="openai").startswith("api_keys: the ChatGPT plan")
    url = "https://chatgpt.com/backend-api/codex"
    assert reason(name="plan", type="openai", base_url=url).startswith("name: ")
    assert reason(name="chatgpt", type="google", base_url=url).startswith("name: ")
    elsewhere = built(name="chatgpt", type="openai", base_url="http://127.0.0.1", api_keys=None)
    assert elsewhere.base_url.host == "127.0.0.1"


def test_only_providers_that_can_be_used_without_a_key_need_none_of_the_callers() -> None:
    assert built(api_keys=[]).needs_own_key
    assert built(type="copilot", api_keys=[]).needs_own_key
    assert not built().needs_own_key
    compatible = built(type="openai-compat", base_url="https://h.example", api_keys=[])
    assert not compatible.needs_own_key


def test_a_provider_may_be_limited_to_some_models() -> None:
    assert built().models_allow is None
    assert built(models_allow=None).models_allow is None
    assert built(models_allow=["claude-*", "?"]).models_allow == ("claude-*", "?")


def test_further_paths_and_the_tenant_are_read() -> None:
    settings = {"_type": "anthropic", "_version": 1, "workspace": "wrkspc_1"}
    made = built(extra_passthrough=["/v1/files/*"], settings=settings)
    assert made.extra_passthrough == ("/v1/files/*",)
    assert made.tenant == ((b"anthropic-workspace-id", b"wrkspc_1"),)


def test_without_a_key_a_provider_lives_by_the_callers_own() -> None:
    assert built(api_keys=[]).credentials == ()
    with pytest.raises(RowInvalid, match=r"^api_keys: "):
        built(allow_byok=False, api_keys=None)
    compatible = built(False, type="openai-compat", base_url="https://h.example", api_keys=[])  # noqa: FBT003 - see built
    assert compatible.credentials == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = (
    "type",
    "name",
    "base_url",
    "api_keys",
    "enabled",
    "settings",
    "first_byte_timeout_s",
    "inject_usage",
)


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON), st.sampled_from(PROVIDER_TYPES))
def test_no_document_is_more_than_invalid(document: dict[str, Any], kind: str) -> None:
    plain = {"name": "main", "type": kind, "base_url": "https://h.example"}
    with suppress(RowInvalid):
        provider_from(plain | document, allow_byok=True, allowed=())


@given(st.text() | st.from_regex(r"https?://[!-~]{0,30}", fullmatch=True))
def test_a_base_url_is_refused_or_has_a_host_that_was_checked(url: str) -> None:
    try:
        found = base_url_from(url, ())
    except RowInvalid:
        return
    assert found.scheme == "https"
    literal = literal_of(found.host)
    assert literal is None or may_be_dialled(literal, ())


def test_localhost_is_plain_only_where_loopback_is_allowed() -> None:
    assert base_url_from("http://localhost", LOOPBACK).host == "localhost"
    with pytest.raises(RowInvalid, match="plain http"):
        base_url_from("http://localhost", ())


BEDROCK = {"_type": "bedrock", "_version": 1, "region": "eu-west-1"}


@pytest.mark.parametrize("kind", ["bedrock", "anthropic"])
def test_settings_of_bedrock_need_no_key_and_name_the_address(kind: str) -> None:
    provider = built(False, type=kind, api_keys=[], settings=BEDROCK)  # noqa: FBT003 - see built
    assert provider.base_url.host == "bedrock-runtime.eu-west-1.amazonaws.com"
    assert provider.bedrock is not None
    elsewhere = built(type=kind, api_keys=[], base_url="http://127.0.0.1:1/x", settings=BEDROCK)
    assert elsewhere.base_url == BaseUrl("http", "127.0.0.1", 1, "/x")


def test_settings_of_bedrock_are_for_its_types_alone_and_needed_there() -> None:
    assert reason(type="openai", settings=BEDROCK).startswith("settings: ")
    assert reason(type="bedrock", api_keys=[]) == "settings: a provider of type bedrock needs them"
    assert reason(type="anthropic", settings=BEDROCK).startswith("api_keys: ")
