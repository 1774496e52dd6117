"""The Runtime API as a client sees it: its states and answers, and a log of what it was sent.

In threads, so that the client under test has its event loop for itself. When the events are used
up it answers ``next`` with 403, which ends the client.
"""

import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, final

ROOT = "/2018-06-01/runtime"
FAR_MS = 60_000
REFUSED = b'{"errorMessage":"no","errorType":"InvalidStateTransition"}'


@final
@dataclass
class Asked:
    """One request.

    ``chunks`` are the HTTP chunks of a chunked body, one by one; ``beyond`` is what followed it.
    """

    name: str
    request_id: str
    headers: Mapping[str, str]
    connection: int
    chunks: list[bytes] = field(default_factory=list)
    body: bytes = b""
    trailers: Mapping[str, str] = field(default_factory=dict)
    ended: bool = False
    beyond: bytes = b""

    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)


@final
@dataclass(frozen=True)
class Event:
    request_id: str
    headers: Mapping[str, str]
    body: bytes
    chunked: bool


@final
class FakeRuntimeApi:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.changed = threading.Condition()
        self.may_accept = threading.Event()
        self.may_accept.set()
        self._events: list[Event] = []
        self._faults: dict[str, list[int | str]] = {}
        self._current: Event | None = None
        self._spoilt = False
        self._given = 0

        class Handler(_Handler):
            api = self

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Read what is still on its way from a client that has ended; nothing is asked after."""
        self.may_accept.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def give(
        self,
        event: object,
        headers: Mapping[str, str] | None = None,
        *,
        left_ms: int = FAR_MS,
        chunked: bool = False,
    ) -> str:
        """Add an event, and return its id. Text in ``event`` is sent as it is."""
        self._given += 1
        request_id = f"request-{self._given}"
        always = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + left_ms),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:xx:1:function:gateway",
        }
        body = event.encode() if isinstance(event, str) else json.dumps(event).encode()
        self._events.append(Event(request_id, {**always, **(headers or {})}, body, chunked))
        return request_id

    def fail(self, name: str, *faults: int | str) -> None:
        """Answer the next calls of this name by a status, ``close``, ``cut`` or ``break``."""
        self._faults.setdefault(name, []).extend(faults)

    def fault(self, name: str) -> int | str | None:
        waiting = self._faults.get(name)
        return waiting.pop(0) if waiting else None

    def calls(self, name: str) -> list[Asked]:
        return [each for each in self.asked if each.name == name]

    def names(self) -> list[str]:
        return [each.name for each in self.asked]

    def wait_for_chunks(self, count: int) -> list[bytes]:
        """Return the chunks of the last response once so many have come."""

        def come() -> bool:
            found = self.calls("response")
            return bool(found) and len(found[-1].chunks) >= count

        with self.changed:
            assert self.changed.wait_for(come, timeout=10)
            return list(self.calls("response")[-1].chunks)

    def next_event(self) -> Event | None:
        """Return the event to hand out, the same one until it has its answer; ``None``: refused."""
        if self._spoilt or any(each.name == "response" and not each.ended for each in self.asked):
            self._spoilt = True
            return None
        if self._current is None and self._events:
            self._current = self._events.pop(0)
        return self._current

    def settle(self, asked: Asked) -> tuple[int, bytes]:
        """Return the answer to a response or an error."""
        if self._current is None or self._spoilt:
            return 403, REFUSED
        if asked.request_id != self._current.request_id:
            return 400, b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}'
        if (
            asked.name == "response"
            and asked.headers["lambda-runtime-function-response-mode"] != "streaming"
        ):
            self._spoilt = True
            return 400, b'{"errorType":"InvalidFunctionResponseMode"}'
        self._current = None
        return 202, b'{"status":"OK"}'


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    block_on_close = True
    daemon_threads = False


class _Handler(socketserver.StreamRequestHandler):
    api: FakeRuntimeApi

    def handle(self) -> None:
        try:
            while self._one():
                pass
        except (OSError, ValueError):
            pass  # the client broke off

    def _one(self) -> bool:
        line = self.rfile.readline().decode()
        if not line:
            return False
        path = line.split(" ")[1].removeprefix(ROOT)
        parts = path.strip("/").split("/")
        name = "/".join(parts) if parts[0] in ("init", "restore") else parts[-1]
        asked = Asked(name, parts[1] if len(parts) > 2 else "", self._headers(), id(self))
        with self.api.changed:
            self.api.asked.append(asked)
        fault = self.api.fault(name)
        if fault == "close":
            return False
        if name == "next":
            return self._next(fault)
        return self._settle(asked, fault)

    def _next(self, fault: int | str | None) -> bool:
        event = self.api.next_event()
        if event is None or isinstance(fault, int):
            self._answer(fault if isinstance(fault, int) else 403, REFUSED)
            return True
        length = {"Content-Length": str(len(event.body))}
        framing = {"Transfer-Encoding": "Chunked"} if event.chunked else length
        fields = {**event.headers, **framing}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        body = event.body
        if event.chunked:
            half = len(body) // 2
            pieces = [b"%X;a=b\r\n%b\r\n" % (len(p), p) for p in (body[:half], body[half:])]
            body = b"".join(pieces) + b"0\r\nX-Trailer: 1\r\n\r\n"
        if fault == "cut":
            body = body[:-3]
        self.wfile.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
        return fault != "cut"

    def _settle(self, asked: Asked, fault: int | str | None) -> bool:
        if asked.name == "response":
            if not self._chunks(asked, breaks=fault == "break"):
                return False
        else:
            asked.body = self.rfile.read(int(asked.headers.get("content-length", "0")))
        assert self.api.may_accept.wait(timeout=10)
        with self.api.changed:
            status, body = (202, b"") if "/" in asked.name else self.api.settle(asked)
            asked.ended = True
        self._answer(fault if isinstance(fault, int) else status, body)
        if asked.headers.get("connection") == "close":
            asked.beyond = self.rfile.read()
            return False
        return True

    def _chunks(self, asked: Asked, *, breaks: bool) -> bool:
        while size := int(self.rfile.readline(), 16):
            piece = self.rfile.read(size)
            assert self.rfile.read(2) == b"\r\n"
            with self.api.changed:
                asked.chunks.append(piece)
                self.api.changed.notify_all()
            if breaks:
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.connection.close()
                return False
        asked.trailers = self._headers()
        asked.body = b"".join(asked.chunks)
        return True

    def _headers(self) -> dict[str, str]:
        found = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found

    def _answer(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-LENGTH: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)
