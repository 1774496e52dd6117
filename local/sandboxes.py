"""The sandboxes of one function: started on demand up to the limit, most recently used first."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from local.front.function import Function
from local.front.invocation import Fault, Invocation
from local.front.sandbox import Sandbox

EVENT_LIMIT_BYTES = 6 * 1024 * 1024
"""Of an event's JSON, envelope and base64 included. (Lambda quotas, read 2026-07.)"""


class Throttled(Exception):
    """Every sandbox is busy, and none became free in time."""


class EventTooLarge(Exception):
    """The event is over 6 MB."""


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What a direct call of a function gave. ``failed``: the payload is the error's document."""

    payload: bytes
    failed: bool


@final
class Sandboxes:
    """Takes events, one for each sandbox at a time, a sandbox being busy until it asks again."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._all: set[Sandbox] = set()
        self._idle: list[Sandbox] = []
        self._waiting: deque[asyncio.Future[Sandbox]] = deque()
        self._running: dict[asyncio.Task[None], tuple[Sandbox, Invocation]] = {}
        self._stopped = False

    async def begin(self, event: bytes, request_id: str = "", trace: str = "") -> Invocation:
        """Hand an event to a sandbox; the answer comes through the invocation.

        Raises ``EventTooLarge`` or ``Throttled``.
        """
        if len(event) > EVENT_LIMIT_BYTES:
            raise EventTooLarge
        sandbox = await self._taken()
        invocation = Invocation(event, request_id, trace)
        task = asyncio.create_task(self._run(sandbox, invocation))
        self._running[task] = sandbox, invocation
        task.add_done_callback(self._ended)
        return invocation

    async def invoke(self, event: Mapping[str, object]) -> Outcome:
        """Call the function directly, as a schedule does, and wait for its whole answer.

        Raises ``EventTooLarge`` or ``Throttled``.
        """
        invocation = await self.begin(json.dumps(event, ensure_ascii=False).encode())
        try:
            return Outcome(await invocation.whole(), failed=False)
        except Fault as fault:
            return Outcome(fault.document, failed=True)

    def kill(self, request_id: str) -> None:
        """Kill the sandbox that runs an invocation, if one still does."""
        for sandbox, invocation in self._running.values():
            if invocation.request_id == request_id:
                sandbox.end()

    async def stop(self) -> None:
        """Kill every sandbox; invocations under way end in a fault."""
        self._stopped = True
        for task, (_, invocation) in list(self._running.items()):
            task.cancel()
            invocation.end(Fault("Sandbox.Stopped", "The sandbox was stopped"))
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(sandbox.kill() for sandbox in self._all))
        self._all.clear()
        self._idle.clear()

    async def _taken(self) -> Sandbox:
        sandbox = await self._free()
        if sandbox is not None:
            return sandbox
        place: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await asyncio.wait({place}, timeout=self.function.queue_seconds)
        finally:
            if not place.done():
                self._waiting.remove(place)
        if not place.done():
            raise Throttled
        return place.result()

    async def _free(self) -> Sandbox | None:
        while self._idle:
            sandbox = self._idle.pop()
            if sandbox.alive:
                return sandbox
            self._all.discard(sandbox)
            await sandbox.kill()
        return self._new() if len(self._all) < self.function.most_sandboxes else None

    def _new(self) -> Sandbox:
        sandbox = Sandbox(self.function)
        self._all.add(sandbox)
        return sandbox

    async def _run(self, sandbox: Sandbox, invocation: Invocation) -> None:
        await sandbox.run(invocation)
        if sandbox.alive:
            self._give_back(sandbox)
        else:
            await sandbox.kill()
            self._all.discard(sandbox)
            if self._waiting and not self._stopped:
                self._waiting.popleft().set_result(self._new())

    def _give_back(self, sandbox: Sandbox) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(sandbox)
        else:
            sandbox.rest()
            self._idle.append(sandbox)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled():
            task.result()
