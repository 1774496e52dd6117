"""Answers of the Messages dialect as InvokeModel gives them: events in frames, errors by name."""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, final

from local.scripted.eventstream import message

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

EVENT_STREAM = b"text/event-stream"
FRAMES = b"application/vnd.amazon.eventstream"
KINDS: Mapping[int, str] = MappingProxyType(
    {
        400: "ValidationException",
        403: "AccessDeniedException",
        404: "ResourceNotFoundException",
        408: "ModelTimeoutException",
        424: "ModelErrorException",
        429: "ThrottlingException",
        500: "InternalServerException",
        503: "ServiceUnavailableException",
    }
)
PADDING = "abcdefghijklmnopqrstuvwxyz0123456789"


@final
class Framing:
    """Takes an answer message by message, sends it on in Bedrock's form.

    An ``error`` event becomes an exception of the stream, whose name is the event's type.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._streams = False
        self._failed = False
        self._left = b""

    async def send(self, told: Message) -> None:
        if told["type"] == "http.response.start":
            await self._send(self._start(told))
        elif told["type"] == "http.response.body" and (self._streams or self._failed):
            await self._send({**told, "body": self._body(told)})
        else:
            await self._send(told)

    def _start(self, told: Message) -> Message:
        headers = dict(told["headers"])
        self._streams = headers[b"content-type"].startswith(EVENT_STREAM)
        self._failed = told["status"] >= 300  # noqa: PLR2004 - where errors begin
        given = {
            b"content-type": FRAMES if self._streams else headers[b"content-type"],
            b"x-amzn-requestid": headers[b"request-id"],
        }
        if self._streams:
            given[b"x-amzn-bedrock-content-type"] = b"application/json"
        if self._failed:
            given[b"x-amzn-errortype"] = KINDS.get(told["status"], "ModelErrorException").encode()
        for name in (b"retry-after", b"x-should-retry", b"content-encoding"):
            if name in headers:
                given[name] = headers[name]
        return {**told, "headers": list(given.items())}

    def _body(self, told: Message) -> bytes:
        body: bytes = told.get("body", b"")
        if self._failed:
            return _failure(body) if body else b""
        *events, self._left = (self._left + body).split(b"\n\n")
        rest = b"" if told.get("more_body") else self._left
        return b"".join(map(_frame, events)) + rest


def _failure(body: bytes) -> bytes:
    return json.dumps({"message": json.loads(body)["error"]["message"]}).encode()


def _frame(event: bytes) -> bytes:
    data = event.partition(b"data: ")[2]
    told = json.loads(data)
    if told["type"] == "error":
        headers = {":message-type": "exception", ":exception-type": told["error"]["type"]}
        words = {"message": told["error"]["message"]}
        return message({**headers, ":content-type": "application/json"}, json.dumps(words).encode())
    payload = {"bytes": b64encode(data).decode(), "p": PADDING[: len(data) % len(PADDING)]}
    named = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return message(named, json.dumps(payload, separators=(",", ":")).encode())
