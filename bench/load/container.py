"""The two processes of the image, as its commands start them, over one folder of state."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from bench.client import Address
from bench.processes import HOST, Peer, await_listener, ended, free_port, python


@final
@dataclass(frozen=True, slots=True)
class Container:
    gateway: Peer
    control: Peer


def account_of(provider: Address) -> dict[int, tuple[int, bool]]:
    """Return by the number of a request how often it came, and whether it was answered whole."""
    connection = http.client.HTTPConnection(*provider, timeout=30)
    connection.request("GET", "/_log")
    found = json.loads(connection.getresponse().read())
    connection.close()
    return {int(number): (came, whole) for number, (came, whole) in found.items()}


@contextmanager
def container(provider: Peer, state: Path, key: str) -> Iterator[Container]:
    """Start control first, as the documentation says, then the gateway. Raises ``Broken``."""
    base = f"http://{HOST}:{provider.address[1]}"
    rows = [
        {"name": name, "type": name, "base_url": base + path, "api_keys": ["bench-key"]}
        for name, path in (("anthropic", ""), ("openai", "/v1"))
    ]
    more = {"AIGW_ADMIN_KEY": key, "AIGW_PROVIDERS_JSON": json.dumps(rows)}
    state.mkdir()
    with (
        _process("control", state, more) as control,
        _process("gateway", state, {}) as gateway,
    ):
        yield Container(gateway, control)


@contextmanager
def _process(name: str, state: Path, more: dict[str, str]) -> Iterator[Peer]:
    """Start one of the two; its lines go to a file, as an engine would have it."""
    address = (HOST, free_port())
    settings = more | {
        "AIGW_HTTP_ADDRESS": f"{HOST}:{address[1]}",
        "AIGW_STATE_DIR": str(state),
        "AIGW_ALLOWED_PRIVATE_CIDRS": "127.0.0.0/8",
    }
    with (state / f"{name}.log").open("wb") as log:
        process = python("-m", "local.serve", name, log=log, **settings)
        try:
            await_listener(address, process, name)
            yield Peer(address, process.pid)
        finally:
            ended(process)
