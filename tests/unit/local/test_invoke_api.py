"""Functions are invoked for later by the call that AWS's SDK makes."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.front.function import Function
from local.front.invoke_api import InvokeApi
from local.sandboxes import Sandboxes

RUNTIME = Path(__file__).with_name("raw_runtime.py")
PATH = "/2015-03-31/functions/raw/invocations"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    function = Function(
        name="raw",
        command=[sys.executable, str(RUNTIME)],
        handler="app.handler",
        task_root=tmp_path,
        environment={"OWN": str(tmp_path / "own"), "START": ""},
        queue_seconds=2,
        log=log,
    )
    sandboxes = Sandboxes(function)
    api = InvokeApi({"raw": sandboxes})
    yield await api.start()
    await api.stop()
    await sandboxes.stop()
    os.close(log)


async def asked(port: int, path: str, kind: str, body: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Amz-Invocation-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    content = await reader.readexactly(length)
    writer.close()
    return int(head.split()[1]), content


async def test_an_event_is_taken_before_the_function_has_run(port: int, tmp_path: Path) -> None:
    event = json.dumps({"do": "tell"})
    assert await asked(port, PATH, "Event", event) == (202, b"")


@pytest.mark.parametrize(
    ("path", "kind", "body", "status"),
    [
        (PATH, "RequestResponse", "{}", 400),
        (PATH, "Event", "[]", 400),
        (PATH, "Event", "{", 400),
        ("/2015-03-31/functions/other/invocations", "Event", "{}", 404),
        ("/", "Event", "{}", 404),
    ],
)
async def test_anything_else_is_refused(
    port: int, path: str, kind: str, body: str, status: int
) -> None:
    assert (await asked(port, path, kind, body))[0] == status
