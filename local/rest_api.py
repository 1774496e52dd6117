"""HTTP requests → REST API events (payload 1.0) for a Lambda handler, and its answers back.

What API Gateway does in front of the deployed function: the path as it was sent, parameters
decoded. Calls queue up for one thread, because the handler takes one at a time.
"""

import asyncio
import base64
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final
from urllib.parse import parse_qsl, quote

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Event = dict[str, Any]
Handler = Callable[[Event, object], Mapping[str, Any]]

BODY_LIMIT_BYTES = 6 * 1024 * 1024
"""Of a Lambda invocation's request. (Lambda quotas, read 2026-07.)"""

PATH_CHARACTERS = "/%-._~!$&'()*+,;=:@"
"""What may stand in a path without being quoted (RFC 3986 section 3.3), and quotes themselves."""

MOST_PARAMETERS = 100
STAGE = "local"

log = logging.getLogger(__name__)


@final
class RestApi:
    """An ASGI app in front of a handler; ``/healthz`` is answered here."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await _send_answer(scope, send, await self._answer(scope, receive))
        else:
            await send({"type": "websocket.close"})

    def close(self) -> None:
        """Let the call under way finish, and end the thread."""
        self._worker.shutdown(cancel_futures=True)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive) -> Mapping[str, Any]:
        if _path(scope) == "/healthz":
            return _plain(200, '{"status":"ok"}')
        body = await _body(receive)
        if body is None:
            return _plain(413, '{"message":"Request Too Long"}')
        try:
            event = event_of(scope, body)
        except ValueError:
            return _plain(400, '{"message":"Bad Request"}')
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._worker, self._handler, event, None)
        except Exception:  # what API Gateway makes of a function that fails
            log.exception("the function behind the API failed")
            return _plain(502, '{"message":"Internal server error"}')


def event_of(scope: Scope, body: bytes) -> Event:
    """Return the event of a request. Raises ``ValueError`` beyond 100 query parameters."""
    path, method = _path(scope), scope["method"]
    headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
    parameters = parse_qsl(
        scope["query_string"].decode("latin-1"),
        keep_blank_values=True,
        errors="replace",
        max_num_fields=MOST_PARAMETERS,
    )
    client = scope.get("client") or ("", 0)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": _all_values(headers),
        "queryStringParameters": dict(parameters) or None,
        "multiValueQueryStringParameters": _all_values(parameters) or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "apiId": STAGE,
            "stage": STAGE,
            "requestId": secrets.token_hex(16),
            "requestTimeEpoch": int(time.time() * 1000),
            "resourcePath": "/{proxy+}",
            "path": path,
            "httpMethod": method,
            "protocol": f"HTTP/{scope.get('http_version', '1.1')}",
            "identity": {"sourceIp": client[0], "userAgent": dict(headers).get("user-agent")},
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def _path(scope: Scope) -> str:
    """Return the path as it was sent; what no path may hold unquoted is quoted."""
    raw = scope.get("raw_path")
    if raw is None:
        return quote(scope["path"])
    return quote(raw.partition(b"?")[0], safe=PATH_CHARACTERS)


def _all_values(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body; ``None`` when it is too large, or its sender left."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or len(body) > BODY_LIMIT_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _plain(status: int, text: str) -> Mapping[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": text}


async def _send_answer(scope: Scope, send: Send, answer: Mapping[str, Any]) -> None:
    text: str = answer.get("body") or ""
    encoded = bool(answer.get("isBase64Encoded"))
    body = base64.b64decode(text) if encoded else text.encode(errors="replace")
    headers = {
        name.lower(): [str(value)] for name, value in (answer.get("headers") or {}).items()
    } | {
        name.lower(): [str(value) for value in values]
        for name, values in (answer.get("multiValueHeaders") or {}).items()
    }
    headers["content-length"] = [str(len(body))]
    pairs = [(name, value) for name, values in headers.items() for value in values]
    await send(
        {
            "type": "http.response.start",
            "status": answer["statusCode"],
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        }
    )
    sent = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
