"""What stands before Prometheus, and lets a push get through as far as a test wants."""

import asyncio
import os
import signal
from typing import Literal, final
from urllib.error import HTTPError
from urllib.request import Request as Outgoing
from urllib.request import urlopen

from local.front.http1 import Body, Listener, plain_response, read_request

LIMIT_BYTES = 64 * 1024 * 1024
Trouble = Literal["killed", "killed unheard", "cut"]


@final
class Gate:
    """Passes remote writes on.

    ``trouble`` comes to the request behind the first ``lets`` of them: the ``publisher`` is
    killed before or after that request is passed on, or the connection is cut, as often as it is
    tried. ``passed`` counts the requests that Prometheus took.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._listener = Listener(self._serve)
        self.trouble: Trouble | None = None
        self.lets = 1
        self.passed = 0
        self.publisher: int | None = None
        self.address = ""

    async def start(self) -> None:
        port = await self._listener.start()
        self.address = f"http://127.0.0.1:{port}/api/v1/write"

    async def stop(self) -> None:
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            body = await Body(reader, request).whole(LIMIT_BYTES)
            assert body is not None
            troubled = self.trouble is not None and self.passed >= self.lets
            if troubled and self.trouble != "killed unheard":
                self._strike()
                return
            status = await asyncio.to_thread(self._pass, body, dict(request.headers))
            if troubled:
                self._strike()
                return
            writer.write(plain_response(status, [], b""))
            await writer.drain()

    def _strike(self) -> None:
        if self.trouble != "cut" and self.publisher is not None:
            os.kill(self.publisher, signal.SIGKILL)

    def _pass(self, body: bytes, headers: dict[str, str]) -> int:
        given = {name: headers[name] for name in ("content-type", "content-encoding")}
        try:
            with urlopen(Outgoing(self._url, body, given)) as answer:  # noqa: S310 - loopback
                status: int = answer.status
        except HTTPError as refused:
            return refused.code
        self.passed += 1
        return status
