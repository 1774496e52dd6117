"""A scripted coding session through a running gateway, or one started for it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

from aigateway.settings import Settings
from cli.ledger import Mistake
from local import demo, demo_others

GATEWAY_PORT = "4180"
PROVIDER = "anthropic"
LOOPBACK = "127.0.0.1"
READY = "ready "
PROBE_SECONDS = 2
STOP_SECONDS = 20


def drive(environment: Mapping[str, str], settings: Settings) -> str:
    """Hold the session, after some requests of other clients, and return its id."""
    port = environment.get("GATEWAY_PORT", GATEWAY_PORT)
    if not port.isascii() or not port.isdigit():
        raise Mistake("GATEWAY_PORT: expected a number", 2)
    if _answers(int(port)):
        return _driven(int(port), environment, settings)
    with _run_of_its_own():
        return _driven(int(port), environment, settings)


def _driven(port: int, environment: Mapping[str, str], settings: Settings) -> str:
    key = environment.get("AIGW_ADMIN_KEY") or _first_key(settings.state_dir)
    gateway = f"http://{LOOPBACK}:{port}"
    try:
        demo_others.drive_others(gateway, key)
        return demo.drive(gateway, key, PROVIDER)
    except demo.DemoFailed as failed:
        raise Mistake(f"the demo stopped: {failed}") from failed


def _first_key(state_dir: Path) -> str:
    try:
        return (state_dir / "admin.key").read_text().strip()
    except OSError as missing:
        told = f"no key in {state_dir}: another directory's gateway is running? AIGW_STATE_DIR"
        raise Mistake(told) from missing


def _answers(port: int) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200  # noqa: PLR2004 - OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _run_of_its_own() -> Iterator[None]:
    running = subprocess.Popen(
        [sys.executable, "-m", "cli", "run"],
        stdout=subprocess.PIPE,
        env=os.environ,
        text=True,
    )
    try:
        if running.stdout is None or not _is_ready(running.stdout):
            raise Mistake("the gateway did not start")
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()


def _is_ready(told: IO[str]) -> bool:
    """Read until the line that says so; an end before it means that the process ended."""
    return any(line.startswith(READY) for line in told)
