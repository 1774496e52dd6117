"""The gateway as a function: what its sandboxes cost, over the embedded store and over a table."""

import asyncio
import os
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import final

from aigateway.caller.keys import new_secret
from bench import sandbox, traffic
from bench.client import Address, Broken, Connection
from bench.layer import Layer
from bench.processes import HOST, ROOT, Gateway, Peer, environment
from bench.sandbox import Cold, Warm
from local.__main__ import LOOPBACK
from local.aws import LocalAws
from local.foreground import await_ready, start, stop

NOTHING = """
async def app(scope, receive, send):
    raise RuntimeError
"""


@final
@dataclass(frozen=True, slots=True)
class Functions:
    """``nothing`` is a function that imports nothing; the others by the store's name.

    ``url_ms`` and ``uvicorn_ms``: added to the first byte of a body of 1 KB, in milliseconds.
    """

    nothing: Cold
    cold: Mapping[str, Cold]
    warm: Mapping[str, Warm]
    modules: Mapping[str, Counter[str]]
    url_ms: float
    uvicorn_ms: float


def functions(
    layer: Layer, upstream: Peer, running: Gateway, state: Path, *, starts: int, rounds: int
) -> Functions:
    """``running`` keeps its records in ``state``, which the Function URL shares with it.

    Raises ``Broken``.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(NOTHING)
        nothing = asyncio.run(sandbox.cold_start(layer, {}, Path(folder), starts))
    cold: dict[str, Cold] = {}
    warm: dict[str, Warm] = {}
    modules: dict[str, Counter[str]] = {}
    function = ROOT / "functions" / "gateway"
    for name, variables in stores(state.parent):
        key = new_secret()
        warm[name] = asyncio.run(sandbox.warm(layer, variables, key, rounds))
        cold[name] = asyncio.run(sandbox.cold_start(layer, variables, function, starts))
        modules[name] = sandbox.imported(layer, variables)
    with function_url(state) as address:
        url_ms, uvicorn_ms = added(upstream, running, address, rounds)
    return Functions(nothing, cold, warm, modules, url_ms, uvicorn_ms)


def stores(directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the variables that lead to each store, while it is there."""
    own = {"AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK, "AIGW_STATE_DIR": str(directory / "embedded")}
    yield "SQLite", own
    with LocalAws() as stand_in:
        os.environ.update(stand_in.environment)
        yield (
            "DynamoDB",
            own
            | {
                **stand_in.environment,
                "AIGW_TABLE": "records",
                "AIGW_SECRETS_PREFIX": "bench/providers/",
                "AIGW_STATE_DIR": str(directory / "table"),
            },
        )


@contextmanager
def function_url(state: Path) -> Iterator[Address]:
    """Serve the gateway's Function URL over the embedded store of a state directory."""
    listening = socket.create_server((HOST, 0))
    address: Address = listening.getsockname()
    variables = environment(AIGW_STATE_DIR=str(state), AIGW_ALLOWED_PRIVATE_CIDRS=LOOPBACK)
    child = start("gateway", listening, variables, "local.lambda_host")
    try:
        if problem := await_ready([child]):
            raise Broken(problem)
        yield address
    finally:
        stop([child])


def added(upstream: Peer, running: Gateway, url: Address, rounds: int) -> tuple[float, float]:
    """Return what Function URL and uvicorn add to the first byte, in turn, in milliseconds."""
    request = traffic.request(running.key, body_bytes=1_000, events=30, gap_us=1_000)
    expected = b"".join(traffic.stream(30))
    peers = {"direct": upstream.address, "url": url, "uvicorn": running.peer.address}
    connections = {name: Connection(address) for name, address in peers.items()}
    first: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, connection in connections.items():
            answer = connection.exchange(request)
            if answer.body != expected:
                raise Broken(f"bytes differ: {name}")
            first[name].append(answer.first)
    for connection in connections.values():
        connection.close()
    direct = median(first["direct"])
    return (median(first["url"]) - direct) * 1000, (median(first["uvicorn"]) - direct) * 1000
