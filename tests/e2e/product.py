"""The product as real processes, in either composition, and a plain client that sees bytes."""

import hashlib
import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
KEY = "aigw_00112233445566aa_" + "k" * 43
COMPOSITIONS = ("run", "run-lambda")
LISTENING = "0A"
SAID = "said.log"
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
    """A running product. ``log`` are the requests that its scripted provider saw.

    ``lines``: what it printed at its start, and, once it has ended, since then.
    ``composition``: the command that started it, ``run`` or ``run-lambda``.
    """

    def __init__(
        self, process: subprocess.Popen[str], state: Path, lines: list[str], composition: str
    ) -> None:
        self.process = process
        self.state = state
        self.lines = lines
        self.composition = composition
        found = next(m for line in lines if (m := READY.match(line)))
        self.gateway, self.api = found.groups()
        self.key = next(line.split()[1] for line in lines if line.startswith("key "))
        self.provider = f"http://127.0.0.1:{listening_port(self.child('provider'))}"

    @property
    def on_lambda(self) -> bool:
        return self.composition == "run-lambda"

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

    @property
    def shown(self) -> dict[str, str]:
        """Return the variables by which others find the product's store, as its hint says."""
        hint = next(line for line in self.lines if line.endswith(" session last"))
        return dict(word.split("=", 1) for word in shlex.split(hint) if "=" in word)

    def aigw(self, *command: str) -> str:
        """Run a command line on the product's store."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *command],
            env=clean_environment(self.state.parent, self.shown),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def put(self, path: str, document: object) -> Reply:
        """Replace something of the configuration, as the admin."""
        headers = {"Coder-Session-Token": self.key, "Content-Type": "application/json"}
        body = json.dumps(document).encode()
        return call(f"{self.api}/api/v2/ai/{path}", "PUT", body, headers)

    def record(self, reply: Reply) -> dict[str, Any]:
        """Return the interception that an answer belongs to."""
        found = self.query(f"interceptions/{reply.header('x-ai-gateway-interception-id')}")
        assert found.status == 200, found.body
        document: dict[str, Any] = found.document
        return document

    def child(self, name: str) -> int:
        """Return the process id of the gateway, the control process or the provider."""
        return child_of(self.process.pid, name)

    @property
    def stand_in(self) -> int:
        """Return the process id of the local AWS stand-in."""
        shell = child_of(self.process.pid, "/bin/sh")
        (program,) = (pid for pid in children_of(shell) if b"ministack" in command_of(pid)[1])
        return program

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def child_of(pid: int, argument: str) -> int:
    """Return the child process that has the argument."""
    for child in children_of(pid):
        if argument.encode() in command_of(child):
            return child
    raise LookupError(argument)


def command_of(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]


def listening_port(pid: int) -> int:
    """Return the port that a process listens on, by the kernel's table of sockets."""
    opened: set[str] = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.add(str(path.readlink()))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        cells = line.split()
        if cells[3] == LISTENING and f"socket:[{cells[9]}]" in opened:
            return int(cells[1].partition(":")[2], 16)
    raise LookupError(pid)


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
def running(
    home: Path, composition: str = "run", *switches: str, **extra: str
) -> Iterator[Product]:
    """Start the product and end it; its state stays in ``home``, and what it said behind its start.

    Its first lines show the first key, to whoever started it.
    """
    environment = clean_environment(home, extra)
    command = [sys.executable, "-m", "cli", composition, *switches]
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
            yield Product(process, Path(environment["AIGW_STATE_DIR"]), lines, composition)
        finally:
            if process.poll() is None:
                process.terminate()
            rest, _ = process.communicate(timeout=30)
            (home / SAID).write_text(rest)
            lines.extend(rest.splitlines())
