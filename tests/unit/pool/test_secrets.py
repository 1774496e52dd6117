"""Provider keys: in a file that only its owner may read, and remembered from a vault."""

import asyncio
import json
import stat
from pathlib import Path
from typing import final

import pytest

from aigateway.errors import SecretStoreUnavailable, SecretUnavailable
from aigateway.pool.providers import SecretRef
from aigateway.pool.secrets import AwsSecrets, FileSecrets, open_secrets, write_private
from aigateway.pool.vault import Stored
from aigateway.settings import Settings
from tests.clocks import HeldClock
from tests.vaults import HeldVault

REF = SecretRef("anthropic", "k1", "sk-a...wxyz")
OTHER = SecretRef("openai", "k1", "sk-o...wxyz")


async def test_a_key_is_found_by_its_reference(tmp_path: Path) -> None:
    secrets = FileSecrets(tmp_path / "secrets.json")
    await secrets.put({REF: "sk-one", OTHER: "sk-two"})
    assert await secrets.key(REF) == "sk-one"
    assert await secrets.key(OTHER) == "sk-two"


async def test_a_replaced_key_is_used_at_once_and_the_others_stay(tmp_path: Path) -> None:
    reading, writing = (FileSecrets(tmp_path / "secrets.json") for _ in range(2))
    await writing.put({REF: "sk-one", OTHER: "sk-two"})
    assert await reading.key(REF) == "sk-one"
    await writing.put({REF: "sk-three"})
    assert await reading.key(REF) == "sk-three"
    assert await reading.key(OTHER) == "sk-two"


async def test_i10_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    left_behind = tmp_path / "secrets.json.new"
    for lax in (path, left_behind):
        lax.write_text("{}")
        lax.chmod(0o644)
    await FileSecrets(path).put({REF: "sk-one"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not left_behind.exists()


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", "{}", '{"anthropic/k2": "x"}'])
async def test_i10_a_key_that_cannot_be_read_names_only_its_provider(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "secrets.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SecretUnavailable) as raised:
        await FileSecrets(path).key(REF)
    assert str(raised.value) == "the key of provider anthropic cannot be read"


@pytest.mark.parametrize("content", ["{", "[]"])
async def test_a_file_of_another_kind_is_not_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(SecretUnavailable):
        await FileSecrets(path).put({REF: "sk-one"})
    assert path.read_text() == content


async def test_the_file_is_plain_json(tmp_path: Path) -> None:
    await FileSecrets(tmp_path / "secrets.json").put({REF: "sk-one"})
    assert json.loads((tmp_path / "secrets.json").read_text()) == {"anthropic/k1": "sk-one"}


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    path.write_text("an older and longer text")
    path.chmod(0o666)
    write_private(path, "new\n")
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["admin.key"]


NAME = "aigw/providers/anthropic/k1"
FAULT = SecretUnavailable(f"secret {NAME}: get_secret_value failed: ThrottlingException")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def vault() -> HeldVault:
    return HeldVault(**{NAME: "sk-one\n"})


@pytest.fixture
def kept(vault: HeldVault, clock: HeldClock) -> AwsSecrets:
    return AwsSecrets("aigw/providers/", vault, clock)


async def test_a_key_is_read_again_once_it_is_a_minute_old(
    kept: AwsSecrets, vault: HeldVault, clock: HeldClock
) -> None:
    assert await kept.key(REF) == "sk-one"
    vault.given[NAME] = "sk-two"
    clock.advance(59)
    assert await kept.key(REF) == "sk-one"
    clock.advance(1)
    assert await kept.key(REF) == "sk-two"
    assert vault.asked == [f"read {NAME}"] * 2


async def test_a_key_serves_on_for_fifteen_minutes_while_the_vault_does_not_answer(
    kept: AwsSecrets, vault: HeldVault, clock: HeldClock, caplog: pytest.LogCaptureFixture
) -> None:
    await kept.key(REF)
    vault.fault = FAULT
    clock.advance(15 * 60 - 1)
    assert await kept.key(REF) == "sk-one"
    assert "ThrottlingException" in caplog.text
    clock.advance(1)
    with pytest.raises(SecretUnavailable):
        await kept.key(REF)
    vault.fault = None
    clock.advance(5)
    assert await kept.key(REF) == "sk-one"


async def test_a_vault_that_does_not_answer_is_asked_every_five_seconds(
    kept: AwsSecrets, vault: HeldVault, clock: HeldClock
) -> None:
    vault.fault = FAULT
    for _ in range(3):
        with pytest.raises(SecretUnavailable):
            await kept.key(REF)
        clock.advance(2)
    assert len(vault.asked) == 1
    vault.fault = None
    assert await kept.key(REF) == "sk-one"


@pytest.mark.parametrize("text", [None, "", "two words", "zeilen\numbruch", "schl\u00fcssel"])
async def test_a_key_that_is_gone_or_none_serves_no_longer(
    kept: AwsSecrets, vault: HeldVault, clock: HeldClock, text: str | None
) -> None:
    await kept.key(REF)
    vault.given[NAME] = text
    clock.advance(60)
    with pytest.raises(SecretUnavailable, match=r"^the key of provider anthropic cannot be read$"):
        await kept.key(REF)


@final
class Slow:
    """A vault that answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.let = asyncio.Event()

    async def read(self, name: str) -> Stored | None:
        assert name == NAME
        self.asked += 1
        await self.let.wait()
        return Stored("sk-one", "1")

    async def put(self, name: str, text: str) -> None:
        raise AssertionError

    async def replace(self, name: str, text: str, before: Stored | None) -> bool:
        raise AssertionError

    async def remove(self, name: str) -> None:
        raise AssertionError


async def test_requests_that_come_at_once_ask_once(clock: HeldClock) -> None:
    slow = Slow()
    kept = AwsSecrets("aigw/providers/", slow, clock)
    asking = [asyncio.create_task(kept.key(REF)) for _ in range(5)]
    await asyncio.sleep(0)
    slow.let.set()
    assert await asyncio.gather(*asking) == ["sk-one"] * 5
    assert slow.asked == 1


async def test_nobody_waits_for_a_key_while_an_older_one_serves(clock: HeldClock) -> None:
    slow = Slow()
    slow.let.set()
    kept = AwsSecrets("aigw/providers/", slow, clock)
    await kept.key(REF)
    slow.let.clear()
    clock.advance(60)
    first = asyncio.create_task(kept.key(REF))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(kept.key(REF), 10) == "sk-one"
    assert not first.done()
    slow.let.set()
    assert await first == "sk-one"


async def test_one_who_leaves_while_waiting_leaves_the_turn_to_the_next(clock: HeldClock) -> None:
    slow = Slow()
    kept = AwsSecrets("aigw/providers/", slow, clock)
    leaving, staying = (asyncio.create_task(kept.key(REF)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    slow.let.set()
    assert await staying == "sk-one"
    assert slow.asked == 2


async def test_a_vault_that_never_answered_is_told_from_a_key_that_is_missing(
    kept: AwsSecrets, vault: HeldVault, clock: HeldClock
) -> None:
    vault.fault = SecretStoreUnavailable("silent")
    with pytest.raises(SecretStoreUnavailable, match=r"^the key of provider anthropic cannot"):
        await kept.key(REF)
    clock.advance(5)
    vault.fault = SecretUnavailable("denied")
    with pytest.raises(SecretUnavailable) as denied:
        await kept.key(REF)
    assert denied.type is SecretUnavailable
    clock.advance(5)
    vault.fault, vault.given[NAME] = None, None
    with pytest.raises(SecretUnavailable) as missing:
        await kept.key(REF)
    assert missing.type is SecretUnavailable


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (None, SecretUnavailable),
        ("{}", SecretUnavailable),
        ('{"anthropic/k1": 7}', SecretUnavailable),
        ('{"anthropic/k1": "two words"}', SecretUnavailable),
        ("", SecretStoreUnavailable),
        ("{", SecretStoreUnavailable),
        ("[]", SecretStoreUnavailable),
    ],
)
async def test_a_file_that_holds_no_keys_is_told_from_a_key_that_is_missing(
    tmp_path: Path, content: str | None, kind: type[SecretUnavailable]
) -> None:
    path = tmp_path / "secrets.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SecretUnavailable) as raised:
        await FileSecrets(path).key(REF)
    assert raised.type is kind


async def test_a_file_that_cannot_be_read_is_a_store_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").mkdir()
    with pytest.raises(SecretStoreUnavailable):
        await FileSecrets(tmp_path / "secrets.json").key(REF)


def test_the_settings_say_where_keys_lie(tmp_path: Path) -> None:
    assert isinstance(open_secrets(Settings(state_dir=tmp_path)), FileSecrets)
    assert isinstance(open_secrets(Settings(secrets_prefix="aigw/providers/")), AwsSecrets)
