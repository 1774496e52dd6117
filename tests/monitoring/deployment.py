"""The product as it is deployed, its gateway in many sandboxes, watched by a real Prometheus."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, final

import pytest

from aigateway.caller.keys import key_from, new_secret
from aigateway.ledger import open_store
from aigateway.ledger.store import Store
from aigateway.settings import Settings
from local import deployed
from local.__main__ import LOOPBACK
from local.function_url import FunctionUrl
from tests.builders import a_user
from tests.e2e.front_client import Client, Got
from tests.e2e.product import ROOT, Product, clean_environment, running
from tests.monitoring import servers
from tests.monitoring.gate import Gate, Trouble
from tests.monitoring.plans import KEYS, Asked
from tests.monitoring.servers import Prometheus

PEOPLE = ("alice", "bob", "carol")
INSTANCE = "stack-exact"
NEVER = "24h"


@final
class Deployment:
    """``ahead``: by how many seconds the clock of the next tick runs before the machine's."""

    def __init__(
        self,
        store: Store,
        front: FunctionUrl,
        port: int,
        gate: Gate,
        prometheus: Prometheus,
        environment: Mapping[str, str],
    ) -> None:
        self.store = store
        self.prometheus = prometheus
        self.gate = gate
        self.ahead = 0.0
        self.sent: Counter[str] = Counter()
        self._front = front
        self._port = port
        self._environment = environment
        self._secrets: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    async def add_people(self) -> None:
        now = datetime.now(UTC)
        for name in PEOPLE:
            user, secret = a_user(name), new_secret()
            await self.store.add_user(user)
            await self.store.put_key(
                key_from(secret, user.id, "test", now, now + timedelta(days=1))
            )
            self._secrets[name], self.ids[name] = secret, user.id

    async def live(self, asked: list[Asked], at_once: int) -> None:
        """Send all of it, so many requests at a time."""
        left = deque(asked)

        async def work() -> None:
            while left:
                await self._send(left.popleft())

        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(work())

    async def _send(self, asked: Asked) -> None:
        secret = "aigw_00112233445566bb_" + "k" * 43
        if asked.person is not None:
            secret = self._secrets[asked.person]
        headers = (("authorization", f"Bearer {secret}"), *asked.headers)
        async with Client(self._port) as client:
            await client.send(asked.method, asked.path, headers, asked.body)
            got = await client.head()
            if asked.kills:
                await self._kill(asked, client, got)
            else:
                await client.rest(got)
        if asked.counts_as not in ("", "passthrough"):
            assert got.values("x-ai-gateway-error") == [asked.counts_as]
        elif asked.is_recorded:
            assert got.values("x-ai-gateway-interception-id"), (got.status, got.body)
        self.sent[asked.counts_as or ("killed" if asked.kills else "recorded")] += 1

    async def _kill(self, asked: Asked, client: Client, got: Got) -> None:
        """Kill the sandbox that sends an answer, once that has come as far as is wanted."""
        while asked.killed_at not in got.body or not got.body:
            assert await client.piece(got)
        (request_id,) = got.values("x-amzn-requestid")
        ending = asyncio.create_task(client.rest(got))
        await asyncio.wait({ending}, timeout=asked.killed_after_seconds)
        self._front.sandboxes.kill(request_id)
        await ending

    async def tick(
        self, ahead: float, trouble: Trouble | None = None, lets: int = 1
    ) -> Mapping[str, float] | None:
        """Run the scheduled function once; return what it counted, ``None`` if it was killed."""
        self.ahead = ahead
        self.gate.trouble, self.gate.lets, self.gate.passed = trouble, lets, 0
        ticking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.monitoring.ticking", str(ahead)),
            env={**self._environment, "AIGW_PROM_REMOTE_WRITE_URL": self.gate.address},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        self.gate.publisher = ticking.pid
        said, _ = await ticking.communicate()
        if trouble in ("killed", "killed unheard"):
            assert ticking.returncode == -signal.SIGKILL
            return None
        assert ticking.returncode == 0
        counted: dict[str, float] = json.loads(said)
        return counted

    @property
    def now(self) -> float:
        """The time of the last tick, by its own clock, or a little later."""
        return time.time() + self.ahead

    def held(self, names: str) -> dict[Any, float]:
        """Return what Prometheus holds, without the labels that every series has."""
        found = self.prometheus.ask(f'{{__name__=~"{names}",instance="{INSTANCE}"}}', self.now)
        return {
            tuple(pair for pair in labels if pair[0] not in ("instance", "job")): value
            for labels, value in found.items()
        }


@asynccontextmanager
async def deployment(home: Path, sandboxes: int) -> AsyncIterator[Deployment]:
    """Start everything; ends it all."""
    with product(home) as started, servers.prometheus(home) as prometheus:
        environment = variables(home, started)
        log = os.open(home / "sandboxes.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        front = FunctionUrl(deployed.gateway(environment, log, most_sandboxes=sandboxes))
        gate = Gate(prometheus.write_url)
        store = open_store(Settings.from_env(environment))
        await gate.start()
        await store.start()
        made = Deployment(store, front, await front.start(), gate, prometheus, environment)
        try:
            await made.add_people()
            yield made
        finally:
            await front.stop()
            await gate.stop()
            await store.stop()
            os.close(log)


@contextmanager
def product(home: Path) -> Iterator[Product]:
    """The product whose table, secrets and provider are used; it publishes nothing itself."""
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    rows = [
        {"name": "anthropic", "type": "anthropic", "api_keys": KEYS[:1]},
        {"name": "listed", "type": "anthropic", "api_keys": KEYS[:1]},
        {"name": "pooled", "type": "anthropic", "api_keys": KEYS},
        {"name": "openai", "type": "openai", "api_keys": KEYS[:1]},
    ]
    address = f"http://127.0.0.1:{port}"
    for row in rows:
        row["base_url"] = address + ("/v1" if row["type"] == "openai" else "")
    quiet = {"AIGW_METRICS_ENDPOINT": "false", "AIGW_RELOAD_INTERVAL": NEVER}
    named = {"AIGW_PROVIDERS_JSON": json.dumps(rows), "PROVIDER_PORT": str(port)}
    with running(home, "run-lambda", **quiet, **named) as started, _account(started.shown):
        yield started


@contextmanager
def _account(shown: Mapping[str, str]) -> Iterator[None]:
    """Let the SDK of this process find the same table."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shown.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield


def variables(home: Path, started: Product) -> dict[str, str]:
    """Return the variables of the functions."""
    ours = {
        **started.shown,
        "AWS_REGION": "us-east-1",
        "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK,
        "AIGW_METRICS_INSTANCE": INSTANCE,
    }
    made = clean_environment(home, ours)
    del made["AIGW_ADMIN_KEY"]
    return made
