"""Where the gateway runs: one process after the other on a socket, or sandboxes behind a front."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, final

from local import deployed
from local.function_url import FunctionUrl
from tests.crash.ledgers import Ledger
from tests.e2e.product import ROOT

PATH = ":".join(str(path) for path in (*deployed.LAYERS, ROOT))
JOB_SECONDS, DEATH_SECONDS = 60.0, 10.0
WAITING = 2048


class Host(Protocol):
    """Serves gateways on ``port``; whoever dies has a successor."""

    port: int

    async def serve(self, ledger: Ledger, variant: str = "") -> None:
        """Serve over another ledger from now on."""

    async def end_gateways(self) -> None:
        """Kill what serves: the next request finds a new process."""

    async def died(self) -> bool:
        """Wait until a gateway has died by itself; false when that takes too long."""

    async def stop(self) -> None: ...


@final
class Embedded:
    """A nursery of gateways, which runs jobs as well."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process
        self._serves = False
        self._ended: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def started(cls, log: Path, aws: Mapping[str, str]) -> "Embedded":
        listening = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PATH, "PYTHONSAFEPATH": "1", **aws}
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.crash.nursery", str(listening.fileno())),
                env=environment,
                cwd=ROOT,
                pass_fds=[listening.fileno()],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        port: int = listening.getsockname()[1]
        listening.close()
        return cls(process, port)

    async def serve(self, ledger: Ledger, variant: str = "") -> None:
        await self._say(serve={**ledger.environment, "CRASH_VARIANT": variant})
        if self._serves:
            await self.ended("gateway")
        self._serves = True

    async def end_gateways(self) -> None:
        await self._say(restart=True)
        await self.ended("gateway")

    async def died(self) -> bool:
        with contextlib.suppress(TimeoutError):
            return await self.ended("gateway", DEATH_SECONDS) < 0
        return False

    async def run(
        self, job: str, ledger: Ledger, arguments: Mapping[str, object], variant: str = ""
    ) -> int:
        """Run a job in a process of its own; return its status, negative if it was killed."""
        environment = {**ledger.environment, "CRASH_VARIANT": variant}
        await self._say(run=job, environment=environment, arguments=arguments)
        return await self.ended(job)

    async def ended(self, name: str, seconds: float = JOB_SECONDS) -> int:
        """Wait for a process to end; forget the ends before that. Raises ``TimeoutError``."""
        async with asyncio.timeout(seconds):
            while True:
                ended, status = await self._ended.get()
                if ended == name:
                    return status

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def _say(self, **order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "ended" in said:
                self._ended.put_nowait((said["ended"], said["status"]))


@final
class Sandboxed:
    """Sandboxes behind a Function URL; ``log`` takes what they say."""

    def __init__(self, log: Path) -> None:
        self.port = 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._front: FunctionUrl | None = None
        self._order = log

    async def serve(self, ledger: Ledger, variant: str = "") -> None:
        await self._end_front()
        self._order = ledger.order
        function = deployed.gateway(ledger.environment, self._log, most_sandboxes=2)
        ours = {
            "STREAM_APP": "tests.crash.app:app",
            "PYTHONPATH": PATH,
            "CRASH_ORDER": str(ledger.order),
            "CRASH_VARIANT": variant,
        }
        self._front = FunctionUrl(replace(function, environment={**function.environment, **ours}))
        self.port = await self._front.start()

    async def end_gateways(self) -> None:
        assert self._front is not None
        for sandbox in tuple(self._front.sandboxes._all):
            sandbox.end()

    async def died(self) -> bool:
        """Whoever dies takes the order with it; its front may take a moment to see it."""
        assert self._front is not None
        living = {s._exited for s in self._front.sandboxes._all if s._exited is not None}
        if self._order.exists() and living:
            await asyncio.wait(living, timeout=DEATH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return not self._order.exists()

    async def stop(self) -> None:
        await self._end_front()
        os.close(self._log)

    async def _end_front(self) -> None:
        if self._front is not None:
            await self._front.stop()
