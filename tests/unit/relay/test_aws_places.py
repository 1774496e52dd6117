"""Where AWS is asked without its SDK: where that would go to the same place, and nowhere else."""

from pathlib import Path

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader

from aigateway.relay.aws_places import AwsPlace, credentials_in, place_of
from aigateway.wire.sigv4 import AwsCredentials

ON_LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "aigw-gateway",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}
SERVICES = ("dynamodb", "secretsmanager")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**ON_LAMBDA, "HOME": str(tmp_path), "PATH": "/usr/bin"}


def shown(place: AwsPlace | None) -> str | None:
    return place and f"{place.url.scheme}://{place.url.host_header.decode()} {place.region}"


def test_a_function_asks_the_service_of_its_region(environment: dict[str, str]) -> None:
    assert [shown(place_of(name, environment)) for name in SERVICES] == [
        "https://dynamodb.eu-central-1.amazonaws.com eu-central-1",
        "https://secretsmanager.eu-central-1.amazonaws.com eu-central-1",
    ]


def test_the_place_in_every_region_is_that_of_the_sdk_or_left_to_it(
    environment: dict[str, str],
) -> None:
    """By the SDK's own rules for the addresses of a service."""
    loader = Loader()
    partitions = loader.load_data("partitions")
    known = {region for each in partitions["partitions"] for region in each["regions"]}
    asked = set()
    for service in SERVICES:
        rules = loader.load_service_model(service, "endpoint-rule-set-1")
        provider = EndpointProvider(rules, partitions)
        for region in known:
            place = place_of(service, environment | {"AWS_DEFAULT_REGION": region})
            if place is not None:
                asked.add(region)
                found = provider.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False)
                assert shown(place) == f"{found.url} {region}"
    assert {"us-east-1", "eu-central-1", "ap-southeast-7", "mx-central-1"} <= asked
    assert not {"cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"} & asked


def test_an_endpoint_that_was_set_for_the_service_counts_before_that_for_all(
    environment: dict[str, str],
) -> None:
    environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:4566"
    assert shown(place_of("dynamodb", environment)) == "http://127.0.0.1:4566 eu-central-1"
    environment["AWS_ENDPOINT_URL_DYNAMODB"] = "https://vpce-1.example.com/"
    environment["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    assert shown(place_of("dynamodb", environment)) == "https://vpce-1.example.com eu-central-1"
    assert shown(place_of("secretsmanager", environment)) == "http://127.0.0.1:4566 eu-central-1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:4566",
        "ftp://host",
        "http://[::1]:1",
        "http://a b",
        "http://host/path",
        "http://host:0",
        "http://host:65536",
        "http://host?x",
        "http://u:p@host",
        "https://host\n",
    ],
)
def test_an_endpoint_that_is_more_than_an_origin_is_left_to_the_sdk(
    environment: dict[str, str], text: str
) -> None:
    assert place_of("dynamodb", environment | {"AWS_ENDPOINT_URL": text}) is None


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ACCOUNT_ID",
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_DISCOVERY_ENABLED",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_PROFILE",
        "AWS_SECURITY_TOKEN",
        "AWS_SOMETHING_NEW",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
        "HTTPS_PROXY",
        "PYNAMODB_CONFIG",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "all_proxy",
        "http_proxy",
    ],
)
def test_a_variable_that_may_change_what_the_sdk_does_leaves_it_to_the_sdk(
    environment: dict[str, str], name: str
) -> None:
    assert place_of("dynamodb", environment) is not None
    assert place_of("dynamodb", environment | {name: "x"}) is None


def test_certificates_mean_nothing_where_nothing_is_encrypted(environment: dict[str, str]) -> None:
    environment |= {"AWS_CA_BUNDLE": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    assert place_of("dynamodb", environment) is not None


@pytest.mark.parametrize("name", ["AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"])
def test_without_region_or_keys_in_the_environment_the_sdk_has_to_find_them(
    environment: dict[str, str], name: str
) -> None:
    assert place_of("dynamodb", environment | {name: ""}) is None
    del environment[name]
    assert place_of("dynamodb", environment) is None


def test_files_at_home_are_read_by_the_sdk(environment: dict[str, str]) -> None:
    Path(environment["HOME"], ".aws").mkdir()
    assert place_of("dynamodb", environment) is None


def test_a_home_that_cannot_be_looked_into_holds_no_files(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place_of("dynamodb", environment | {"HOME": "/" + "x" * 5_000}) is not None
    del environment["HOME"]

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert place_of("dynamodb", environment) is not None


def test_credentials_are_whole_and_fit_into_a_header() -> None:
    assert credentials_in(ON_LAMBDA) == AwsCredentials("AKID", "secret", "token")
    assert credentials_in(ON_LAMBDA | {"AWS_SESSION_TOKEN": ""}) == AwsCredentials("AKID", "secret")
    for name, text in (
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_ACCESS_KEY_ID", "AKID\r\nx: y"),
        ("AWS_SESSION_TOKEN", "to\nken"),
        ("AWS_SESSION_TOKEN", "tökén"),
    ):
        assert credentials_in(ON_LAMBDA | {name: text}) is None
