"""An ASGI app as an ordinary handler, its answer in one piece.

For consoles, deploy tests, and hosts without response streaming: the stock runtime imports the
handler, and no code of this layer but this and what it drives.
"""

import asyncio
import binascii
from typing import Any, final

from streaming_runtime.asgi import App, Lifespan, call, seconds_allowed
from streaming_runtime.http_event import read_event
from streaming_runtime.prelude import Headers, response_head


@final
class _Gathered:
    """A response that waits until it is whole."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._pieces: list[bytes] = []

    async def start(self, status: int, headers: Headers) -> None:
        self._head = response_head(status, headers)

    async def write(self, piece: bytes) -> None:
        self._pieces.append(bytes(piece))

    async def end(self) -> None:
        pass

    def answer(self) -> dict[str, Any]:
        """Return Lambda's form of the response: text where it is text, else base64."""
        body = b"".join(self._pieces)
        text = None if "content-encoding" in self._head["headers"] else _text(body)
        if text is not None:
            return {**self._head, "body": text, "isBase64Encoded": False}
        encoded = binascii.b2a_base64(body, newline=False).decode("ascii")
        return {**self._head, "body": encoded, "isBase64Encoded": True}


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


@final
class Buffered:
    """The handler: ``handler = Buffered(app)``. One event loop serves all its events.

    The app starts with the first event. Whatever it raises, an answer that ends as a cut among it,
    is raised to the runtime: half an answer is none.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lifespan: Lifespan | None = None

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's form
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(self._serve(event, context))

    async def _serve(self, event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401
        scope, body = read_event(event)
        if self._lifespan is None:
            lifespan = Lifespan(self._app)
            await lifespan.start()
            self._lifespan = lifespan
        scope.update({"state": dict(self._lifespan.state)})
        scope.update({"aws.event": event, "aws.context": context})
        gathered = _Gathered()
        seconds = seconds_allowed(context.get_remaining_time_in_millis())
        await call(self._app, scope, body, gathered, seconds)
        return gathered.answer()
