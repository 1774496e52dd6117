import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from streaming_runtime.asgi import App, Receive, Send
from streaming_runtime.buffered import Buffered
from streaming_runtime.http_event import EventInvalid, Scope


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def event(method: str = "POST", **more: object) -> dict[str, Any]:
    http = {"method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    return {"version": "2.0", "rawPath": "/", "requestContext": {"http": http}, **more}


@contextmanager
def handler_of(app: App) -> Iterator[Buffered]:
    handler = Buffered(app)
    yield handler
    if handler._loop is not None:
        handler._loop.close()


def echo_as(*headers: tuple[bytes, bytes]) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 201, "headers": list(headers)})
        for octet in body:
            await send({"type": "http.response.body", "body": bytes([octet]), "more_body": True})
        await send({"type": "http.response.body"})

    return app


@pytest.mark.parametrize("text", ["", "text", "\u00e4\0"])
def test_text_is_text(text: str) -> None:
    with handler_of(echo_as((b"content-type", b"text/plain"), (b"set-cookie", b"a=1"))) as handler:
        assert handler(event(body=text), Context()) == {
            "statusCode": 201,
            "headers": {"content-type": "text/plain"},
            "cookies": ["a=1"],
            "body": text,
            "isBase64Encoded": False,
        }


@pytest.mark.parametrize(
    ("data", "headers"), [(b"\xff\0", ()), (b"text", ((b"content-encoding", b"br"),))]
)
def test_binary_and_encoded_bytes_are_base64(
    data: bytes, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    encoded = base64.b64encode(data).decode()
    with handler_of(echo_as(*headers)) as handler:
        answer = handler(event(body=encoded, isBase64Encoded=True), Context())
        assert (answer["body"], answer["isBase64Encoded"]) == (encoded, True)


def test_one_loop_and_one_start_serve_all_events() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["starts"] = [1]
            await send({"type": "lifespan.startup.complete"})
            await receive()
        assert scope["aws.event"]["version"] == "2.0"
        assert scope["aws.context"].get_remaining_time_in_millis() == 30_000
        scope["state"]["starts"].append(1)
        count = len(scope["state"]["starts"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"%d" % count})

    with handler_of(app) as handler:
        assert [handler(event(), Context())["body"] for _ in range(3)] == ["2", "3", "4"]


def test_a_cut_is_no_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise LookupError("the rest")

    with handler_of(app) as handler, pytest.raises(LookupError):
        handler(event(), Context())


def test_what_is_no_http_request_is_refused() -> None:
    with handler_of(echo_as()) as handler, pytest.raises(EventInvalid):
        handler({"Records": []}, Context())
