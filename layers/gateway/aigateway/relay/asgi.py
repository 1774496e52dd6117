"""What an ASGI host hands in and takes: bodies, answers, the client's leaving."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, final

from aigateway.errors import RequestTooLarge
from aigateway.relay.refusals import OwnAnswer
from aigateway.wire.messages import RequestHead, value

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientLeft(Exception):
    """The client left before its request was complete, or before its answer was."""


class Aborted(Exception):
    """The response must end as a cut."""


@final
class Started:
    """``send``, and whether a response has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


async def send_own(
    answer: OwnAnswer, send: Send, added: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send one of our own answers. They carry their length: nothing is written behind them."""
    headers = [*answer.headers, *added, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def read_body(head: RequestHead, receive: Receive, most: int) -> bytes:
    """Read the whole body. Raises ``RequestTooLarge``, or ``ClientLeft`` when it breaks off."""
    too_large = RequestTooLarge(f"the request body is larger than {most} bytes")
    announced = value(head.headers, b"content-length") or b""
    if announced.isdigit() and int(announced) > most:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise too_large
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def client_leaves(receive: Receive) -> None:
    """Wait until the client is gone (ASGI HTTP specification, Disconnect)."""
    while (await receive())["type"] != "http.disconnect":
        pass
