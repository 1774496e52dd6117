"""Secrets Manager: nothing that is said of it holds a text."""

import asyncio
import contextlib
import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import final

import pytest
from moto import mock_aws

from aigateway.clock import SystemClock
from aigateway.errors import (
    SecretStoreUnavailable,
    SecretUnavailable,
    ServiceFault,
    ServiceRefused,
    ServiceSilent,
)
from aigateway.pool.vault import SECRETS_MANAGER, SecretsManager, Stored
from aigateway.relay.aws_links import AwsLinks
from aigateway.wire.aws_json import Document
from tests.peers import peer

PLANTED = "sk-ant-planted-0a1b2c3d4e5f"


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield SecretsManager()


async def test_i10_no_line_holds_a_text_whatever_the_level(
    vault: SecretsManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await vault.put("name", PLANTED)
    before = await vault.read("name")
    assert await vault.replace("name", PLANTED + "2", before)
    assert PLANTED not in caplog.text
    assert PLANTED not in repr(before)


async def test_i10_no_exception_holds_a_text(vault: SecretsManager) -> None:
    """The service refuses a name, the library a type, and both may quote what was sent."""
    for text in (PLANTED, [PLANTED]):
        with pytest.raises(SecretUnavailable) as raised:
            await vault.replace("missing", text, None)  # type: ignore[arg-type]  # what must not happen
        assert PLANTED not in "".join(traceback.format_exception(raised.value))
        assert raised.value.__context__ is None


async def test_a_vault_that_cannot_be_reached_is_named_by_the_secret_and_the_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SecretStoreUnavailable) as raised:
        await SecretsManager().read("aigw/name")
    shown = "secret aigw/name: get_secret_value failed: EndpointConnectionError"
    assert str(raised.value) == shown


async def test_credentials_that_are_renewed_and_expired_are_an_outage(
    vault: SecretsManager,
) -> None:
    class Expired:
        def get_secret_value(self, **_: object) -> None:
            raise RuntimeError(f"botocore says so, and might quote {PLANTED}")

    vault._client = Expired()
    with pytest.raises(SecretStoreUnavailable) as raised:
        await vault.read("aigw/name")
    assert str(raised.value) == "secret aigw/name: get_secret_value failed: RuntimeError"


@pytest.mark.parametrize("without_sdk", [False, True], ids=["SDK", "without"])
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "AccessDeniedException", SecretUnavailable),
        (400, "DecryptionFailure", SecretUnavailable),
        (400, "InvalidRequestException", SecretUnavailable),
        (400, "ThrottlingException", SecretStoreUnavailable),
        (400, "ExpiredTokenException", SecretStoreUnavailable),
        (400, "UnrecognizedClientException", SecretStoreUnavailable),
        (500, "InternalServiceError", SecretStoreUnavailable),
        (503, "ServiceUnavailable", SecretStoreUnavailable),
    ],
)
async def test_what_the_service_refuses_of_one_secret_is_told_from_an_outage(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    code: str,
    kind: type[SecretUnavailable],
    *,
    without_sdk: bool,
) -> None:
    body = json.dumps({"__type": code, "message": "x"}).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\n"
    answer = f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with peer(script) as service:
        environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{service.base_url.port}",
            "HOME": str(tmp_path),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        links = AwsLinks(environment, SystemClock())
        calls = links.to(SECRETS_MANAGER) if without_sdk else None
        assert (calls is not None) is without_sdk
        with pytest.raises(SecretUnavailable, match=code) as raised:
            await SecretsManager(calls).read("aigw/name")
        await links.aclose()
    assert raised.type is kind
    assert raised.value.__context__ is None


@final
class Saying:
    """Answers one after another; a fault is raised."""

    def __init__(self, *answers: Document | ServiceFault) -> None:
        self.left = list(answers)

    async def call(self, operation: str, members: Document) -> Document:
        answer = self.left.pop(0)
        if isinstance(answer, ServiceFault):
            raise answer
        return answer


async def test_reading_without_the_sdk_is_tried_twice() -> None:
    lost = ServiceSilent("lost")
    kept = {"SecretString": PLANTED, "VersionId": "1"}
    assert await SecretsManager(Saying(lost, kept)).read("aigw/name") == Stored(PLANTED, "1")
    throttled = ServiceRefused("ThrottlingException", {})
    assert await SecretsManager(Saying(throttled, kept)).read("aigw/name") == Stored(PLANTED, "1")
    with pytest.raises(SecretStoreUnavailable, match="get_secret_value failed: no answer"):
        await SecretsManager(Saying(lost, lost)).read("aigw/name")


async def test_what_is_refused_of_one_secret_is_not_asked_again() -> None:
    for code in ("AccessDeniedException", "ResourceNotFoundException"):
        saying = Saying(ServiceRefused(code, {}), {"SecretString": PLANTED, "VersionId": "1"})
        with contextlib.suppress(SecretUnavailable):
            assert await SecretsManager(saying).read("aigw/name") is None
        assert len(saying.left) == 1


def test_i10_a_stored_text_is_not_shown() -> None:
    assert PLANTED not in repr(Stored(PLANTED, "1"))
