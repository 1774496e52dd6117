"""The image's commands, without a container engine: copied, set and run in a folder instead."""

import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest

ROOT = Path(__file__).parents[2]
HOME, STATE = "/opt/aigw", "/var/lib/aigw"
KEY = "aigw_00112233445566aa_" + "k" * 43
LINES = [
    line.split(" ", 1)
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def all_of(instruction: str) -> list[str]:
    return [rest for name, rest in LINES if name == instruction]


@final
@dataclass(frozen=True, slots=True)
class Container:
    """A folder that holds what the image holds, but for the packages: those are this venv's."""

    folder: Path

    def placed(self, text: str) -> str:
        return text.replace(HOME, f"{self.folder}{HOME}").replace(STATE, f"{self.folder}{STATE}")

    def environment(self, **own: str) -> dict[str, str]:
        pairs = [shlex.split(self.placed(line)) for line in all_of("ENV")]
        of_image = dict(pair.split("=", 1) for line in pairs for pair in line)
        return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | of_image | own


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    container = Container(tmp_path_factory.mktemp("container"))
    for line in all_of("COPY"):
        source, target = line.split()
        place = container.folder / HOME[1:] / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
    (container.folder / STATE[1:]).mkdir(parents=True)
    return container


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def ask(port: int, method: str, path: str, body: object, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content
    finally:
        connection.close()


def await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the process ended at its start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nobody listens")


def await_ready(port: int) -> None:
    """Wait as an orchestrator does: the pool is published only after both processes listen."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    pytest.fail("the gateway is not ready")


@pytest.fixture
def ports(container: Container) -> Iterator[dict[str, int]]:
    """Start the image's command, and the same for the other process and a scripted provider."""
    [command] = all_of("CMD")
    gateway: list[str] = json.loads(command)
    ports = {name: free_port() for name in ("provider", "control", "gateway")}
    providers = [
        {
            "name": "anthropic",
            "type": "anthropic",
            "base_url": f"http://127.0.0.1:{ports['provider']}",
            "api_keys": ["scripted"],
        }
    ]
    started = []
    try:
        for name, port in ports.items():
            own = {
                "AIGW_HTTP_ADDRESS": f"127.0.0.1:{port}",
                "AIGW_ALLOWED_PRIVATE_CIDRS": "127.0.0.0/8",
            }
            if name == "control":
                own |= {"AIGW_ADMIN_KEY": KEY, "AIGW_PROVIDERS_JSON": json.dumps(providers)}
            process = subprocess.Popen(
                [*gateway[:-1], name],
                cwd=container.folder / HOME[1:],
                env=container.environment(**own),
            )
            started.append(process)
            await_port(process, port)
        await_ready(ports["gateway"])
        yield ports
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        ends = [process.wait(20) for process in started]
    assert set(ends) <= {0, -signal.SIGTERM}, "a process had to be told twice, or failed"


def test_both_processes_of_the_image_serve_and_share_what_is_recorded(
    ports: dict[str, int],
) -> None:
    message = {
        "model": "claude-sonnet-5",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Is this a container?"}],
    }
    headers = {"X-Api-Key": KEY, "Content-Type": "application/json"}
    ask(ports["gateway"], "POST", "/anthropic/v1/messages", message, headers)
    listed = ask(
        ports["control"],
        "GET",
        "/api/v2/aibridge/interceptions",
        None,
        {"Coder-Session-Token": KEY},
    )
    assert b"Is this a container?" in listed


def test_the_commands_of_the_build_name_what_was_copied(container: Container) -> None:
    for command in all_of("RUN"):
        words = shlex.split(command)
        if words[0] == "pip":
            assert "--require-hashes" in words
            assert Path(container.placed(words[words.index("-r") + 1])).is_file()
            target = words[words.index("--target") + 1]
            assert target in container.environment()["PYTHONPATH"] or target.startswith(HOME)
        else:
            done = subprocess.run(
                shlex.split(container.placed(command)),
                env=container.environment(),
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr


@pytest.mark.deployed
def test_the_packages_of_the_image_are_enough(container: Container, tmp_path: Path) -> None:
    """Install them as the image does, with the pip that every Python brings along."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "python"], check=True)
    environment = {"PATH": f"{tmp_path / 'python' / 'bin'}:{os.environ['PATH']}"}
    install = next(command for command in all_of("RUN") if command.startswith("pip "))
    subprocess.run(
        shlex.split(container.placed(install)),
        env=environment,
        check=True,
    )
    done = subprocess.run(
        ["python", "-c", "import local.serve, local.container, cli.__main__"],
        cwd=container.folder / HOME[1:],
        env=container.environment() | environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_image_runs_as_nobody_and_keeps_its_state_in_a_volume() -> None:
    assert all_of("USER") == ["10001"]
    assert all_of("VOLUME") == [STATE]
