"""What every place for provider keys promises."""

from pathlib import Path
from uuid import uuid4

import pytest

from aigateway.errors import SecretUnavailable
from aigateway.pool.providers import SecretRef
from aigateway.pool.secrets import AwsSecrets, FileSecrets, WritableSecrets
from tests.clocks import HeldClock

ONE = SecretRef("anthropic", "k1", "sk-a...wxyz")
TWO = SecretRef("anthropic", "k2", "sk-a...stuv")
OTHER = SecretRef("openai", "k1", "sk-o...wxyz")
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
