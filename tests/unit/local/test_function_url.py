"""A Function URL in front of a plain runtime: what no good runtime would answer."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.front.function import Function
from local.front.rest_proxy import RestProxy
from local.function_url import FunctionUrl
from tests.e2e.front_client import Client, ask

TIMEOUT_SECONDS = 1.5


@pytest.fixture
async def function(tmp_path: Path) -> AsyncIterator[Function]:
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield Function(
        name="raw",
        command=[sys.executable, str(Path(__file__).with_name("raw_runtime.py"))],
        handler="app.handler",
        task_root=tmp_path,
        most_sandboxes=1,
        timeout_seconds=TIMEOUT_SECONDS,
        queue_seconds=2,
        log=log,
    )
    os.close(log)


@pytest.fixture
async def port(function: Function) -> AsyncIterator[int]:
    front = FunctionUrl(function)
    yield await front.start()
    await front.stop()


@pytest.fixture
async def api(function: Function) -> AsyncIterator[int]:
    front = RestProxy(function, integration_seconds=0.3)
    yield await front.start()
    await front.stop()


async def test_a_streamed_answer_without_a_body_is_left_open_until_the_timeout(port: int) -> None:
    began = time.monotonic()
    got = await ask(port, "/empty")
    assert (got.status, got.body, got.whole) == (303, b"", False)
    assert time.monotonic() - began > TIMEOUT_SECONDS


async def test_an_answer_in_one_piece_is_not_interpreted(port: int) -> None:
    got = await ask(port, "/teapot")
    assert (got.status, got.body) == (200, b'{"statusCode": 418, "body": "no"}')
    assert got.values("content-type") == ["application/octet-stream"]


async def test_a_stream_without_a_prelude_passes_as_it_is(port: int) -> None:
    got = await ask(port, "/octets")
    assert (got.status, got.body) == (200, b"as it is")
    assert got.values("content-type") == ["application/octet-stream"]


@pytest.mark.parametrize("path", ["/unended", "/injected", "/error"])
async def test_what_cannot_be_a_head_is_a_502(port: int, path: str) -> None:
    assert (await ask(port, path)).status == 502
    head = await ask(port, path, "HEAD")
    assert (head.status, head.whole) == (502, True)


async def test_framing_headers_of_the_function_come_out_under_another_name(port: int) -> None:
    got = await ask(port, "/length")
    assert got.body == b"body"
    assert got.values("transfer-encoding") == ["chunked"]
    assert got.values("content-length") == []
    assert got.values("x-amzn-remapped-content-length") == ["4"]
    assert got.values("x-amzn-remapped-transfer-encoding") == ["gzip"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET relative HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n bad : name\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_a_malformed_request_is_refused(port: int, request_bytes: bytes) -> None:
    async with Client(port) as client:
        await client.write(request_bytes)
        assert (await client.rest(await client.head())).status == 400


async def test_a_rest_api_hands_a_proxy_event_to_the_function(api: int) -> None:
    got = await ask(api, "/rest?a=1")
    assert (got.status, got.body) == (201, b"\xff\x00")
    assert got.values("x-one") == ["/rest"]
    assert got.values("x-two") == ["a", "b"]
    assert (await ask(api, "/healthz")).document == {"status": "ok"}


async def test_a_rest_api_answers_for_a_function_that_does_not(api: int) -> None:
    await ask(api, "/rest")
    broken = await ask(api, "/error")
    assert (broken.status, broken.document) == (502, {"message": "Internal server error"})
    assert (await ask(api, "/octets")).status == 502
    late = await ask(api, "/hold")
    assert (late.status, late.document) == (504, {"message": "Endpoint request timed out"})


async def test_stopping_ends_a_request_under_way(function: Function) -> None:
    front = FunctionUrl(function)
    async with Client(await front.start()) as client:
        await client.send("GET", "/hold")
        while not front.sandboxes._running:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
        await front.stop()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.head()
