"""Secrets Manager: nothing that is said of it holds a text."""

import logging
import traceback
from collections.abc import Iterator

import pytest
from moto import mock_aws

from aigateway.errors import SecretUnavailable
from aigateway.pool.vault import SecretsManager, Stored

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
    with pytest.raises(SecretUnavailable) as raised:
        await SecretsManager().read("aigw/name")
    shown = "secret aigw/name: get_secret_value failed: EndpointConnectionError"
    assert str(raised.value) == shown


def test_i10_a_stored_text_is_not_shown() -> None:
    assert PLANTED not in repr(Stored(PLANTED, "1"))
