"""The product as its doors start it, and what its API and its scripted provider tell."""

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from aigateway.pool.bedrock import PROTOCOLS
from local.scripted.signatures import SECRET, STATIC_BEGINNING

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
SETTLE_SECONDS = 15
Document = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Product:
    """A running product and its scripted provider, addressed by their base URLs.

    ``said`` are the lines that it has printed so far.
    """

    gateway: str
    api: str
    provider: str
    key: str
    said: list[str]

    @property
    def anthropic(self) -> str:
        return f"{self.gateway}/anthropic"

    @property
    def openai(self) -> str:
        return f"{self.gateway}/openai/v1"

    def aigw(self, *command: str) -> str:
        """Run a command line on the product's store, as the last hint of the start shows it."""
        until = time.monotonic() + SETTLE_SECONDS
        while not self.said[-1].rstrip().endswith(" session last"):
            assert time.monotonic() < until, self.said
            time.sleep(0.05)
        named = (word.partition("=") for word in shlex.split(self.said[-1]) if "=" in word)
        environment = {name: value for name, _, value in named} | {"PATH": os.environ["PATH"]}
        done = subprocess.run(
            [ROOT / "bin" / "aigw", *command], env=environment, capture_output=True, check=True
        )
        return done.stdout.decode()

    def records(self, what: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON of any shape
        url = f"{self.api}/api/v2/aibridge/{what}?{urlencode(parameters)}"
        request = Request(url, headers={"Coder-Session-Token": self.key})  # noqa: S310 - loopback
        return answer_to(request)

    def log(self) -> list[Document]:
        """What the provider was asked, but for what has no script (model lists, probes)."""
        entries: list[Document] = answer_to(Request(f"{self.provider}/_log"))  # noqa: S310 - loopback
        return [entry for entry in entries if entry["asked"]]

    def forget(self) -> None:
        answer_to(Request(f"{self.provider}/_log/reset", method="POST"))  # noqa: S310 - loopback

    def newest(self) -> set[str]:
        return {row["id"] for row in self.records("interceptions", limit="100")["results"]}

    def recorded_since(self, old: set[str]) -> list[Document]:
        """The new interceptions, the oldest first, once as many have ended as the log names."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            rows = self.records("interceptions", limit="100")["results"]
            new = [row for row in rows if row["id"] not in old]
            ended = [row for row in new if row.get("outcome")]
            if len(ended) == len(new) >= len(self.log()) or time.monotonic() > until:
                return sorted(new, key=lambda row: (row["started_at"], row["id"]))
            time.sleep(0.05)


def answer_to(request: Request) -> Any:  # noqa: ANN401 - JSON of any shape
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def bedrock(provider: str) -> dict[str, str]:
    """Variables for a provider of each protocol, named after it, and keys that sign."""
    rows = [
        {
            "name": protocol,
            "type": "bedrock",
            "base_url": f"{provider}/bedrock",
            "settings": {
                "_type": "bedrock",
                "_version": 1,
                "region": "us-east-1",
                "protocol": protocol,
            },
        }
        for protocol in PROTOCOLS
    ]
    return {
        "AIGW_PROVIDERS_JSON": json.dumps(rows),
        "AWS_ACCESS_KEY_ID": f"{STATIC_BEGINNING}00000000",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


@contextmanager
def started(
    folder: Path, door: str, providers: Sequence[Mapping[str, str]] = ()
) -> Iterator[Product]:
    """Run ``bin/aigw`` until the block ends; its home and its state are in ``folder``.

    Door ``bedrock`` is ``run`` with providers of the scripted Bedrock. ``providers``: documents in
    place of the default ones; ``{P}`` in them is the scripted provider.
    """
    gateway, api, provider = free_ports(3)
    key = f"aigw_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GATEWAY_PORT": str(gateway),
        "API_PORT": str(api),
        "PROVIDER_PORT": str(provider),
        "AIGW_STATE_DIR": str(folder / "state"),
        "AIGW_ADMIN_KEY": key,
    }
    if door == "bedrock":
        environment |= bedrock(local(provider))
    if providers:
        documents = json.dumps(providers).replace("{P}", local(provider))
        environment["AIGW_PROVIDERS_JSON"] = documents
    running = subprocess.Popen(
        [ROOT / "bin" / "aigw", "run" if door == "bedrock" else door],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    ready = threading.Event()
    listening = threading.Thread(target=_hear, args=(running, said, ready))
    listening.start()
    try:
        heard = ready.wait(START_SECONDS) and any(line.startswith("ready ") for line in said)
        assert heard, "".join(said)
        yield Product(local(gateway), local(api), local(provider), key, said)
    finally:
        running.send_signal(signal.SIGINT)
        try:
            status = running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            raise
        finally:
            listening.join(10)
    assert status == 0, "".join(said)


def _hear(running: subprocess.Popen[str], said: list[str], ready: threading.Event) -> None:
    """Read all that the product prints, so that it never blocks; ready at its line or its end."""
    assert running.stdout is not None
    with running.stdout as lines:
        for line in lines:
            said.append(line)
            if line.startswith("ready "):
                ready.set()
    ready.set()
