"""The requests that carry figures: where to, with which headers, and never with a secret shown."""

import gzip
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import pytest

from aigateway.errors import SecretUnavailable, SettingsError
from aigateway.outbound import Reply, Request
from aigateway.reload.publishing.assembly import authorizing
from aigateway.reload.publishing.push import PushFailed
from aigateway.reload.publishing.sinks import (
    Anonymous,
    FromSecret,
    HttpReceiver,
    Pushgateway,
    Signed,
    signed,
)
from aigateway.settings import Settings
from aigateway.wire.sigv4 import AwsCredentials, SigningScope
from tests.builders import T0
from tests.clocks import HeldClock
from tests.vaults import HeldVault

URL = "https://aps-workspaces.eu-central-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write"
PLANTED = "planted-token-0a1b2c"


class Wire:
    """Keeps what was sent; answers with ``status``."""

    def __init__(self, status: int = 204) -> None:
        self.status = status
        self.sent: list[Request] = []

    async def __call__(self, request: Request, seconds: float) -> Reply:
        assert 0 < seconds <= 10
        self.sent.append(request)
        return Reply(self.status, {}, b"", 0.1)


async def headers_of(authorization: Any) -> Mapping[str, str]:  # noqa: ANN401 - one of several
    wire = Wire()
    assert await HttpReceiver(URL, authorization, wire, "0.9").write(b"body") == 204
    (request,) = wire.sent
    assert (request.method, request.url, request.body) == ("POST", URL, b"body")
    return request.headers


async def test_a_remote_write_says_what_it_is() -> None:
    assert await headers_of(Anonymous()) == {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
        "User-Agent": "ai-gateway-publisher/0.9",
    }


async def test_a_token_comes_from_its_secret_which_is_read_every_five_minutes() -> None:
    vault, clock = HeldVault(prom=f" {PLANTED}\n"), HeldClock()
    source = FromSecret("bearer", "prom", vault, clock)
    for seconds, expected in ((0, PLANTED), (299, PLANTED), (1, "another")):
        clock.advance(seconds)
        assert (await headers_of(source))["Authorization"] == f"Bearer {expected}"
        vault.given["prom"] = "another"
    assert len(vault.asked) == 2


async def test_user_and_password_are_encoded() -> None:
    source = FromSecret("basic", "prom", HeldVault(prom=f"user:{PLANTED}"), HeldClock())
    scheme, _, text = (await headers_of(source))["Authorization"].partition(" ")
    assert (scheme, b64decode(text)) == ("Basic", f"user:{PLANTED}".encode())


@pytest.mark.parametrize("text", [None, "", " ", "two\nlines", "ümlaut"])
async def test_i10_a_secret_that_is_of_no_use_is_a_failure_that_does_not_show_it(
    text: str | None,
) -> None:
    with pytest.raises(PushFailed) as failed:
        await headers_of(FromSecret("bearer", "prom", HeldVault(prom=text), HeldClock()))
    assert failed.value.stage == "authorization"
    assert text is None or not text.strip() or text not in str(failed.value)


async def test_a_secret_that_cannot_be_read_is_a_failure_of_the_push_alone() -> None:
    vault = HeldVault(prom=PLANTED)
    vault.fault = SecretUnavailable("secret prom: not there")
    with pytest.raises(PushFailed):
        await headers_of(FromSecret("bearer", "prom", vault, HeldClock()))


def test_a_signature_is_for_the_workspaces_region() -> None:
    scope = SigningScope("eu-central-1", "aps")
    credentials = AwsCredentials("AKIDEXAMPLE", PLANTED, "token")
    headers = signed(URL, b"body", scope, credentials, T0)
    assert headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/eu-central-1/aps/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
    )
    assert headers["x-amz-security-token"] == "token"
    assert PLANTED not in str(headers)


async def test_a_process_signs_with_credentials_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    headers = await headers_of(Signed("eu-central-1", HeldClock()))
    assert "Credential=AKIDEXAMPLE/20261124/eu-central-1/aps/" in headers["authorization"]


def test_settings_choose_how_to_authorize() -> None:
    def chosen(**more: str) -> object:
        given = {"AIGW_PROM_REMOTE_WRITE_URL": URL, **more}
        return authorizing(Settings.from_env(given), URL, HeldClock(), HeldVault())

    secret = {"AIGW_PROM_AUTH_SECRET": "prom"}
    assert isinstance(chosen(), Anonymous)
    assert isinstance(chosen(AIGW_PROM_AUTH="bearer", **secret), FromSecret)
    assert isinstance(chosen(AIGW_PROM_AUTH="basic", **secret), FromSecret)
    assert isinstance(chosen(AIGW_PROM_AUTH="sigv4"), Signed)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"AIGW_METRICS": "remote-write"}, "AIGW_PROM_REMOTE_WRITE_URL"),
        ({"AIGW_METRICS": "endpoint,pushgateway"}, "AIGW_PROM_PUSHGATEWAY_URL"),
        ({"AIGW_PROM_AUTH": "bearer"}, "AIGW_PROM_AUTH_SECRET"),
        (
            {"AIGW_PROM_AUTH": "sigv4", "AIGW_PROM_REMOTE_WRITE_URL": "https://h.example"},
            "workspace",
        ),
        ({"AIGW_METRICS": "emf and more"}, "expected auto"),
        ({"AIGW_PROM_PUSHGATEWAY_URL": f"https://u:{PLANTED}@h.example"}, "without user"),
        ({"AIGW_PROM_REMOTE_WRITE_URL": "h.example:9090"}, "absolute"),
        ({"AIGW_PROM_AUTH": "digest"}, "sigv4"),
        ({"AIGW_METRICS_INSTANCE": "a\nb"}, "printable"),
    ],
)
def test_settings_that_do_not_fit_together_stop_the_start(
    given: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        Settings.from_env(given)
    assert PLANTED not in str(refused.value)


def test_sinks_are_those_that_are_listed_or_those_that_have_an_address() -> None:
    both = {
        "AIGW_PROM_REMOTE_WRITE_URL": "https://h.example/api/v1/write",
        "AIGW_PROM_PUSHGATEWAY_URL": "https://h.example:9091",
    }
    assert Settings.from_env({}).metric_sinks == set()
    assert Settings.from_env(both).metric_sinks == {"remote-write", "pushgateway"}
    listed = Settings.from_env({**both, "AIGW_METRICS": " endpoint , remote-write"})
    assert listed.metric_sinks == {"endpoint", "remote-write"}


async def test_a_pushgateways_group_is_replaced_as_a_whole() -> None:
    wire = Wire(200)
    await Pushgateway("https://h.example:9091/", "one/two", wire).put("text\n")
    (request,) = wire.sent
    url = "https://h.example:9091/metrics/job/ai-gateway/instance/one%2Ftwo"
    assert (request.method, request.url) == ("PUT", url)
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.body is not None
    assert gzip.decompress(request.body) == b"text\n"


async def test_a_pushgateway_that_refuses_is_a_failure() -> None:
    with pytest.raises(PushFailed, match="400"):
        await Pushgateway("https://h.example", "i", Wire(400)).put("text")
