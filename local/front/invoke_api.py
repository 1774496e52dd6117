"""The service's API for invoking functions, on this machine: one call, without its signature.

``POST /2015-03-31/functions/{name}/invocations`` with ``X-Amz-Invocation-Type: Event``: the event
is queued and answered 202 before the function has run (Lambda API reference, "Invoke").
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from typing import final
from urllib.parse import unquote

from local.front.http1 import CONTINUE, Body, Listener, Request, plain_response, read_request
from local.sandboxes import EVENT_LIMIT_BYTES, EventTooLarge, Sandboxes, Throttled

PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
INVOCATION = "x-amz-invocation-type"

logger = logging.getLogger(__name__)


@final
class InvokeApi:
    """Takes events for the functions in ``functions``, by name."""

    def __init__(self, functions: Mapping[str, Sandboxes]) -> None:
        self._functions = functions
        self._listener = Listener(self._serve)
        self._runs: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen on a free port of loopback, and return it."""
        return await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if "100-continue" in (request.value("expect") or "").lower():
                writer.write(CONTINUE)
            content = await Body(reader, request).whole(EVENT_LIMIT_BYTES)
            status, document = self._answer(request, content)
            body = json.dumps(document).encode() if document else b""
            kind = [("Content-Type", "application/json")]
            writer.write(plain_response(status, kind, body))
            await writer.drain()

    def _answer(self, request: Request, content: bytes | None) -> tuple[int, Mapping[str, str]]:
        found = PATH.fullmatch(request.target.partition("?")[0])
        function = self._functions.get(unquote(found[1])) if found else None
        if function is None:
            return 404, {"Type": "User", "Message": "Function not found"}
        try:
            event = json.loads(content or b"null")
        except ValueError:
            event = None
        if request.value(INVOCATION) != "Event" or not isinstance(event, dict):
            return 400, {"Type": "User", "Message": "Expected an event for later"}
        run = asyncio.create_task(_run(function, event))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        return 202, {}


async def _run(function: Sandboxes, event: Mapping[str, object]) -> None:
    try:
        outcome = await function.invoke(event)
    except (EventTooLarge, Throttled) as wrong:
        logger.warning("an event was not taken: %r", wrong)
    else:
        if outcome.failed:
            logger.warning("an event failed: %s", outcome.payload.decode(errors="replace"))
