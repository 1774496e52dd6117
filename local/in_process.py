"""An ASGI application spoken to without a socket, as a test wants to see its answers."""

import asyncio
import json
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from local.fake_provider import App


@final
@dataclass(slots=True)
class Answered:
    """What one request got.

    ``over``: its body was ended; ``raised``: how the application broke off.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    over: bool = False
    raised: Exception | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON of any shape
        return json.loads(self.body)

    def events(self) -> list[dict[str, Any]]:
        """The JSON of an event stream's ``data`` lines, without ``[DONE]``."""
        return list(self._events())

    def _events(self) -> Iterator[dict[str, Any]]:
        for line in self.body.decode().splitlines():
            name, _, data = line.partition(": ")
            if name == "data" and data != "[DONE]":
                yield json.loads(data)


async def call(
    app: App,
    method: str,
    target: str,
    parts: Sequence[bytes] = (b"",),
    headers: Mapping[str, str] | None = None,
    *,
    whole: bool = True,
    leaves_after: int = 0,
) -> Answered:
    """Send one request and wait for the application to return or raise.

    ``whole=False``: the client leaves before its body has ended. ``leaves_after``: it leaves once
    it has that many chunks.
    """
    answered = Answered()
    waiting = list(parts)
    left = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        if waiting:
            part = waiting.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(waiting) or not whole}
        if whole:
            await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answered.status = message["status"]
            pairs = message["headers"]
            answered.headers = {name.decode(): value.decode() for name, value in pairs}
            return
        answered.chunks.append(message.get("body", b""))
        answered.over = not message.get("more_body", False)
        if len(answered.chunks) == leaves_after:
            left.set()

    try:
        await app(_scope(method, target, headers or {}), receive, send)
    except Exception as problem:  # noqa: BLE001 - handed to the test that asked
        answered.raised = problem
    return answered


def _scope(method: str, target: str, headers: Mapping[str, str]) -> MutableMapping[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
