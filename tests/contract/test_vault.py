"""What a vault promises."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from aigateway import aws
from aigateway.errors import SecretUnavailable
from aigateway.pool.vault import Vault
from tests.contract.conftest import VAULTS

WITHOUT_SDK = "vault_ministack_lean"


@pytest.fixture(params=[*VAULTS, pytest.param(WITHOUT_SDK, marks=pytest.mark.ministack)])
async def vault(request: pytest.FixtureRequest) -> AsyncIterator[Vault]:
    made: Vault = request.getfixturevalue(request.param)
    yield made
    if request.param == WITHOUT_SDK:
        await request.getfixturevalue("lean_links").aclose()


def a_name() -> str:
    return f"aigw/{uuid4().hex}"


async def an_empty_secret() -> str:
    """Make a secret as a template does: without a text."""
    name = a_name()
    await asyncio.to_thread(lambda: aws.client("secretsmanager").create_secret(Name=name))
    return name


async def test_a_secret_is_made_and_given_another_text(vault: Vault) -> None:
    name = a_name()
    assert await vault.read(name) is None
    await vault.put(name, "one")
    first = await vault.read(name)
    await vault.put(name, "two")
    second = await vault.read(name)
    assert first is not None
    assert second is not None
    assert (first.text, second.text) == ("one", "two")
    assert first.version != second.version


async def test_a_secret_that_was_never_given_a_text_holds_nothing_and_takes_one(
    vault: Vault,
) -> None:
    name = await an_empty_secret()
    assert await vault.read(name) is None
    assert await vault.replace(name, "one", None)
    stored = await vault.read(name)
    assert stored is not None
    assert stored.text == "one"


async def test_a_text_is_replaced_by_name_or_arn(vault: Vault) -> None:
    name = a_name()
    await vault.put(name, "one")
    service = aws.client("secretsmanager")
    arn = (await asyncio.to_thread(service.describe_secret, SecretId=name))["ARN"]
    before = await vault.read(arn)
    assert await vault.replace(arn, "two", before)
    stored = await vault.read(name)
    assert stored is not None
    assert stored.text == "two"


async def test_of_several_that_saw_the_same_one_replaces_it(
    vault: Vault, request: pytest.FixtureRequest
) -> None:
    """The stand-in writes over a version that exists; the service and moto do not."""
    if "ministack" in request.node.name:
        pytest.skip("the stand-in changes versions that exist")
    name = await an_empty_secret()
    assert await vault.replace(name, "one", None)
    assert not await vault.replace(name, "two", None)
    assert await vault.replace(name, "one", None), "a repeated call succeeds"
    before = await vault.read(name)
    assert await vault.replace(name, "three", before)
    assert not await vault.replace(name, "four", before)
    stored = await vault.read(name)
    assert stored is not None
    assert stored.text == "three"


async def test_a_secret_that_is_not_there_is_not_replaced(vault: Vault) -> None:
    name = a_name()
    with pytest.raises(SecretUnavailable, match=f"secret {name}: put_secret_value failed"):
        await vault.replace(name, "planted", None)
    assert await vault.read(name) is None


async def test_several_put_the_same_new_secret_at_once(vault: Vault) -> None:
    name = a_name()
    await asyncio.gather(*(vault.put(name, "one") for _ in range(4)))
    stored = await vault.read(name)
    assert stored is not None
    assert stored.text == "one"


async def test_a_secret_that_holds_no_text_but_bytes_cannot_be_read(vault: Vault) -> None:
    name = a_name()
    service = aws.client("secretsmanager")
    await asyncio.to_thread(service.create_secret, Name=name, SecretBinary=b"planted")
    with pytest.raises(SecretUnavailable, match="expected a text, found binary data"):
        await vault.read(name)


async def test_a_secret_that_was_removed_is_gone_and_may_be_made_again(vault: Vault) -> None:
    name = a_name()
    await vault.remove(name)
    await vault.put(name, "one")
    await vault.remove(name)
    assert await vault.read(name) is None
    await vault.put(name, "two")
    stored = await vault.read(name)
    assert stored is not None
    assert stored.text == "two"
