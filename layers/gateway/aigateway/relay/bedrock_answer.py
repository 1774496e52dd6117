"""An answer of Bedrock's InvokeModel in the words of Anthropic Messages.

A stream comes as an AWS event stream whose chunks hold the service's own events, each as a text
in base64 within a JSON object; an error comes as a JSON object with a message, its kind in a
header. (Amazon Bedrock API Reference, "ResponseStream" and "InvokeModel", read 2026-07.)
"""

import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, final

from aigateway.errors import EventStreamDamaged, Misheard, UpstreamCut
from aigateway.relay.upstream import Answer, Chunks
from aigateway.wire.eventstream import MEDIA_TYPE, EventMessage, EventStreamDecoder
from aigateway.wire.jsontext import loads
from aigateway.wire.masking import masked
from aigateway.wire.messages import Headers, ResponseHead, text, value

ERRORS_FROM = 300
FORBIDDEN = 403
ERROR_LIMIT_BYTES = 1024 * 1024
ERROR_KIND = b"x-amzn-errortype"
REQUEST_ID = b"x-amzn-requestid"
EVENT_NAME = re.compile(r"[a-z_]{1,64}")

TYPES: Mapping[str, str] = {
    "modelNotReadyException": "overloaded_error",
    "modelTimeoutException": "timeout_error",
    "serviceQuotaExceededException": "rate_limit_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
}
"""Kinds of errors as events name them; as a header they begin with a capital."""

TYPES_BY_STATUS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    424: "api_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def translated(answer: Answer) -> Answer:
    """Return the answer as Anthropic's own service would give it.

    The status stays, and every header but the two that describe the body. An answer that comes
    encoded is left as it is: no coding was asked for.
    """
    head = answer.head
    request_id = value(head.headers, REQUEST_ID)
    if request_id is not None and value(head.headers, b"request-id") is None:
        head = replace(head, headers=(*head.headers, (b"request-id", request_id)))
    if value(head.headers, b"content-encoding") is not None:
        return Answer(head, answer.chunks)
    media_type = (value(head.headers, b"content-type") or b"").partition(b";")[0].strip().lower()
    if head.status >= ERRORS_FROM:
        return Answer(_typed(head, b"application/json"), _Error(answer.chunks, head))
    if media_type == MEDIA_TYPE:
        typed = _typed(head, b"text/event-stream; charset=utf-8")
        return Answer(typed, _Events(answer.chunks))
    return Answer(head, answer.chunks)


def kind_of_error(head: ResponseHead) -> str | None:
    """Return an error's name without its namespace and link."""
    kind = text(head.headers, ERROR_KIND)
    return kind.partition(":")[0].rpartition("#")[2] if kind is not None else None


def _typed(head: ResponseHead, media_type: bytes) -> ResponseHead:
    kept: Headers = tuple(
        pair for pair in head.headers if pair[0].lower() not in (b"content-type", b"content-length")
    )
    return replace(head, headers=((b"content-type", media_type), *kept))


@final
class _Events:
    """The events of a stream, as soon as they are whole. Damage ends it as a cut."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._decoder = EventStreamDecoder()
        self._damage: EventStreamDamaged | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while self._damage is None:
            try:
                events = self._heard(await self._chunks.__anext__())
            except StopAsyncIteration:
                self._finish()
                raise
            if events:
                return events
        raise UpstreamCut(str(self._damage)) from self._damage

    def _heard(self, chunk: bytes) -> bytes:
        """Return the events that ``chunk`` completed, those before a damage too."""
        events: list[bytes] = []
        try:
            for message in self._decoder.feed(chunk):
                events.append(event_of(message))  # noqa: PERF401 - those before a damage count
        except EventStreamDamaged as damage:
            self._damage = damage
        return b"".join(events)

    def _finish(self) -> None:
        try:
            self._decoder.end()
        except EventStreamDamaged as damage:
            raise UpstreamCut(str(damage)) from damage

    async def aclose(self) -> None:
        await self._chunks.aclose()


def event_of(message: EventMessage) -> bytes:
    """Return a message as the event that Anthropic's service sends; nothing for unknown ones."""
    kind = message.text(":message-type")
    if kind == "event" and message.text(":event-type") == "chunk":
        return _chunk_event(message.payload)
    if kind == "exception":
        name = message.text(":exception-type") or ""
        return _error_event(TYPES.get(name, "api_error"), _message_in(message.payload) or name)
    if kind == "error":
        words = message.text(":error-message") or message.text(":error-code") or ""
        return _error_event("api_error", words)
    return b""


def _chunk_event(payload: bytes) -> bytes:
    try:
        data = b64decode(loads(payload)["bytes"], validate=True)
        event = loads(data)
    except (Misheard, LookupError, TypeError, ValueError) as fault:
        raise EventStreamDamaged("a chunk holds no event") from fault
    name = event.get("type") if isinstance(event, dict) else None
    lines = b"".join(b"data: %b\n" % line for line in data.splitlines())
    if isinstance(name, str) and EVENT_NAME.fullmatch(name):
        return b"event: %b\n%b\n" % (name.encode(), lines)
    return lines + b"\n"


def _error_event(kind: str, message: str) -> bytes:
    return b"event: error\ndata: %b\n\n" % _document(kind, message, None)


@final
class _Error:
    """The body of an error, in one piece. One that says nothing readable passes as it is."""

    def __init__(self, chunks: Chunks, head: ResponseHead) -> None:
        self._chunks = chunks
        self._head = head
        self._is_read = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._is_read:
            return await self._chunks.__anext__()
        body = b""
        while len(body) <= ERROR_LIMIT_BYTES:
            try:
                body += await self._chunks.__anext__()
            except StopAsyncIteration:
                if not body:
                    raise
                break
        self._is_read = True
        return self._translated(body) or body

    def _translated(self, body: bytes) -> bytes | None:
        message = _message_in(body)
        if message is None:
            return None
        status = self._head.status
        if status == FORBIDDEN:
            # What AWS says of a wrong signature goes on with all that was signed.
            message = message.partition("\n")[0]
        name = kind_of_error(self._head) or ""
        usual = "invalid_request_error" if status < 500 else "api_error"  # noqa: PLR2004
        kind = TYPES.get(name[:1].lower() + name[1:]) or TYPES_BY_STATUS.get(status, usual)
        return _document(kind, masked(message), text(self._head.headers, REQUEST_ID))

    async def aclose(self) -> None:
        await self._chunks.aclose()


def _message_in(body: bytes) -> str | None:
    try:
        document = loads(body)
    except Misheard:
        return None
    if not isinstance(document, dict):
        return None
    message = document.get("message", document.get("Message"))
    return message if isinstance(message, str) else None


def _document(kind: str, message: str, request_id: str | None) -> bytes:
    document: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}}
    if request_id is not None:
        document["request_id"] = request_id
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
