"""The product as real processes, and a plain client that sees bytes."""

import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
KEY = "aigw_00112233445566aa_" + "k" * 43
READY = re.compile(r"ready gateway=(http://\S+) api=(http://\S+)")


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """``whole`` is false when the body broke off."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name), None)

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON of any shape
        return json.loads(self.body)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def call(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request and read its answer as it comes, whole or not."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, dict(headers or {}))
        answer = connection.getresponse()
        try:
            content, whole = answer.read(), True
        except http.client.IncompleteRead as broken:
            content, whole = broken.partial, False
        return Reply(answer.status, answer.getheaders(), content, whole)
    finally:
        connection.close()


@final
class Product:
    """A running product. ``log`` are the requests that its scripted provider saw."""

    def __init__(self, process: subprocess.Popen[str], state: Path, lines: list[str]) -> None:
        self.process = process
        self.state = state
        self.lines = lines
        found = next(m for line in lines if (m := READY.match(line)))
        self.gateway, self.api = found.groups()
        self.key = next(line.split()[1] for line in lines if line.startswith("key "))

    @property
    def provider(self) -> str:
        row = self.ask_provider_url()
        parts = urlsplit(row)
        return f"http://{parts.hostname}:{parts.port}"

    def ask_provider_url(self) -> str:
        import sqlite3  # noqa: PLC0415 - a look from outside

        with sqlite3.connect(self.state / "ledger.db") as ledger:
            (document,) = ledger.execute(
                "SELECT document FROM provider WHERE name = 'anthropic'"
            ).fetchone()
        return str(json.loads(document)["base_url"])

    def log(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = call(f"{self.provider}/_log").document
        return [entry for entry in entries if not entry["target"].startswith("/_log")]

    def reset_log(self) -> None:
        call(f"{self.provider}/_log/reset", "POST")

    def post(self, path: str, document: object, headers: Mapping[str, str] | None = None) -> Reply:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return call(f"{self.gateway}{path}", "POST", body, sent | dict(headers or {}))

    def query(self, path: str, key: str | None = None) -> Reply:
        url = f"{self.api}/api/v2/aibridge/{path}"
        return call(url, headers={"Coder-Session-Token": key or self.key})

    def record(self, reply: Reply) -> dict[str, Any]:
        """Return the interception that an answer belongs to."""
        found = self.query(f"interceptions/{reply.header('x-ai-gateway-interception-id')}")
        assert found.status == 200, found.body
        document: dict[str, Any] = found.document
        return document

    def child(self, name: str) -> int:
        """Return the process id of the gateway, the control process or the provider."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in children.split():
            if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return int(pid)
        raise LookupError(name)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def clean_environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a fresh machine: nothing of ours is inherited."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{ROOT / 'layers/gateway'}:{ROOT}",
        "PYTHONSAFEPATH": "1",
        "GATEWAY_PORT": "0",
        "API_PORT": "0",
        "PROVIDER_PORT": "0",
        "AIGW_STATE_DIR": str(home / "state"),
        "AIGW_ADMIN_KEY": KEY,
        "AIGW_SNAPSHOT_POLL": "0",
        **extra,
    }


@contextmanager
def running(home: Path, **extra: str) -> Iterator[Product]:
    """Start the product and end it; its state stays in ``home``."""
    environment = clean_environment(home, extra)
    command = [sys.executable, "-m", "cli", "run"]
    with subprocess.Popen(
        command,
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if "session last" in line:
                break
        else:
            raise AssertionError("no ready line: " + " / ".join(lines))
        try:
            yield Product(process, Path(environment["AIGW_STATE_DIR"]), lines)
        finally:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=30)
