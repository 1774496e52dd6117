"""A stranger pastes the commands of README.md, in order, and they work as printed."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.product import ROOT, clean_environment

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
README = (ROOT / "README.md").read_text()
PORTS = {"4180": "GATEWAY_PORT", "4181": "API_PORT"}


def blocks(language: str, section: str) -> list[str]:
    """Return the code blocks of one language below a heading."""
    text = README.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [body for kind, body in BLOCK.findall(text) if kind == language]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is tracked, with the installed packages of the one under test."""
    folder = tmp_path_factory.mktemp("checkout")
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, tracked)):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv-run").symlink_to(ROOT / ".venv-run", target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def ports(checkout: Path) -> Iterator[dict[str, str]]:
    """``make run`` as README says, on free ports; gives the ports by the printed ones."""
    if not (ROOT / ".venv-run" / "ready").exists():
        pytest.fail("`make setup` has not run")
    environment = clean_environment(checkout, {})
    for name in ("AIGW_STATE_DIR", "AIGW_ADMIN_KEY", "PYTHONPATH", "PYTHONSAFEPATH"):
        environment.pop(name)
    (command,) = [line for line in blocks("sh", "Start")[0].splitlines() if line]
    assert command == "make run"
    with subprocess.Popen(
        command.split(),
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        ready = next(line for line in process.stdout if line.startswith("ready "))
        found = re.findall(r":(\d+)", ready)
        yield dict(zip(PORTS, found, strict=True))
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)


def paste(checkout: Path, ports: dict[str, str], commands: str) -> str:
    """Run commands in a shell, as a person would, on the ports of this run."""
    environment = clean_environment(checkout, {})
    for name in ("AIGW_STATE_DIR", "AIGW_ADMIN_KEY", "PYTHONPATH", "PYTHONSAFEPATH"):
        environment.pop(name)
    for printed, real in ports.items():
        commands = commands.replace(f":{printed}", f":{real}")
        environment[PORTS[printed]] = real
    done = subprocess.run(
        ["sh", "-euc", commands],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_message_is_recorded(checkout: Path, ports: dict[str, str]) -> None:
    said = paste(checkout, ports, blocks("sh", "Start")[1])
    assert "event: message_stop" in said
    assert "▌ What is in this folder?" in said


def test_the_demo_prints_a_session(checkout: Path, ports: dict[str, str]) -> None:
    said = paste(checkout, ports, blocks("sh", "Start")[2])
    assert "529" in said
    assert said.count("→") >= 3


def test_users_and_keys_can_be_made(checkout: Path, ports: dict[str, str]) -> None:
    said = paste(checkout, ports, blocks("sh", "Users and keys")[0])
    assert re.search(r"aigw_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", said)
    assert "alice" in said


def test_the_queries_answer(checkout: Path, ports: dict[str, str]) -> None:
    setting = "export AIGW_KEY=$(cat .aigw/admin.key)\n"
    paste(checkout, ports, blocks("sh", "Start")[1])
    for line in filter(None, blocks("sh", "Query")[0].splitlines()):
        document = json.loads(paste(checkout, ports, setting + line))
        assert "message" not in document, line


def test_the_provider_example_is_accepted(checkout: Path, ports: dict[str, str]) -> None:
    (example,) = blocks("sh", "Your own providers")
    said = paste(checkout, ports, example + '\nprintf %s "$AIGW_PROVIDERS_JSON"')
    assert json.loads(said)[0]["type"] == "openai-compat"


def test_the_client_settings_name_the_addresses_that_a_start_prints() -> None:
    section = README.split("\n## Point your client at it\n", 1)[1].split("\n## ", 1)[0]
    urls = set(re.findall(r"http://127\.0\.0\.1:\d+[/\w.-]*", section))
    assert urls == {
        "http://127.0.0.1:4180/anthropic",
        "http://127.0.0.1:4180/anthropic/v1",
        "http://127.0.0.1:4180/openai/v1",
    }
    for block in blocks("json", "Point your client at it"):
        json.loads(block)
