"""The real Prometheus and Pushgateway, each on a free port with a folder of its own."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

HOST = "127.0.0.1"
LOOKS, LOOK_SECONDS = 400, 0.05
Labels = tuple[tuple[str, str], ...]


def program(name: str) -> str:
    """Return the path of a program; without it the test is skipped, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        said = f"{name} is not installed: make prometheus"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found


@final
class Prometheus:
    """A server that takes remote writes."""

    def __init__(self, port: int) -> None:
        self.address = f"http://{HOST}:{port}"
        self.write_url = f"{self.address}/api/v1/write"

    def ask(self, query: str, at: float) -> dict[Labels, float]:
        """Return the vector of an instant query: labels to value."""
        return {_labels(each): float(each["value"][1]) for each in self._result(query, at)}

    def course(self, query: str, at: float) -> dict[Labels, list[float]]:
        """Return the samples that a range of time holds: labels to values, oldest first."""
        return {
            _labels(each): [float(value) for _, value in each["values"]]
            for each in self._result(query, at)
        }

    def _result(self, query: str, at: float) -> list[dict[str, Any]]:
        asked = urlencode({"query": query, "time": f"{at:.3f}"}).encode()
        with urlopen(Request(f"{self.address}/api/v1/query", asked)) as answer:  # noqa: S310 - loopback
            document: dict[str, Any] = json.load(answer)
        found: list[dict[str, Any]] = document["data"]["result"]
        return found


def _labels(found: dict[str, Any]) -> Labels:
    return tuple(sorted(found["metric"].items()))


@final
class Pushgateway:
    def __init__(self, port: int) -> None:
        self.address = f"http://{HOST}:{port}"

    def text(self) -> str:
        with urlopen(f"{self.address}/metrics") as answer:  # noqa: S310 - loopback
            body: bytes = answer.read()
        return body.decode()


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    port = free_port()
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--web.enable-remote-write-receiver",
        "--log.level=error",
    ]
    with running(command, f"http://{HOST}:{port}/-/ready"):
        yield Prometheus(port)


@contextmanager
def pushgateway(folder: Path) -> Iterator[Pushgateway]:
    port = free_port()
    command = [
        program("prometheus-pushgateway"),
        f"--web.listen-address={HOST}:{port}",
        f"--persistence.file={folder / 'pushed'}",
        "--log.level=error",
    ]
    with running(command, f"http://{HOST}:{port}/-/ready"):
        yield Pushgateway(port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: list[str], ready: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server from when it says that it is ready; end it afterwards."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    try:
        for _ in range(LOOKS):
            if answers(ready):
                break
            try:
                raise AssertionError(f"{command[0]} ended with {process.wait(LOOK_SECONDS)}")
            except subprocess.TimeoutExpired:
                continue
        else:
            raise AssertionError(f"{command[0]} was not ready in time")
        yield
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
