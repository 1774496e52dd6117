"""A scripted provider: three dialects, streaming and blocking, no key, the same answer each time.

Routes: ``POST /v1/messages``, ``/v1/messages/count_tokens``, ``/v1/chat/completions``,
``/v1/responses``, ``/v1/responses/compact``, ``/api/event_logging/batch``; ``GET /v1/models`` and
``/v1/models/{id}``, in the shape that the request's headers tell; all of them below any path, as a
base URL may have one. What it answers is ``scripted/script.py``; faults, pace and content on
request are ``scripted/wishes.py``.

``GET /_log`` is a JSON list of the requests so far, in order of arrival, each with what its answer
held (``scripted/log.py``); ``POST /_log/reset`` empties it and forgets which faults have failed.
"""

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from types import MappingProxyType, ModuleType
from typing import Any, cast, final

from local.scripted import chat, messages, responses
from local.scripted.body import Stalled, chunks_of
from local.scripted.codings import decoded
from local.scripted.headers import answer_headers, is_anthropic, request_id_of
from local.scripted.log import Entry, Log
from local.scripted.openai_errors import error as openai_error
from local.scripted.script import Ask, Dialect, Reply, asked_of, facts_of, identifier, reply_to
from local.scripted.side_routes import side_route
from local.scripted.wishes import Wishes, read_wishes, wishes_in

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

DIALECTS: Mapping[str, tuple[str, ModuleType]] = MappingProxyType(
    {
        "/messages": ("messages", messages),
        "/chat/completions": ("chat", chat),
        "/responses": ("responses", responses),
    }
)
JSON_TYPE = "application/json"
MOST_FAULTS = 10_000


def build(*, salt: str = "") -> App:
    """The provider as an ASGI application.

    Ids of answers depend on ``salt``, the order of requests and their bodies alone. Where records
    outlive the process, give each process its own salt, or two answers get the same id.
    """
    return _Provider(salt)


@final
class _Provider:
    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._log = Log()
        self._number = 0
        self._failed: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/_log"):
            await self._show_log(scope, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _show_log(self, scope: Scope, send: Send) -> None:
        if scope["path"] == "/_log/reset" and scope["method"] == "POST":
            self._log.reset()
            self._failed.clear()
            await _answer(send, 200, {})
        elif scope["path"] == "/_log" and scope["method"] == "GET":
            await _answer(send, 200, self._log.documents())
        else:
            await _answer(send, 404, {})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"]
        target = scope.get("raw_path", scope["path"].encode()) + (b"?" + query if query else b"")
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        entry = Entry(scope["method"], target.decode("latin-1"), headers)
        self._log.arrived(entry)
        if not await _read(entry, receive):
            entry.ended = "left"
            return
        self._number += 1
        answer = _Answer(entry, scope["path"], f"{self._salt}{self._number}", receive, send)
        route = next((end for end in DIALECTS if scope["path"].endswith(end)), None)
        if route is None or scope["method"] != "POST":
            await answer.plain()
            return
        name, module = DIALECTS[route]
        given = dict(headers)
        try:
            body = json.loads(decoded(bytes(entry.body), given.get("content-encoding", "")))
            ask = module.read(body, len(entry.body))
            wishes = self._wishes(given.get("x-fake") or wishes_in(ask.prompt) or "", ask)
            wishes = wishes.for_key(given.get("x-api-key") or given.get("authorization", ""))
        except (ValueError, AttributeError, KeyError, TypeError) as problem:
            await answer.refuse(400, f"The request cannot be read: {problem}")
            return
        entry.asked = asked_of(name, ask)
        dialect = cast("Dialect", module)
        reply = reply_to(ask, wishes, answer.serial, self._number, dialect)
        if wishes.fault == "status":
            await asyncio.sleep(wishes.wait / 1000)
            await answer.refuse(int(wishes.detail), "Scripted failure", wishes)
        else:
            entry.answered = facts_of(name, ask, reply) | {"fault": wishes.fault}
            await answer.whole(ask, reply, wishes, dialect)

    def _wishes(self, text: str, ask: Ask) -> Wishes:
        """The wish list, without its fault once that has failed as often as was wished.

        Requests with and without tools are counted apart: agents ask for titles on the side.
        """
        wishes = read_wishes(text)
        key = f"{bool(ask.tools)} {text}"
        if not wishes.times:
            return wishes
        if self._failed[key] >= wishes.times:
            return wishes.without_fault()
        if len(self._failed) >= MOST_FAULTS:
            self._failed.clear()
        self._failed[key] += 1
        return wishes


@final
class _Answer:
    """One response under way, told to the log as it goes."""

    def __init__(self, entry: Entry, path: str, serial: str, receive: Receive, send: Send) -> None:
        self._entry = entry
        self._path = path
        self._receive = receive
        self._send = send
        self.serial = hashlib.sha256(f"{serial} {path} ".encode() + entry.body).hexdigest()

    async def plain(self) -> None:
        """Model lists, token counts and what else has no script."""
        status, document = side_route(self._entry, self._path)
        if document is None:
            await self.refuse(404, f"Not found: {self._entry.method} {self._path}")
        else:
            await self._at_once(status, document, [])

    async def refuse(self, status: int, message: str, wishes: Wishes | None = None) -> None:
        """An error in the dialect's shape."""
        anthropic = is_anthropic(self._path, dict(self._entry.headers))
        shape = messages.error if anthropic else openai_error
        prefix = "req_011" if anthropic else "req_"
        document = shape(status, message, prefix + identifier(self.serial, "request"))
        self._entry.answered = {"error": document["error"]}
        extra: Headers = []
        if wishes and wishes.retry_after:
            extra.append((b"retry-after", wishes.retry_after.encode()))
        if wishes and wishes.should_retry:
            extra.append((b"x-should-retry", wishes.should_retry.encode()))
        await self._at_once(status, document, extra)

    async def _at_once(self, status: int, document: object, extra: Headers) -> None:
        await self._start(status, JSON_TYPE, extra)
        await self._chunk(json.dumps(document, separators=(",", ":")).encode())
        await self._end()

    async def whole(self, ask: Ask, reply: Reply, wishes: Wishes, dialect: Dialect) -> None:
        """The scripted answer; raises ``ConnectionCut`` where it breaks off."""
        extra = [(b"content-encoding", wishes.encoding.encode())] if wishes.encoding else []
        await asyncio.sleep(wishes.wait / 1000)
        kind = "text/event-stream; charset=utf-8" if ask.streaming else JSON_TYPE
        await self._start(200, kind, extra)
        leaving = asyncio.ensure_future(self._receive())
        self._entry.ended = "cut"
        try:
            await self._chunks(chunks_of(ask, reply, wishes, dialect), leaving, wishes.drip)
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving

    async def _chunks(
        self, chunks: Iterator[bytes], leaving: asyncio.Future[Message], drip: int
    ) -> None:
        try:
            for chunk in chunks:
                if leaving.done():
                    self._entry.ended = "left"
                    return
                await self._chunk(chunk)
                await asyncio.wait({leaving}, timeout=drip / 1000)
        except Stalled:
            await asyncio.shield(leaving)
            self._entry.ended = "left"
            return
        await self._end()

    async def _start(self, status: int, kind: str, extra: Headers) -> None:
        self._entry.status = status
        anthropic = is_anthropic(self._path, dict(self._entry.headers))
        headers = answer_headers(self.serial, kind, anthropic=anthropic)
        self._entry.request_id = request_id_of(headers)
        await self._send(
            {"type": "http.response.start", "status": status, "headers": headers + extra}
        )

    async def _chunk(self, chunk: bytes) -> None:
        self._entry.note_sent(chunk)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _end(self) -> None:
        self._entry.ended = "clean"
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read(entry: Entry, receive: Receive) -> bool:
    """Take the body in; False when the client left before its end."""
    while not entry.complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        entry.body += message.get("body", b"")
        entry.complete = not message.get("more_body", False)
    return True


async def _answer(send: Send, status: int, document: object) -> None:
    headers = [(b"content-type", JSON_TYPE.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


async def _live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
