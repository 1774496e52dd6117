"""Provider keys in a file that only its owner may read."""

import json
import stat
from pathlib import Path

import pytest

from aigateway.errors import SecretUnavailable
from aigateway.pool.providers import SecretRef
from aigateway.pool.secrets import FileSecrets, write_private

REF = SecretRef("anthropic", "k1", "sk-a...wxyz")
OTHER = SecretRef("openai", "k1", "sk-o...wxyz")


async def test_a_key_is_found_by_its_reference(tmp_path: Path) -> None:
    secrets = FileSecrets(tmp_path / "secrets.json")
    secrets.put({REF: "sk-one", OTHER: "sk-two"})
    assert await secrets.key(REF) == "sk-one"
    assert await secrets.key(OTHER) == "sk-two"


async def test_a_replaced_key_is_used_at_once_and_the_others_stay(tmp_path: Path) -> None:
    reading, writing = (FileSecrets(tmp_path / "secrets.json") for _ in range(2))
    writing.put({REF: "sk-one", OTHER: "sk-two"})
    assert await reading.key(REF) == "sk-one"
    writing.put({REF: "sk-three"})
    assert await reading.key(REF) == "sk-three"
    assert await reading.key(OTHER) == "sk-two"


def test_i10_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    left_behind = tmp_path / "secrets.json.new"
    for lax in (path, left_behind):
        lax.write_text("{}")
        lax.chmod(0o644)
    FileSecrets(path).put({REF: "sk-one"})
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
def test_a_file_of_another_kind_is_not_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(SecretUnavailable):
        FileSecrets(path).put({REF: "sk-one"})
    assert path.read_text() == content


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    FileSecrets(tmp_path / "secrets.json").put({REF: "sk-one"})
    assert json.loads((tmp_path / "secrets.json").read_text()) == {"anthropic/k1": "sk-one"}


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    path.write_text("an older and longer text")
    path.chmod(0o666)
    write_private(path, "new\n")
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["admin.key"]
