"""Streamed requests to a port, by hand, and what the kernel says of a process."""

import json
from pathlib import Path

from tests.e2e.asks import PATHS
from tests.e2e.asks import ask as asked
from tests.e2e.front_client import Got, ask
from tests.e2e.product import KEY

ID = "x-ai-gateway-interception-id"


def request(wish: str, dialect: str = "messages") -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body of a request that wishes for something of the scripted provider."""
    headers = [
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", "application/json"),
        ("x-fake", wish),
    ]
    return headers, json.dumps(asked(dialect, "hello", stream=True)).encode()


async def streamed(port: int, wish: str, dialect: str = "messages") -> Got:
    return await ask(port, PATHS[dialect], "POST", *request(wish, dialect))


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
