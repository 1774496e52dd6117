"""What a start prints can be pasted."""

import json
import shlex
from pathlib import Path

import pytest

from aigateway.caller.keys import new_secret
from local.hints import message_command, printed_start

KEY = new_secret()
PORTS = {"gateway": 4180, "control": 4181, "provider": 4182}
ROOT = Path(__file__).parents[3]


def printed(state_dir: Path = Path(".aigw")) -> list[str]:
    return printed_start(PORTS, KEY, "anthropic", "anthropic", state_dir=state_dir).splitlines()


def test_the_first_line_says_where_everything_is() -> None:
    assert printed()[0] == "ready gateway=http://127.0.0.1:4180 api=http://127.0.0.1:4181"
    assert printed()[1] == f"key {KEY}"


def test_three_commands_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    send, listing, show = (printed()[number] for number in (4, 7, 10))
    assert shlex.split(send)[:2] == ["curl", "-sN"]
    assert shlex.split(listing) == [
        "curl",
        "-s",
        "http://127.0.0.1:4181/api/v2/aibridge/sessions",
        "-H",
        f"Coder-Session-Token: {KEY}",
    ]
    assert shlex.split(show) == ["bin/aigw", "session", "last"]


def test_the_last_one_finds_its_way_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "a state"
    words = shlex.split(printed(state)[10])
    assert words[0] == f"AIGW_STATE_DIR={state}"
    assert (tmp_path / words[1]).resolve() == ROOT / "bin" / "aigw"


def test_the_last_one_names_the_variables_that_lead_to_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    shown = {"AIGW_TABLE": "records", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    start = printed_start(
        PORTS, KEY, "anthropic", "anthropic", state_dir=Path(".aigw"), shown=shown
    )
    assert shlex.split(start.splitlines()[10]) == [
        "AIGW_TABLE=records",
        "AWS_ENDPOINT_URL=http://127.0.0.1:4566",
        "bin/aigw",
        "session",
        "last",
    ]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("anthropic", "v1/messages"),
        ("bedrock", "v1/messages"),
        ("openai", "v1/chat/completions"),
        ("azure", "v1/chat/completions"),
        ("copilot", "chat/completions"),
    ],
)
def test_the_message_is_streamed_in_the_providers_dialect(kind: str, path: str) -> None:
    words = shlex.split(message_command("http://127.0.0.1:4180", KEY, "mine", kind))
    assert words[2] == f"http://127.0.0.1:4180/mine/{path}"
    assert f"Authorization: Bearer {KEY}" in words
    body = json.loads(words[words.index("-d") + 1])
    assert body["stream"] is True
    assert body["messages"][0]["role"] == "user"
    assert ("max_tokens" in body) is path.endswith("messages")
    assert ("stream_options" in body) is path.endswith("completions")
