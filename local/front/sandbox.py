"""One sandbox: a process group and its Runtime API.

Theory of operation. The first event starts the process; it runs until it asks for the next
event, is then frozen by SIGSTOP, and thawed by the next event. It ends by SIGKILL only: at the
timeout, over its memory, after an idle time. Its group belongs to this process's session, so
that the kernel ends frozen groups (SIGHUP, SIGCONT) when this process is killed itself.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from local.front.function import Function, environment_of
from local.front.invocation import Fault, Invocation
from local.front.runtime_api import RuntimeApi

WATCH_SECONDS = 0.2
"""Between two looks at a running process's memory."""


@final
class Sandbox:
    """Runs one event at a time; ``alive`` says whether it can take another."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._api = RuntimeApi(function.arn)
        self._process: asyncio.subprocess.Process | None = None
        self._exited: asyncio.Task[int] | None = None
        self._init_ms: float | None = None
        self._peak_mb = 0
        self._killed = False
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        process = self._process
        runs = process is not None and process.returncode is None and not self._killed
        return runs and self._api.idle.is_set()

    @property
    def pid(self) -> int | None:
        """The process, which leads its group."""
        return None if self._process is None else self._process.pid

    async def run(self, invocation: Invocation) -> None:
        """Run one event to the end of its invocation, answered or not; start the process first."""
        begun = time.monotonic()
        try:
            if self._process is None:
                await self._initialise(invocation)
            else:
                self._thaw()
            begun = time.monotonic()
            await self._serve(invocation)
        except Fault as fault:
            self._say(f"{_now()} {invocation.request_id} {fault}")
            invocation.end(fault)
            await self.kill()
        finally:
            self._report(invocation, (time.monotonic() - begun) * 1000)

    def rest(self) -> None:
        """Freeze until the next event; killed when there is none for the idle time."""
        self._signal(signal.SIGSTOP)
        self._expiry = asyncio.get_running_loop().call_later(self._function.idle_seconds, self.end)

    async def kill(self) -> None:
        """Kill what runs, wait for its end, and close its Runtime API."""
        self._signal(signal.SIGKILL)
        if self._exited is not None:
            await asyncio.wait({self._exited})
        await self._api.stop()
        if self._expiry is not None:
            self._expiry.cancel()

    def end(self) -> None:
        """Kill what runs, this moment: it takes no other event."""
        self._killed = True
        self._signal(signal.SIGKILL)

    def _thaw(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._signal(signal.SIGCONT)

    async def _initialise(self, invocation: Invocation) -> None:
        """Start the process, once more within the invocation's time when the first one is slow."""
        if await self._launched(self._function.init_seconds):
            return
        self._say(
            f"INIT_REPORT Init Duration: {self._init_ms:.2f} ms\tPhase: init\tStatus: timeout"
        )
        await self.kill()
        self._api = RuntimeApi(self._function.arn)
        invocation.start(self._function.timeout_seconds)
        if not await self._launched(self._function.timeout_seconds):
            raise self._timed_out()

    async def _launched(self, limit_seconds: float) -> bool:
        """Start the process and wait for its first ``next``; false when that takes too long.

        Raises ``Fault`` when the process ends or says that its start failed.
        """
        begun = time.monotonic()
        log_stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{secrets.token_hex(16)}"
        environment = environment_of(self._function, await self._api.start(), log_stream)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._function.command,
                env=environment,
                cwd=self._function.task_root,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._function.log,
                stderr=self._function.log,
                process_group=0,
            )
        except OSError as problem:
            raise Fault("Runtime.InvalidEntrypoint", str(problem)) from problem
        self._exited = asyncio.create_task(self._ended(self._process))
        ready, failed = self._api.idle, self._api.failed
        await self._first_of(ready.wait(), failed.wait(), limit_seconds=limit_seconds)
        self._init_ms = (time.monotonic() - begun) * 1000
        if self._api.init_fault is not None:
            raise self._api.init_fault
        if self._exited.done():
            raise self._exit_fault()
        return ready.is_set()

    async def _serve(self, invocation: Invocation) -> None:
        if not invocation.deadline:
            invocation.start(self._function.timeout_seconds)
        self._say(f"START RequestId: {invocation.request_id} Version: $LATEST")
        self._api.give(invocation)
        while not self._api.idle.is_set():
            left = invocation.seconds_left()
            if left <= 0:
                raise self._timed_out()
            await self._first_of(self._api.idle.wait(), limit_seconds=min(left, WATCH_SECONDS))
            self._watch_memory()
            if self._exited is not None and self._exited.done():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._api.finished(), invocation.seconds_left())
                raise self._exit_fault()

    async def _first_of(
        self, *events: Coroutine[object, object, bool], limit_seconds: float
    ) -> None:
        """Wait for one of the events or the end of the process."""
        waits = [asyncio.ensure_future(event) for event in events]
        exited = [self._exited] if self._exited is not None else []
        try:
            await asyncio.wait(
                [*waits, *exited], timeout=limit_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    def _watch_memory(self) -> None:
        """Raises ``Fault`` when the process has needed more than its memory."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    self._peak_mb = -(-int(line.split()[1]) // 1024)
        if self._peak_mb > self._function.memory_mb:
            raise Fault("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")

    def _timed_out(self) -> Fault:
        seconds = self._function.timeout_seconds
        return Fault("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")

    def _exit_fault(self) -> Fault:
        status = self._process.returncode if self._process is not None else None
        return Fault("Runtime.ExitError", f"Runtime exited with error: exit status {status}")

    @staticmethod
    async def _ended(process: asyncio.subprocess.Process) -> int:
        """Wait for the end of the process, and end what it left in its group."""
        status = await process.wait()
        _signal_group(process.pid, signal.SIGKILL)
        return status

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            _signal_group(self._process.pid, number)

    def _report(self, invocation: Invocation, duration_ms: float) -> None:
        init = "" if self._init_ms is None else f"\tInit Duration: {self._init_ms:.2f} ms"
        self._init_ms = None
        self._say(f"END RequestId: {invocation.request_id}")
        self._say(
            f"REPORT RequestId: {invocation.request_id}\tDuration: {duration_ms:.2f} ms"
            f"\tBilled Duration: {int(duration_ms) + 1} ms"
            f"\tMemory Size: {self._function.memory_mb} MB"
            f"\tMax Memory Used: {self._peak_mb} MB{init}"
        )

    def _say(self, line: str) -> None:
        os.write(self._function.log, f"{line}\n".encode())


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
