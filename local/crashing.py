"""Wrappers round the product's protocols that end the process at a named step, by SIGKILL.

The product has no hooks: what stands here is put round its parts by whoever assembles them. A
step is named ``<part>.<verb>``, such as ``store.close``, ``provider.chunk`` or ``table.record``,
and has a moment before and one after it; a step that raises has no moment after it.
"""

import asyncio
import inspect
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, final

from aigateway.relay.asgi import Receive, Send
from aigateway.relay.upstream import Answer, Chunks, Upstream, UpstreamRequest

Moment = Literal["before", "after"]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@final
@dataclass(frozen=True, slots=True)
class Order:
    """Which ``process`` is to die: at the ``number``-th time that it reaches a step's moment."""

    process: str
    step: str
    moment: str
    number: int

    @classmethod
    def read(cls, text: str) -> "Order":
        process, step, moment, number = text.split(":")
        return cls(process, step, moment, int(number))

    def written(self) -> str:
        return f"{self.process}:{self.step}:{self.moment}:{self.number}"


@final
class Crash:
    """Ends this process where the order in a file says so.

    The file is read again when it was replaced, and counting begins anew. Whoever carries it out
    deletes it first: the next process lives.
    """

    def __init__(self, process: str, order: Path) -> None:
        self._process = process
        self._file = order
        self._order: Order | None = None
        self._stamp: tuple[int, int] | None = None
        self._count = 0
        self._turn = threading.Lock()

    def reached(self, step: str, moment: Moment) -> None:
        """Go on, or end here. May be called in any thread."""
        with self._turn:
            self._look()
            wanted = self._order
            if wanted is None or (wanted.step, wanted.moment) != (step, moment):
                return
            self._count += 1
            if self._count == wanted.number and self._take():
                os.kill(os.getpid(), signal.SIGKILL)

    def _look(self) -> None:
        try:
            seen = self._file.stat()
            stamp = seen.st_ino, seen.st_mtime_ns
            if stamp == self._stamp:
                return
            order = Order.read(self._file.read_text())
        except FileNotFoundError:
            self._stamp, self._order = None, None
            return
        self._stamp, self._count = stamp, 0
        self._order = order if order.process == self._process else None

    def _take(self) -> bool:
        try:
            self._file.unlink()
        except FileNotFoundError:  # another process was quicker
            return False
        return True


@final
class Dying:
    """Stands before a store, keys or whatever else has async verbs: each of them is a step."""

    def __init__(self, wrapped: Any, part: str, crash: Crash) -> None:  # noqa: ANN401 - any protocol
        self._wrapped = wrapped
        self._part = part
        self._crash = crash

    def keeping(self) -> "Dying":
        """Return the verbs that a store keeps apart."""
        return Dying(self._wrapped.keeping(), "keeping", self._crash)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a verb, or a property
        verb = getattr(self._wrapped, name)
        if not inspect.iscoroutinefunction(verb):
            return verb
        step = f"{self._part}.{name}"

        async def stepped(*arguments: object, **named: object) -> object:
            self._crash.reached(step, "before")
            done = await verb(*arguments, **named)
            self._crash.reached(step, "after")
            return done

        return stepped


@final
class DyingUpstream:
    """Steps of a provider's answer.

    ``send``; ``release``: all but the last byte is sent; ``asked`` (after): all is; ``head``
    (after); ``chunk``; ``end`` (after).
    """

    def __init__(self, upstream: Upstream, crash: Crash) -> None:
        self._upstream = upstream
        self._crash = crash

    async def send(self, request: UpstreamRequest) -> Answer:
        self._crash.reached("provider.send", "before")
        if request.released is not None:
            request = replace(request, released=_Release(request.released, self._crash))
        answer = await self._upstream.send(request)
        self._crash.reached("provider.head", "after")
        passed = Answer(answer.head, _Chunks(answer.chunks, self._crash))
        passed.judge = answer.take_judge()
        return passed

    async def aclose(self) -> None:
        await self._upstream.aclose()


@final
class _Release:
    def __init__(self, released: Awaitable[object], crash: Crash) -> None:
        self._released = released
        self._crash = crash

    def __await__(self) -> Generator[Any, None, object]:
        self._crash.reached("provider.release", "before")
        done = yield from self._released.__await__()
        self._crash.reached("provider.release", "after")
        # Whoever waited writes the last byte at once, so it is written when the loop turns again.
        asyncio.get_running_loop().call_soon(self._crash.reached, "provider.asked", "after")
        return done


@final
class _Chunks:
    def __init__(self, chunks: Chunks, crash: Crash) -> None:
        self._chunks = chunks
        self._crash = crash

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        self._crash.reached("provider.chunk", "before")
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            self._crash.reached("provider.end", "after")
            raise
        self._crash.reached("provider.chunk", "after")
        return chunk

    async def aclose(self) -> None:
        await self._chunks.aclose()


@final
class DyingVerbs:
    """Stands before what has verbs that are not async: each is a step, such as ``spill.take``."""

    def __init__(self, wrapped: Any, part: str, crash: Crash) -> None:  # noqa: ANN401 - any protocol
        self._wrapped = wrapped
        self._part = part
        self._crash = crash

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a verb
        verb, step = getattr(self._wrapped, name), f"{self._part}.{name}"

        def stepped(*arguments: object, **named: object) -> object:
            self._crash.reached(step, "before")
            done = verb(*arguments, **named)
            self._crash.reached(step, "after")
            return done

        return stepped


def with_dying_client(app: App, crash: Crash) -> App:
    """Return the app with steps of what its client sends and gets.

    ``client.body`` (after): a piece of the request is here; ``client.head``, ``client.chunk`` and
    ``client.end`` of the answer.
    """

    async def serving(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def received() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "http.request":
                crash.reached("client.body", "after")
            return message

        async def sent(message: MutableMapping[str, Any]) -> None:
            step = _client_step(message)
            crash.reached(step, "before")
            await send(message)
            crash.reached(step, "after")

        await app(scope, received, sent)

    return serving


def _client_step(message: MutableMapping[str, Any]) -> str:
    if message["type"] == "http.response.start":
        return "client.head"
    return "client.chunk" if message.get("more_body") else "client.end"
