"""Drives an ASGI app: its lifespan once, then one call for each event.

A call ends when the app's coroutine has returned and the tasks it left behind have ended, not
with its last body message: the process is frozen after a call, and what still ran then would go
on in the middle of somebody else's. At its time limit whatever still runs is cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, final

from streaming_runtime.http_event import Scope
from streaming_runtime.prelude import Headers

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LAST_RESORT_SECONDS = 1.5
SHORT_LIMIT_SHARE = 30


class DeadlineReached(Exception):
    """The app was still running just before Lambda's time limit, and was cancelled."""


class ResponseIncomplete(Exception):
    """The app returned, or cancelled itself, without finishing its response."""


class MessageUnexpected(Exception):
    """The app sent a message that has no place there (ASGI HTTP specification 2.4)."""


class StartupFailed(Exception):
    """The app said that it cannot start."""


class Response(Protocol):
    """Where an app's answer goes. Each raises ``OSError`` when nobody takes it any more."""

    async def start(self, status: int, headers: Headers) -> None: ...
    async def write(self, piece: bytes) -> None: ...
    async def end(self) -> None: ...


def seconds_allowed(left_ms: int) -> float:
    """Return how long a call may run that Lambda kills in ``left_ms``.

    An app that knows its time limit has ended long before. The rest, 1.5 s and a thirtieth of a
    limit below 45 s, is for the code that runs when the app is cancelled, and the error report.
    """
    left = left_ms / 1000
    return left - min(LAST_RESORT_SECONDS, left / SHORT_LIMIT_SHARE)


@final
class Lifespan:
    """The app's lifespan; it starts and never ends, since Lambda announces no shutdown."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._asked = False
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Start the app. Raises ``StartupFailed``, or what the app raised while it started.

        An app that raises or returns without having asked for the event has no lifespan.
        """
        started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(started))
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            await started
        elif self._asked:
            await self._task

    async def _live(self, started: asyncio.Future[None]) -> None:
        async def receive() -> Message:
            if self._asked:
                await asyncio.get_running_loop().create_future()
            self._asked = True
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and not started.done():
                started.set_exception(StartupFailed(message.get("message", "")))
            elif message["type"] == "lifespan.startup.complete" and not started.done():
                started.set_result(None)

        asgi = {"version": "3.0", "spec_version": "2.0"}
        scope: Scope = {"type": "lifespan", "asgi": asgi, "state": self.state}
        try:
            await self._app(scope, receive, send)
        except Exception:
            if self._asked:
                raise


@final
class _Receiver:
    """Hands over the body at once; then nothing comes until the call is over."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._over = asyncio.Event()

    async def __call__(self) -> Message:
        if self._body is None:
            await self._over.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    def close(self) -> None:
        self._over.set()


@final
class _Sender:
    """Puts the app's messages into a response; what answers a HEAD has no body."""

    def __init__(self, response: Response, *, head_only: bool) -> None:
        self._response = response
        self._head_only = head_only
        self._started = False
        self.ended = False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start" and not self._started:
            self._started = True
            await self._response.start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self._started and not self.ended:
            piece = message.get("body", b"")
            if piece and not self._head_only:
                await self._response.write(piece)
            if not message.get("more_body", False):
                self.ended = True
                await self._response.end()
        else:
            raise MessageUnexpected(f"no {kind} is expected here")


async def call(app: App, scope: Scope, body: bytes, response: Response, seconds: float) -> None:
    """Let the app serve one request, for so many seconds at most.

    Raises what the app raised, ``DeadlineReached`` or ``ResponseIncomplete``. Then the response
    may have started, and even ended.
    """
    loop = asyncio.get_running_loop()
    limit = loop.time() + seconds
    receiver, sender = _Receiver(body), _Sender(response, head_only=scope["method"] == "HEAD")

    async def serve() -> None:
        await app(scope, receiver, sender)

    others = asyncio.all_tasks()
    serving = asyncio.create_task(serve())
    late = not await _ended({serving}, seconds)
    receiver.close()
    left = asyncio.all_tasks() - others - {serving}
    if left:
        await _ended(left, limit - loop.time())
    if not serving.cancelled():
        error = serving.exception()
        if error is not None:
            raise error
    if sender.ended:
        return
    if late:
        raise DeadlineReached("the time limit of the function is near")
    raise ResponseIncomplete("the app returned without finishing its response")


async def _ended(tasks: set[asyncio.Task[None]], seconds: float) -> bool:
    """Wait until all have ended; those that have not in time are cancelled, and waited for."""
    _, late = await asyncio.wait(tasks, timeout=max(0.0, seconds))
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
    return not late
