"""A REST API on this machine in front of a buffered function: payload 1.0, proxy integration.

What API Gateway answers for the function when it fails, or takes longer than the integration
may (API Gateway quotas: 29 seconds, read 2026-07). ``/healthz`` is answered here.
"""

import asyncio
import base64
import json
import logging
import socket
from collections.abc import Mapping
from typing import Any, final

from local.front.function import Function
from local.front.http1 import (
    CONTINUE,
    BadMessage,
    Body,
    Listener,
    Request,
    plain_response,
    read_request,
)
from local.front.prelude import BadPrelude, read
from local.rest_api import event_of
from local.sandboxes import EVENT_LIMIT_BYTES, EventTooLarge, Outcome, Sandboxes, Throttled

INTEGRATION_SECONDS = 29.0

Answer = tuple[int, list[tuple[str, str]], bytes]

logger = logging.getLogger(__name__)


@final
class RestProxy:
    """The API of one function, with its sandboxes."""

    def __init__(
        self, function: Function, integration_seconds: float = INTEGRATION_SECONDS
    ) -> None:
        self.sandboxes = Sandboxes(function)
        self._integration_seconds = integration_seconds
        self._listener = Listener(self._serve)
        self._calls: set[asyncio.Task[Outcome]] = set()

    async def start(self, listening: socket.socket | None = None) -> int:
        """Listen on a bound socket, or on a free port of loopback; return the port."""
        return await self._listener.start(listening)

    async def stop(self) -> None:
        """Break off what is under way and kill the sandboxes."""
        await self._listener.stop()
        await self.sandboxes.stop()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await read_request(reader)
                if request is None:
                    return
                body = Body(reader, request)
            except BadMessage:
                writer.write(plain_response(400, [("Connection", "close")], b""))
                return
            if "100-continue" in (request.value("expect") or "").lower():
                writer.write(CONTINUE)
            content = await body.whole(EVENT_LIMIT_BYTES)
            source_ip = writer.get_extra_info("peername")[0]
            status, headers, sent = await self._answer(request, content, source_ip)
            response = plain_response(status, headers, sent)
            writer.write(response.removesuffix(sent) if request.method == "HEAD" else response)
            await writer.drain()
            if not request.keeps_alive():
                return

    async def _answer(self, request: Request, content: bytes | None, source_ip: str) -> Answer:
        path, _, query = request.target.partition("?")
        if path == "/healthz":
            return _json(200, {"status": "ok"})
        scope: dict[str, Any] = {
            "method": request.method,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in request.headers],
            "client": (source_ip, 0),
        }
        try:
            if content is None:
                raise EventTooLarge  # noqa: TRY301 - one answer for a body and for an event
            outcome = await self._outcome(event_of(scope, content))
            return _answered(outcome)
        except ValueError:
            return _json(400, {"message": "Bad Request"})
        except EventTooLarge:
            return _json(413, {"message": "Request Too Long"})
        except TimeoutError:
            return _json(504, {"message": "Endpoint request timed out"})
        except (Throttled, BadPrelude) as wrong:
            logger.warning("no answer from the function: %r", wrong)
            return _json(502, {"message": "Internal server error"})

    async def _outcome(self, event: Mapping[str, object]) -> Outcome:
        """Call the function. It runs on when this raises ``TimeoutError``."""
        call = asyncio.create_task(self.sandboxes.invoke(event))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return await asyncio.wait_for(asyncio.shield(call), self._integration_seconds)


def _answered(outcome: Outcome) -> Answer:
    """Raises ``BadPrelude`` for what is no answer of a proxy integration."""
    if outcome.failed:
        raise BadPrelude(outcome.payload.decode(errors="replace"))
    head = read(outcome.payload)
    answer = json.loads(outcome.payload)
    several = answer.get("multiValueHeaders") or {}
    if "statusCode" not in answer or not isinstance(several, dict):
        raise BadPrelude("it is no answer of a proxy integration")
    headers = [(name, value) for name, value in head.headers if name not in several]
    headers += [(name, str(value)) for name, values in several.items() for value in values]
    sent = _body(answer.get("body") or "", encoded=bool(answer.get("isBase64Encoded")))
    framing = {"content-length", "date", "connection", "transfer-encoding"}
    return head.status, [pair for pair in headers if pair[0].lower() not in framing], sent


def _body(text: object, *, encoded: bool) -> bytes:
    if not isinstance(text, str):
        raise BadPrelude("the body is no text")
    try:
        return base64.b64decode(text) if encoded else text.encode(errors="replace")
    except ValueError as wrong:
        raise BadPrelude("the body is no base64") from wrong


def _json(status: int, document: Mapping[str, object]) -> Answer:
    return status, [("Content-Type", "application/json")], json.dumps(document).encode()
