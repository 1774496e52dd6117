"""A scripted Amazon Bedrock: what the scripted provider says, behind signatures and event streams.

Below ``/bedrock`` of the scripted provider, which it stands around:

``POST /model/{id}/invoke`` and ``/invoke-with-response-stream`` are protocol ``invoke-model``;
every other path is the scripted provider's own, as protocol ``mantle`` has it. ``POST`` of no
path at all is STS: ``AssumeRole`` gives keys of a session. Each signature is computed again by
botocore's signer; an access key that begins with ``AKIASCRIPTED`` is known, with one secret for
all (``scripted/signatures.py``).

``GET /bedrock/_log`` lists what arrived, session names and external ids with it, and ``POST
/bedrock/_log/reset`` empties the list; the requests as the scripted provider understood them are
in its own log. Faults are wished for as there.
"""

import json
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, final
from urllib.parse import unquote

from local.scripted.bedrock_stream import Framing
from local.scripted.signatures import Refused, Signatures

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BELOW = "/bedrock"
MOST_ENTRIES = 2_000
INVOKE = "/invoke"
STREAM = "/invoke-with-response-stream"
JSON_TYPE = b"application/json"
XML_TYPE = b"text/xml"


def around(provider: App) -> App:
    """The scripted provider with a Bedrock beside it."""
    return _Bedrock(provider)


@final
class _Bedrock:
    def __init__(self, provider: App) -> None:
        self._provider = provider
        self._signatures = Signatures()
        self._log: deque[dict[str, Any]] = deque(maxlen=MOST_ENTRIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(BELOW + "/"):
            await self._provider(scope, receive, send)
        elif scope["path"] == BELOW + "/_log":
            await _answer(send, 200, JSON_TYPE, json.dumps([*self._log]).encode())
        elif scope["path"] == BELOW + "/_log/reset":
            self._log.clear()
            await _answer(send, 200, JSON_TYPE, b"{}")
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body_of(receive)
        if body is None:
            return
        target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        entry = {
            "target": target,
            "headers": {n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]},
            "body": body.decode("utf-8", "replace"),
        }
        self._log.append(entry)
        try:
            query = scope["query_string"].decode("latin-1")
            entry |= self._signatures.checked(
                scope["method"], target, query, entry["headers"], body
            )
        except Refused as refused:
            await _refuse(send, 403, refused.kind, str(refused))
            return
        if scope["path"].rstrip("/") == BELOW:
            entry["assumed"], answer = self._signatures.assume(body)
            await _answer(send, 200, XML_TYPE, answer)
        elif target.endswith((INVOKE, STREAM)):
            await self._invoke(scope, target, body, receive, send)
        else:
            await self._provider(scope, _replayed(body, receive), send)

    async def _invoke(
        self, scope: Scope, target: str, body: bytes, receive: Receive, send: Send
    ) -> None:
        """Let the scripted provider answer, and put its answer into Bedrock's words."""
        streaming = target.endswith(STREAM)
        model = unquote(target.split("/model/")[1].rsplit("/", 1)[0])
        try:
            asked = json.loads(body)
            _check(asked)
        except ValueError as problem:
            await _refuse(send, 400, "ValidationException", str(problem))
            return
        asked = {"model": model, "stream": streaming, **asked}
        inner = {**scope, "path": "/v1/messages", "raw_path": b"/v1/messages", "query_string": b""}
        rewritten = json.dumps(asked, ensure_ascii=False).encode()
        await self._provider(inner, _replayed(rewritten, receive), Framing(send).send)


KNOWN = {
    *("anthropic_version", "anthropic_beta", "max_tokens", "messages", "system", "temperature"),
    *("top_p", "top_k", "tools", "tool_choice", "stop_sequences", "thinking"),
}


def _check(body: dict[str, Any]) -> None:
    """Raises ``ValueError`` for what the service does not take."""
    if body.get("anthropic_version") != "bedrock-2023-05-31":
        raise ValueError("anthropic_version: expected bedrock-2023-05-31")
    betas = set(body.get("anthropic_beta", ()))
    known = set(KNOWN)
    if "effort-2025-11-24" in betas:
        known.add("output_config")
    if "context-management-2025-06-27" in betas:
        known.add("context_management")
    for name in body.keys() - known:
        raise ValueError(f"{name}: Extra inputs are not permitted")


async def _body_of(receive: Receive) -> bytes | None:
    """The whole body; None when the client left before its end."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body at once, then what the host says of the client."""
    waiting = [body]

    async def receiving() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receiving


async def _answer(
    send: Send, status: int, kind: bytes, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    given = [(b"content-type", kind), (b"x-amzn-requestid", b"scripted-0"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, status: int, kind: str, message: str) -> None:
    named = (b"x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/".encode())
    await _answer(send, status, JSON_TYPE, json.dumps({"message": message}).encode(), named)
