"""The gateway function in a sandbox: its cold start, its memory, and its own time before it sends.

The process is driven through the Runtime API as Lambda drives it, without a front before it.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import final

from aigateway.settings import Settings
from bench import traffic
from bench.client import Broken
from bench.layer import Layer
from bench.paced import length_in, writes
from bench.processes import ROOT, Peer
from local.__main__ import prepare
from local.front.function import Function, environment_of
from local.front.http1 import Request
from local.front.invocation import Invocation
from local.front.runtime_api import RuntimeApi
from local.front.url_event import Seen, encoded_event, new_trace

START_SECONDS = 60.0
WARM_REQUESTS = 10
COUNTED = """
import json, runpy, sys
before = set(sys.modules)
runpy.run_path(sys.argv[1], run_name="app")
print(json.dumps(sorted(set(sys.modules) - before)))
"""

Environment = Mapping[str, str]


@final
@dataclass(frozen=True, slots=True)
class Cold:
    """From the start of the process to its first ``next``; ``wall_ms`` counts other processes."""

    cpu_ms: float
    wall_ms: float
    resident_mib: float


@final
@dataclass(frozen=True, slots=True)
class Warm:
    """A sandbox that serves one request after the other.

    ``own_ms``: from the event to the first byte of the request to the provider; ``first_ms``: the
    same for the first request, which opens what the start did not need.
    """

    own_ms: float
    first_ms: float
    resident_mib: float


@asynccontextmanager
async def started(
    layer: Layer, environment: Environment, folder: Path
) -> AsyncIterator[tuple[RuntimeApi, Peer]]:
    """Start the process and wait for its first ``next``. Raises ``Broken``."""
    api = RuntimeApi("arn:aws:lambda:us-east-1:123456789012:function:bench")
    function = Function(
        name="bench",
        command=[str(layer.wrapper), layer.interpreter, "bootstrap"],
        handler="app.handler",
        task_root=folder,
        environment={**environment, "PYTHONPATH": layer.packages, "STREAM_APP": "app:app"},
    )
    process = await asyncio.create_subprocess_exec(
        *function.command,
        env=environment_of(function, await api.start(), "bench"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        await asyncio.wait_for(api.idle.wait(), START_SECONDS)
        yield api, Peer(("", 0), process.pid)
    except TimeoutError:
        raise Broken("a sandbox did not start") from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await api.stop()


async def cold_start(layer: Layer, environment: Environment, folder: Path, starts: int) -> Cold:
    """Return the median of so many starts, behind one that is not counted."""
    found: list[Cold] = []
    for _ in range(starts + 1):
        began = time.perf_counter()
        async with started(layer, environment, folder) as (_, peer):
            wall = time.perf_counter() - began
            found.append(Cold(peer.cpu_seconds() * 1000, wall * 1000, peer.resident_mib()))
    counted = found[1:]
    return Cold(
        median(each.cpu_ms for each in counted),
        median(each.wall_ms for each in counted),
        median(each.resident_mib for each in counted),
    )


async def warm(layer: Layer, environment: Environment, key: str, rounds: int) -> Warm:
    """Serve requests through one sandbox. Raises ``Broken``."""
    async with arrivals() as (port, arrived):
        await prepared(environment, port, key)
        folder = ROOT / "functions" / "gateway"
        async with started(layer, environment, folder) as (api, peer):
            took = [await _once(api, arrived, key) for _ in range(WARM_REQUESTS + rounds)]
            own = median(took[WARM_REQUESTS:]) * 1000
            return Warm(own, took[0] * 1000, peer.resident_mib())


async def _once(api: RuntimeApi, arrived: asyncio.Queue[float], key: str) -> float:
    """Return the seconds from the event to the first byte that the provider gets."""
    invocation = Invocation(_event(key))
    invocation.start(START_SECONDS)
    await asyncio.wait_for(api.idle.wait(), START_SECONDS)
    began = time.perf_counter()
    api.give(invocation)
    body = await asyncio.wait_for(invocation.whole(), START_SECONDS)
    if b"message_stop" not in body:
        raise Broken(f"the sandbox answered: {body[:200]!r}")
    return arrived.get_nowait() - began


def _event(key: str) -> bytes:
    """Return the bench's request as a Function URL hands it over."""
    raw = traffic.request(key, body_bytes=1_000, events=traffic.FRAME_EVENTS + 5, gap_us=0)
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(": ")[::2] for line in lines)
    headers = tuple((name.lower(), value) for name, value in pairs)
    request = Request(first.split()[0], first.split()[1], headers)
    return encoded_event(request, body, Seen("bench", new_trace(None), "127.0.0.1", "bench"))


@asynccontextmanager
async def arrivals() -> AsyncIterator[tuple[int, asyncio.Queue[float]]]:
    """Serve a provider that notes when the first byte of each request came; gives its port."""
    arrived: asyncio.Queue[float] = asyncio.Queue()
    answer = b"".join(writes(traffic.stream(traffic.FRAME_EVENTS + 5)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while first := await reader.read(1):
            arrived.put_nowait(time.perf_counter())
            head = first + await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(length_in(head))
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], arrived


async def prepared(environment: Environment, port: int, key: str) -> None:
    """Give the store of an environment its key and a provider on the port."""
    base = f"http://127.0.0.1:{port}"
    row = {"name": "anthropic", "type": "anthropic", "base_url": base, "api_keys": ["bench-key"]}
    given = {"AIGW_ADMIN_KEY": key, "AIGW_PROVIDERS_JSON": json.dumps([row])}
    await prepare(Settings.from_env(environment), {**environment, **given}, port)


def imported(layer: Layer, environment: Environment) -> Counter[str]:
    """Return how many modules the function's import loads, by package."""
    app = ROOT / "functions" / "gateway" / "app.py"
    done = subprocess.run(
        [layer.interpreter, "-c", COUNTED, str(app)],
        env={**environment, "PYTHONPATH": layer.packages, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        check=True,
    )
    own = {name.removeprefix("_") for name in sys.stdlib_module_names}
    found = (name for name in json.loads(done.stdout) if "cython_" not in name)
    packages = (name.partition(".")[0].removeprefix("_") for name in found)
    return Counter("Python" if each in own else each for each in packages)
