"""What an operator may set, how it is written, and how mistakes are reported."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from aigateway.errors import SettingsError
from aigateway.settings import PREFIXES, SETTINGS, Settings

IN_A_FUNCTION = {"AWS_LAMBDA_FUNCTION_NAME": "gateway"}


def problems_of(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(environment)
    return raised.value.problems


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.enabled
    assert settings.table is None
    assert settings.state_dir == Path(".aigw")
    assert settings.retention == timedelta(days=60)
    assert settings.max_request_bytes == 32 * 1024 * 1024
    assert (settings.close_seconds, settings.exchange_seconds) == (5, 900)
    assert (settings.first_byte_seconds, settings.idle_seconds) == (600, 300)
    assert (settings.key_cache_seconds, settings.snapshot_poll_seconds) == (60, 15)
    assert settings.reload_interval_seconds == 60
    assert settings.allow_byok
    assert not settings.allow_background
    assert settings.allowed_private_cidrs == ()


@pytest.mark.parametrize(
    ("text", "modes"),
    [("key", ("key",)), ("key,iam", ("key", "iam")), (" iam , key ", ("iam", "key"))],
)
def test_the_ways_to_say_who_calls_are_listed(text: str, modes: tuple[str, ...]) -> None:
    assert Settings.from_env({"AIGW_AUTH_MODES": text}).auth_modes == modes


@pytest.mark.parametrize("text", ["iam", "", "key,aws", "key iam"])
def test_a_gateway_key_is_always_one_of_them(text: str) -> None:
    assert len(problems_of({"AIGW_AUTH_MODES": text})) == 1


@pytest.mark.parametrize("name", ["MAX_CONCURRENCY", "RATE_LIMIT"])
@pytest.mark.parametrize("text", ["-1", "100001", "1.5", "many", ""])
def test_a_limit_is_a_number(name: str, text: str) -> None:
    assert len(problems_of({f"AIGW_{name}": text})) == 1


def test_a_function_behind_a_url_takes_bodies_of_five_and_a_half_mebibytes() -> None:
    assert Settings.from_env(IN_A_FUNCTION).max_request_bytes == 5_767_168
    given = IN_A_FUNCTION | {"AIGW_MAX_REQUEST_BYTES": "1000"}
    assert Settings.from_env(given).max_request_bytes == 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60d", timedelta(days=60)),
        ("60", timedelta(days=60)),
        ("2w", timedelta(weeks=2)),
        ("36h", timedelta(hours=36)),
        (" 7d ", timedelta(days=7)),
        ("0", None),
        ("0d", None),
    ],
)
def test_retention_is_read_in_each_of_its_forms(text: str, expected: timedelta | None) -> None:
    assert Settings.from_env({"AIGW_RETENTION": text}).retention == expected


@pytest.mark.parametrize(
    "text", ["", "forever", "-1d", "1.5d", "60m", "60 d", "99999999w", "\u096c\u0966d"]
)
def test_any_other_retention_is_refused(text: str) -> None:
    (problem,) = problems_of({"AIGW_RETENTION": text})
    assert problem.startswith("AIGW_RETENTION: expected ")


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5), ("0", 0), ("250ms", 0.25), ("0.5", 0.5), ("2m", 120)]
)
def test_durations_are_read_in_each_of_their_forms(text: str, seconds: float) -> None:
    assert Settings.from_env({"AIGW_CLOSE_SECONDS": text}).close_seconds == seconds


@pytest.mark.parametrize(
    "name",
    [
        "EXCHANGE_SECONDS",
        "FIRST_BYTE_TIMEOUT",
        "IDLE_TIMEOUT",
        "RELOAD_INTERVAL",
        "CIRCUIT_BREAKER_INTERVAL",
        "CIRCUIT_BREAKER_TIMEOUT",
    ],
)
def test_a_limit_of_nothing_at_all_is_refused(name: str) -> None:
    (problem,) = problems_of({f"AIGW_{name}": "0s"})
    assert problem.startswith(f"AIGW_{name}: ")


@pytest.mark.parametrize("text", ["0", "-1", "1001", "1.5", "", "five", "²"])
def test_a_threshold_is_a_number_from_one_to_a_thousand(text: str) -> None:
    for name in ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "CIRCUIT_BREAKER_MAX_REQUESTS"):
        (problem,) = problems_of({f"AIGW_{name}": text})
        assert problem.startswith(f"AIGW_{name}: expected a number")
    read = Settings.from_env({"AIGW_CIRCUIT_BREAKER_MAX_REQUESTS": " 1000 "})
    assert read.circuit_breaker_max_requests == 1000


@pytest.mark.parametrize(("text", "expected"), [("TRUE", True), ("1", True), ("no", False)])
def test_switches_are_read_in_each_of_their_forms(text: str, *, expected: bool) -> None:
    assert Settings.from_env({"AIGW_ALLOW_BACKGROUND": text}).allow_background is expected


def test_networks_are_a_list_that_may_be_empty() -> None:
    read = Settings.from_env({"AIGW_ALLOWED_PRIVATE_CIDRS": "10.1.0.0/16, ::1/128,"})
    assert read.allowed_private_cidrs == (ip_network("10.1.0.0/16"), ip_network("::1/128"))
    assert Settings.from_env({"AIGW_ALLOWED_PRIVATE_CIDRS": ""}).allowed_private_cidrs == ()


def test_all_faults_are_reported_at_once_and_none_shows_its_value() -> None:
    environment = {
        "AIGW_ENABLED": "planted-value",
        "AIGW_MAX_REQUEST_BYTES": "²",
        "AIGW_IDLE_TIMEOUT": "planted-value",
        "AIGW_ALLOWED_PRIVATE_CIDRS": "planted-value",
        "AIGW_LOG_LEVEL": "planted-value",
        "AIGW_LOG_FORMAT": "planted-value",
        "AIGW_STATE_DIR": " ",
        "AIGW_RETENTION": "9" * 5000,
    }
    problems = problems_of(environment)
    assert {problem.partition(":")[0] for problem in problems} == set(environment)
    assert all("expected" in problem and "found" in problem for problem in problems)
    assert not any("planted" in p or "²" in p or "999" in p for p in problems)


@pytest.mark.parametrize("setting", SETTINGS)
def test_older_spellings_are_read_and_the_newest_name_counts(setting: str) -> None:
    name = SETTINGS[setting]["name"]
    assert PREFIXES == ("AIGW_", "CODER_AI_GATEWAY_", "CODER_AIBRIDGE_")
    readable = {"enabled": "false", "table": "t", "state_dir": "d", "log_level": "debug"}
    readable |= {"log_format": "text"}
    readable |= {"auth_modes": "key,iam"}
    readable |= {"metrics": "endpoint", "prom_auth": "none", "trace_backend": "xray"}
    readable |= {
        f"prom_{sink}_url": "https://h.example/" for sink in ("remote_write", "pushgateway")
    }
    text = readable.get(setting, "0" if isinstance(getattr(Settings(), setting), bool) else "7")
    if setting in ("allowed_private_cidrs", "secrets_prefix"):
        text = "10.0.0.0/8" if setting == "allowed_private_cidrs" else "aigw/"
    expected = getattr(Settings.from_env({f"AIGW_{name}": text}), setting)
    for older in PREFIXES[1:]:
        assert getattr(Settings.from_env({older + name: text}), setting) == expected
    both = {f"AIGW_{name}": text, f"CODER_AI_GATEWAY_{name}": "?"}
    assert getattr(Settings.from_env(both), setting) == expected


def test_a_variable_that_means_nothing_is_named_and_stops_nothing() -> None:
    environment = {
        "AIGW_RETENTOIN": "1d",
        "AIGW_ADMIN_KEY": "x",
        "AIGW_PROVIDERS_JSON": "[]",
        "AIGW_PROVIDER_0_TYPE": "openai",
        "AIGW_OPENAI_KEY": "k",
        "CODER_AIBRIDGE_STRUCTURED_LOGGING": "true",
        "PATH": "/bin",
    }
    assert Settings.from_env(environment).unknown == ("AIGW_RETENTOIN",)


def test_a_function_is_given_no_secrets_and_no_store_elsewhere() -> None:
    problems = problems_of(
        IN_A_FUNCTION
        | {
            "AIGW_ADMIN_KEY": "planted-value",
            "AIGW_PROVIDERS_JSON": "planted-value",
            "CODER_AIBRIDGE_PROVIDER_0_KEY": "planted-value",
            "AIGW_BEDROCK_ACCESS_KEY_SECRET": "planted-value",
            "AWS_ENDPOINT_URL_LAMBDA": "http://planted-value.example",
            "AWS_ENDPOINT_URL": "http://planted-value.example",
            "AWS_ENDPOINT_URL_S3": "http://planted-value.example",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://planted-value.example",
        }
    )
    named = {
        "AIGW_ADMIN_KEY",
        "AIGW_PROVIDERS_JSON",
        "CODER_AIBRIDGE_PROVIDER_0_KEY",
        "AIGW_BEDROCK_ACCESS_KEY_SECRET",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    }
    assert {problem.partition(":")[0] for problem in problems} == named
    assert "planted" not in " ".join(problems)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:4566", "http://localhost:1", "http://[::1]:1", ""]
)
def test_a_function_may_be_tried_against_a_store_on_its_own_machine(address: str) -> None:
    Settings.from_env(IN_A_FUNCTION | {"AWS_ENDPOINT_URL_DYNAMODB": address})


def test_a_table_is_named_or_not_used() -> None:
    assert Settings.from_env({"AIGW_TABLE": "records"}).table == "records"
    assert Settings.from_env({"AIGW_TABLE": " "}).table is None


def test_a_bucket_is_named_or_not_used() -> None:
    assert Settings.from_env({"AIGW_PAYLOAD_BUCKET": "texts"}).payload_bucket == "texts"
    assert Settings.from_env({}).payload_bucket is None


def test_the_names_of_provider_keys_begin_with_a_path_or_there_are_none() -> None:
    assert Settings.from_env({"AIGW_SECRETS_PREFIX": " aigw/providers/ "}).secrets_prefix == (
        "aigw/providers/"
    )
    assert Settings.from_env({"AIGW_SECRETS_PREFIX": " "}).secrets_prefix is None


@pytest.mark.parametrize("text", ["aigw/providers", "/", "a b/", "*/", "a" * 300 + "/"])
def test_any_other_beginning_is_refused(text: str) -> None:
    (problem,) = problems_of({"AIGW_SECRETS_PREFIX": text})
    assert problem.startswith("AIGW_SECRETS_PREFIX: expected ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", None)),
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:8080", ("::1", 8080)),
        ("[::]", ("::", None)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_may_have_a_port(text: str, expected: tuple[str, int | None]) -> None:
    assert Settings.from_env({"AIGW_HTTP_ADDRESS": text}).http_address == expected


@pytest.mark.parametrize("text", ["", ":8080", "::1:8080", "127.0.0.1:65536", "http://127.0.0.1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    [problem] = problems_of({"AIGW_HTTP_ADDRESS": text})
    assert problem.startswith("AIGW_HTTP_ADDRESS: expected an address")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ID", "Authorization"),
        ("USERNAME", "X-AI-Bridge-Actor-ID"),
        ("EMAIL", "X-AI-Bridge-Actor-Anything"),
        ("EMAIL", "X Mail"),
        ("EMAIL", "X-Mail\r\nX-Other"),
    ],
)
def test_an_actor_header_takes_no_name_that_has_a_meaning(variable: str, text: str) -> None:
    name = f"AIGW_ACTOR_HEADER_{variable}"
    (problem,) = problems_of({name: text})
    assert problem.startswith(f"{name}: ")


def test_an_actor_header_may_have_the_name_that_is_made_for_it() -> None:
    name = "x-ai-bridge-actor-metadata-email"
    assert Settings.from_env({"AIGW_ACTOR_HEADER_EMAIL": name}).actor_header_email == name


@pytest.mark.parametrize("second", ["X-User", "x-user", "X_User"])
def test_two_actor_headers_have_two_names(second: str) -> None:
    names = {"AIGW_ACTOR_HEADER_ID": "X-User", "AIGW_ACTOR_HEADER_EMAIL": second}
    (problem,) = problems_of(names)
    assert problem.startswith("AIGW_ACTOR_HEADER_EMAIL: ")
    assert Settings.from_env(names | {"AIGW_ACTOR_HEADER_ID": ""}).actor_header_id is None


def test_the_reference_products_switches_of_tracing_count_where_ours_say_nothing() -> None:
    theirs = {"CODER_TRACE_ENABLE": "true", "CODER_TRACE_LOGS": "true"}
    read = Settings.from_env(theirs)
    assert (read.trace_enable, read.trace_logs) == (True, True)
    read = Settings.from_env(theirs | {"AIGW_TRACE_ENABLE": "false"})
    assert (read.trace_enable, read.trace_logs) == (False, True)
    assert problems_of({"CODER_TRACE_ENABLE": "planted"})
