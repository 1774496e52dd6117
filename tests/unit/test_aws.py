"""The door of boto3."""

import pytest

from aigateway.aws import client


def test_a_client_has_our_time_outs_and_finds_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9"),
    ):
        monkeypatch.setenv(name, value)
    made = client("secretsmanager", attempts=3)
    assert made.meta.endpoint_url == "http://127.0.0.1:9"
    assert made.meta.region_name == "eu-west-1"
    config = made.meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.retries["total_max_attempts"] == 3
