"""Providers on the command line: the same rules as the API, and no key in any argument."""

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from aigateway.pool.providers import ProviderRow
from tests.builders import at
from tests.unit.cli.conftest import Aigw, Ledger
from tests.unit.test_outbound import answering, peer

PLANTED = "sk-ant-planted-0123456789"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "keys"
    file.write_text(f"{PLANTED}\n\n  sk-ant-planted-9876543210  \n")
    return str(file)


def test_a_provider_is_added_where_nothing_was_and_its_keys_are_masked(
    aigw: Aigw, state_dir: Path, key_file: str
) -> None:
    said = aigw("providers", "add", "mine", "--type", "anthropic", "--key-file", key_file)
    assert said.status == 0, said.err
    assert "sk-a...6789" in said.out
    assert "planted" not in said.out + said.err
    kept = state_dir / "secrets.json"
    assert sorted(json.loads(kept.read_text()).values()) == sorted([
        PLANTED, "sk-ant-planted-9876543210",
    ])  # fmt: skip
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    (listed,) = aigw("providers", "list", "--json").document
    assert (listed["name"], len(listed["api_keys"])) == ("mine", 2)
    lines = aigw("providers", "list").out.splitlines()
    assert lines[1].split() == ["mine", "anthropic", "enabled", "2", "https://api.anthropic.com"]


def test_a_change_is_published_and_audited(aigw: Aigw, ledger: Ledger) -> None:
    aigw("providers", "add", "mine", "--type", "openai-compat", "--base-url", "https://h.example")
    published: Any = ledger.do(lambda store: store.published())
    assert [row["name"] for row in json.loads(published.document)["providers"]] == ["mine"]
    aigw("providers", "disable", "mine")
    assert aigw("providers", "show", "mine", "--json").document["status"]["state"] == "disabled"
    aigw("providers", "enable", "mine")
    entries = ledger.do(lambda store: store.audited(at(-1e8), at(1e9)))
    assert [(e.action, e.actor_id) for e in entries] == [
        ("provider.added", "cli"), ("provider.changed", "cli"), ("provider.changed", "cli"),
    ]  # fmt: skip


def test_keys_come_from_standard_input_too_and_go_one_by_one(
    aigw: Aigw, ledger: Ledger, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = aigw(
        "providers", "add", "mine", "--type", "openai", "--key-file", key_file, "--json"
    ).document
    first, second = made["api_keys"]
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-third\n"))
    edit = ("providers", "edit", "mine", "--remove-key", first["id"], "--key-file", "-", "--json")
    kept, third = aigw(*edit).document["api_keys"]
    assert (kept, third["masked"]) == (second, "s...d")
    assert aigw("providers", "edit", "mine", "--remove-key", first["id"]).status == 2


def test_other_members_are_set_as_json_or_come_from_a_file(
    aigw: Aigw, ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "members.json"
    file.write_text(json.dumps({"display_name": "From a file", "api_keys": [PLANTED]}))
    add = ("providers", "add", "mine", "--type", "openai", "--file", str(file))
    said = aigw(*add, "--set", "idle_timeout_s=7", "--set", 'models_allow=["gpt-*"]', "--json")
    document = said.document
    assert (document["display_name"], document["idle_timeout_s"]) == ("From a file", 7)
    assert (document["models_allow"], len(document["api_keys"])) == (["gpt-*"], 1)
    changed = aigw("providers", "edit", "mine", "--display-name", "", "--json").document
    assert changed["display_name"] == "mine"


@pytest.mark.parametrize(
    "option",
    [
        ("--set", f'api_keys=["{PLANTED}"]'),
        ("--set", f'settings={{"access_key_secret":"{PLANTED}"}}'),
        ("--set", f"display_name={PLANTED}"),
        ("--file", "nowhere"),
        ("--key-file", "nowhere"),
        ("--key-ref", "arn:aws:secretsmanager:us-east-1:123456789012:secret:own-AbCdEf"),
        ("--set", "idle_timeout_s=0"),
        ("--base-url", "https://10.0.0.1"),
    ],
)
def test_a_wrong_use_is_told_in_one_line_and_changes_nothing(
    aigw: Aigw, ledger: Ledger, option: tuple[str, str]
) -> None:
    said = aigw("providers", "add", "mine", "--type", "openai", *option)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "planted" not in said.err
    assert aigw("providers", "list", "--json").document == []


def test_what_is_not_there_or_there_already_is_told(aigw: Aigw, ledger: Ledger) -> None:
    for action in ("show", "enable", "disable", "delete", "test"):
        said = aigw("providers", action, "nobody")
        assert (said.status, said.err) == (1, "aigw: Provider not found.\n")
    add = ("providers", "add", "mine", "--type", "openai")
    assert aigw(*add).status == 0
    assert aigw(*add).err == "aigw: There is a provider mine already.\n"


def test_a_deleted_provider_is_gone_with_its_keys(
    aigw: Aigw, ledger: Ledger, state_dir: Path, key_file: str
) -> None:
    aigw("providers", "add", "mine", "--type", "openai", "--key-file", key_file)
    assert aigw("providers", "delete", "mine", "--json").document == {"deleted": "mine"}
    assert json.loads((state_dir / "secrets.json").read_text()) == {}
    said = aigw("providers", "list")
    assert (said.out, said.err) == ("", "no providers yet: aigw providers add NAME --type TYPE\n")


def test_a_provider_is_tried_out(aigw: Aigw, ledger: Ledger, key_file: str) -> None:
    seen: list[bytes] = []
    with peer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", seen)) as port:
        url = f"http://127.0.0.1:{port}"
        add = ("providers", "add", "mine", "--type", "anthropic", "--base-url", url)
        aigw(*add, "--key-file", key_file)
        said = aigw("providers", "test", "mine")
    assert said.status == 0
    assert said.out.startswith(f"GET {url}/v1/models with the key sk-a...6789: 200 after ")
    assert PLANTED.encode() in seen[0]
    failed = aigw("providers", "test", "mine")
    assert (failed.status, failed.err) == (1, "aigw: mine gave no good answer\n")


def test_a_broken_provider_is_shown_with_its_reason(aigw: Aigw, ledger: Ledger) -> None:
    broken = {"name": "old", "type": "openai", "base_url": "https://10.0.0.1"}
    ledger.do(lambda store: store.put_provider(ProviderRow("old", broken, 1), None))
    assert "error: base_url: the address is private" in aigw("providers", "show", "old").out
    assert aigw("providers", "disable", "old").status == 0
