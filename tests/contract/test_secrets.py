"""What every place for provider keys promises."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from aigateway import aws
from aigateway.errors import SecretUnavailable
from aigateway.pool.providers import SecretRef
from aigateway.pool.secrets import AwsSecrets, FileSecrets, WritableSecrets
from tests.clocks import HeldClock

ONE = SecretRef("anthropic", "k1", "sk-a...wxyz")
TWO = SecretRef("anthropic", "k2", "sk-a...stuv")
OTHER = SecretRef("openai", "k1", "sk-o...wxyz")
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:own-AbCdEf"
PLACES = ("file", "vault_moto", pytest.param("vault_ministack", marks=pytest.mark.ministack))


@pytest.fixture(params=PLACES)
def secrets(request: pytest.FixtureRequest, tmp_path: Path) -> WritableSecrets:
    if request.param == "file":
        return FileSecrets(tmp_path / "secrets.json")
    vault = request.getfixturevalue(request.param)
    return AwsSecrets(f"aigw-{uuid4().hex}/providers/", vault, HeldClock())


async def test_a_key_is_found_by_provider_and_id(secrets: WritableSecrets) -> None:
    await secrets.put({ONE: "sk-one", TWO: "sk-two", OTHER: "sk-three"})
    assert [await secrets.key(ref) for ref in (ONE, TWO, OTHER)] == ["sk-one", "sk-two", "sk-three"]


async def test_a_key_that_was_put_is_used_at_once_and_the_others_stay(
    secrets: WritableSecrets,
) -> None:
    await secrets.put({ONE: "sk-one", TWO: "sk-two"})
    assert await secrets.key(ONE) == "sk-one"
    await secrets.put({ONE: "sk-three"})
    assert await secrets.key(ONE) == "sk-three"
    assert await secrets.key(TWO) == "sk-two"


async def test_a_missing_key_names_only_its_provider_and_can_be_put(
    secrets: WritableSecrets,
) -> None:
    await secrets.put({ONE: "sk-one"})
    with pytest.raises(SecretUnavailable) as raised:
        await secrets.key(OTHER)
    assert str(raised.value) == "the key of provider openai cannot be read"
    await secrets.put({OTHER: "sk-two"})
    assert await secrets.key(OTHER) == "sk-two"


async def test_no_keys_are_put(secrets: WritableSecrets) -> None:
    await secrets.put({})
    with pytest.raises(SecretUnavailable):
        await secrets.key(ONE)


async def test_a_key_that_was_removed_is_gone_and_the_others_stay(
    secrets: WritableSecrets,
) -> None:
    await secrets.put({ONE: "sk-one", TWO: "sk-two"})
    assert await secrets.key(ONE) == "sk-one"
    await secrets.remove([ONE, OTHER])
    await secrets.remove([ONE])
    with pytest.raises(SecretUnavailable):
        await secrets.key(ONE)
    assert await secrets.key(TWO) == "sk-two"


async def test_a_secret_of_the_operators_own_is_read_by_its_arn_or_refused_plainly(
    secrets: WritableSecrets,
) -> None:
    if not secrets.reads_arns:
        with pytest.raises(SecretUnavailable, match="lies in AWS Secrets Manager"):
            await secrets.key(replace(ONE, arn=ARN))
        return
    service = aws.client("secretsmanager")
    make = partial(service.create_secret, Name=f"own-{uuid4().hex}", SecretString="sk-own\n")
    own = replace(ONE, arn=(await asyncio.to_thread(make))["ARN"])
    await secrets.put({ONE: "sk-one"})
    assert [await secrets.key(ref) for ref in (own, ONE)] == ["sk-own", "sk-one"]
    await secrets.remove([own])
    assert await asyncio.to_thread(service.get_secret_value, SecretId=own.arn)
