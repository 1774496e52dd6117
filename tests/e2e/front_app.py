"""The function behind the front in its tests: an ASGI app that does what the path says."""

import asyncio
import base64
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
EVENT_STREAM = (b"content-type", b"text/event-stream")

ticks = {"count": 0}
running: set[asyncio.Task[None]] = set()


class Talk:
    """One request, its parameters, and the answer being sent."""

    def __init__(self, scope: Mapping[str, Any], body: bytes, send: Send) -> None:
        self.scope, self.body, self._send = scope, body, send
        self.asked = dict(parse_qsl(scope["query_string"].decode()))

    async def head(self, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
        message = {"type": "http.response.start", "status": status, "headers": list(headers)}
        await self._send(message)

    async def piece(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def last(self, body: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        running.add(asyncio.create_task(tick()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    act = ACTS[scope["path"].strip("/").partition("/")[0]]
    await act(Talk(scope, body, send))


async def tick() -> None:
    while True:
        ticks["count"] += 1
        await asyncio.sleep(0.01)


async def ping(talk: Talk) -> None:
    await talk.head(200, (b"content-type", b"text/plain"), (b"x-app", b"front"))
    await talk.last(b"pong")


async def head_first(talk: Talk) -> None:
    await talk.head(200, EVENT_STREAM)
    await asyncio.sleep(float(talk.asked["seconds"]))
    await talk.last(b"late")


async def clock(talk: Talk) -> None:
    """Pieces that say when they left."""
    await talk.head(200, EVENT_STREAM)
    for _ in range(int(talk.asked["n"])):
        await talk.piece(b"%.6f" % time.time())
        await asyncio.sleep(float(talk.asked["seconds"]))
    await talk.last()


async def many(talk: Talk) -> None:
    await talk.head(200, EVENT_STREAM)
    for number in range(int(talk.asked["n"])):
        await talk.piece(b"data: %d\n\n" % number)
    await talk.last()


async def big(talk: Talk) -> None:
    await talk.head(200, (b"content-length", talk.asked["bytes"].encode()))
    left = int(talk.asked["bytes"])
    while left:
        size = min(left, 65536)
        left -= size
        await talk.piece(bytes(size))
    await talk.last()


async def mirror(talk: Talk) -> None:
    kept = [(n, v) for n, v in talk.scope["headers"] if n in {b"content-type", b"content-encoding"}]
    await talk.head(200, *kept)
    await talk.last(talk.body)


async def tell(talk: Talk) -> None:
    """What the function was told of the request."""
    scope = talk.scope
    told = {
        "event": {key: value for key, value in scope["aws.event"].items() if key != "body"},
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode(),
        "headers": [[n.decode("latin-1"), v.decode("latin-1")] for n, v in scope["headers"]],
        "body": base64.b64encode(talk.body).decode(),
    }
    await talk.head(200, (b"content-type", b"application/json"))
    await talk.last(json.dumps(told).encode())


async def cookies(talk: Talk) -> None:
    jar = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; Expires=Wed, 09 Jun 2027")]
    own = [(b"date", b"x"), (b"server", b"y"), (b"www-authenticate", b"z"), (b"via", b"1")]
    await talk.head(200, *jar, *own, (b"via", b"2"))
    await talk.last(b"jar")


async def status(talk: Talk) -> None:
    await talk.head(int(talk.scope["path"].rpartition("/")[2]), (b"x-app", b"front"))
    await talk.last(b'{"error":{}}')


async def empty(talk: Talk) -> None:
    await talk.head(401)
    await talk.last()


async def nuls(talk: Talk) -> None:
    await talk.head()
    await talk.piece(bytes(8) + b"{}")
    await talk.last(b"a" + bytes(16))


async def fail(talk: Talk) -> None:
    if "after" in talk.asked:
        await talk.head(200, EVENT_STREAM)
        await talk.piece(b"data: 1\n\n")
    raise RuntimeError("wanted")


async def leave(talk: Talk) -> None:
    """End the process with a status, before the head."""
    os._exit(int(talk.asked["status"]))


async def die(talk: Talk) -> None:
    await talk.head(200, EVENT_STREAM)
    await talk.piece(b"%.6f" % time.time())
    os.kill(os.getpid(), signal.SIGKILL)


async def finish(talk: Talk) -> None:
    """Pieces until the client is surely known to have gone, then a file."""
    await talk.head(200, EVENT_STREAM)
    for _ in range(20):
        await talk.piece(b"data: more\n\n")
        await asyncio.sleep(0.02)
    await talk.last()
    Path(talk.asked["file"]).write_text("finished")  # noqa: ASYNC240 - a line


async def work_after(talk: Talk) -> None:
    await talk.head()
    await talk.last(b"done")
    await asyncio.sleep(float(talk.asked["seconds"]))
    Path(talk.asked["file"]).write_text("finished")  # noqa: ASYNC240 - a line


async def read(talk: Talk) -> None:
    path = Path(talk.asked["file"])
    await talk.head()
    await talk.last(path.read_bytes() if path.exists() else b"missing")  # noqa: ASYNC240 - a line


async def hold(talk: Talk) -> None:
    await asyncio.sleep(float(talk.asked["seconds"]))
    await talk.head()
    await talk.last(b"%d" % os.getpid())


async def count(talk: Talk) -> None:
    """How often the task in the background has run."""
    await talk.head()
    await talk.last(b"%d %d" % (os.getpid(), ticks["count"]))


async def hang(talk: Talk) -> None:
    """Block the whole process, so that nothing but its end ends the invocation."""
    if "after" in talk.asked:
        await talk.head(200, EVENT_STREAM)
        await talk.piece(b"data: 1\n\n")
    time.sleep(60)  # noqa: ASYNC251 - on purpose


ACTS: dict[str, Callable[[Talk], Awaitable[None]]] = {
    act.__name__: act
    for act in (
        ping, head_first, clock, many, big, mirror, tell, cookies, status, empty, nuls, fail,
        leave, die, finish, work_after, read, hold, count, hang,
    )
}  # fmt: skip
