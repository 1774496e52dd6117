"""Starts what is measured, and reads what the kernel knows of it (Linux only)."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final
from urllib.parse import urlsplit

from aigateway.caller.keys import new_secret
from bench.client import Address, Broken

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
START_SECONDS = 20.0
STOP_SECONDS = 20.0
SCHEDULER_CLOCK = 2
"""The CPU clock of a process that counts nanoseconds (Linux, clock_getcpuclockid)."""

NGINX = """\
{user}worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 64m;
    client_body_buffer_size 1m;
    keepalive_requests 1000000;
    upstream provider {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"""


@final
@dataclass(frozen=True, slots=True)
class Peer:
    """Something that answers at ``address``; ``pid`` is the process that does the work."""

    address: Address
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        return time.clock_gettime((~self.pid << 3) | SCHEDULER_CLOCK)

    def resident_mib(self, kind: str = "VmRSS") -> float:
        """Return the memory it holds; with ``VmHWM`` the most that it ever held."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == kind:
                return int(rest.split()[0]) / 1024
        raise Broken(f"process {self.pid} has ended")


@final
@dataclass(frozen=True, slots=True)
class Gateway:
    """A running product. ``start_seconds``: from the command to its ready line."""

    peer: Peer
    api: Address
    key: str
    start_seconds: float

    def records(self) -> int:
        """Return how many closed interceptions the sessions API knows, up to 10,000."""
        connection = http.client.HTTPConnection(*self.api, timeout=START_SECONDS)
        path = "/api/v2/aibridge/interceptions?limit=1"
        connection.request("GET", path, headers={"Coder-Session-Token": self.key})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status != http.client.OK:
            raise Broken(f"the sessions API answered {response.status}")
        return int(json.loads(text)["count"])


def environment(**more: str) -> dict[str, str]:
    """Return an environment with nothing of the caller's settings in it."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    paths = os.pathsep.join((str(ROOT / "layers/gateway"), str(ROOT)))
    return kept | {"PYTHONSAFEPATH": "1", "PYTHONPATH": paths} | more


def python(*arguments: str, log: IO[bytes] | None = None, **more: str) -> "subprocess.Popen[str]":
    """Start a program of ours; what it prints goes to ``log``, or waits to be read."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if log is None else log,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> None:
    """End a process; one that has ended already is named, as it explains what failed."""
    if process.poll() is not None:
        print(f"bench: {process.args!r} ended with {process.returncode}", file=sys.stderr)
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def first_line(process: "subprocess.Popen[str]", name: str) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise Broken(f"{name} did not start")
    return line


@contextmanager
def provider(module: str = "bench.upstream") -> Iterator[Peer]:
    process = python("-m", module)
    try:
        yield Peer((HOST, int(first_line(process, "the provider"))), process.pid)
    finally:
        ended(process)


@contextmanager
def bare_interpreter() -> Iterator[Peer]:
    """Start an interpreter that has imported nothing, as the zero of memory figures."""
    program = "import sys; print(0, flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        first_line(process, "the interpreter")
        yield Peer((HOST, 0), process.pid)
    finally:
        ended(process)
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def nginx(upstream: Peer, directory: Path) -> Iterator[Peer]:
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        raise Broken("nginx is not installed")
    directory.mkdir()
    port = free_port()
    user = "user root root;\n" if os.geteuid() == 0 else ""
    settings = directory / "nginx.conf"
    settings.write_text(
        NGINX.format(user=user, directory=directory, upstream=upstream.address[1], port=port)
    )
    process = subprocess.Popen(
        [program, "-e", "stderr", "-p", str(directory), "-c", str(settings)],
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        await_listener((HOST, port), process, "nginx")
        yield Peer((HOST, port), children(process.pid)[0])
    finally:
        ended(process)


@contextmanager
def gateway(upstream: Peer, state: Path) -> Iterator[Gateway]:
    """Run the whole product, as ``aigw run`` does, before ``upstream``."""
    base = f"http://{HOST}:{upstream.address[1]}"
    row = {"name": "anthropic", "type": "anthropic", "base_url": base, "api_keys": ["bench-key"]}
    key = new_secret()
    began = time.perf_counter()
    process = python(
        "-m",
        "cli",
        "run",
        GATEWAY_PORT="0",
        API_PORT="0",
        PROVIDER_PORT="0",
        AIGW_STATE_DIR=str(state),
        AIGW_ADMIN_KEY=key,
        AIGW_PROVIDERS_JSON=json.dumps([row]),
    )
    try:
        words = first_line(process, "the gateway").split()
        took = time.perf_counter() - began
        served = dict(word.split("=", 1) for word in words if "=" in word)
        pid = next(pid for pid in children(process.pid) if "gateway" in arguments(pid))
        yield Gateway(Peer(_address(served["gateway"]), pid), _address(served["api"]), key, took)
    finally:
        ended(process)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def await_listener(address: Address, process: "subprocess.Popen[str]", name: str) -> None:
    """Wait until somebody listens. Raises ``Broken``."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(address).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise Broken(f"{name} did not start")
