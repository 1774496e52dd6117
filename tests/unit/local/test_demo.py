"""The demo's client, against the scripted provider on loopback."""

import base64
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
import uvicorn

from local.demo import DemoFailed, blocks_of, drive
from local.fake_provider import App, Receive, Scope, Send


class Server:
    """``app`` below ``/anthropic``, as the gateway has it."""

    def __init__(self, app: App) -> None:
        self._app = app
        silent: dict[str, Any] = {"log_level": "critical", "lifespan": "off"}
        config = uvicorn.Config(self.serve, port=0, interface="asgi3", **silent)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix("/anthropic").replace("/none/v1/messages", "/none")
        await self._app({**scope, "path": path}, receive, send)

    def start(self, ready: threading.Event) -> None:
        startup = self._server.startup

        async def told(sockets: Any = None) -> None:  # noqa: ANN401 - uvicorn's own
            await startup(sockets)
            ready.set()

        self._server.startup = told  # type: ignore[method-assign]  # to know when it listens
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    @property
    def address(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"


@pytest.fixture
def address(app: App) -> Iterator[str]:
    server, ready = Server(app), threading.Event()
    server.start(ready)
    assert ready.wait(10)
    yield server.address
    server.stop()


def entries(address: str) -> list[dict[str, Any]]:
    with urlopen(f"{address}/_log") as answer:  # noqa: S310 - loopback
        return list(json.load(answer))


def test_the_demo_has_three_turns_parallel_tools_thoughts_and_one_failure(address: str) -> None:
    pauses: list[float] = []
    session = drive(address, "k1", pause=pauses.append)
    assert pauses == [1.0]
    log = entries(address)
    assert [entry["status"] for entry in log] == [200, 200, 529, 200, 200, 200]
    answers = [entry["answered"] for entry in log if entry["status"] == 200]
    assert [len(answer["tool_calls"]) for answer in answers] == [2, 0, 1, 0, 0]
    assert [bool(answer["thoughts"]) for answer in answers] == [True, False, True, False, True]
    assert all(answer["text"] or answer["tool_calls"] for answer in answers)
    headers = [dict(entry["headers"]) for entry in log]
    assert {head["x-session-id"] for head in headers} == {session}
    assert {head["user-agent"] for head in headers} == {"aigw-demo/1"}
    assert [head["x-stainless-retry-count"] for head in headers] == ["0", "0", "0", "1", "0", "0"]
    assert log[2]["body_sha256"] == log[3]["body_sha256"]


def test_the_demo_sends_back_what_it_got(address: str) -> None:
    drive(address, "k1", pause=[0.0].append)
    log = entries(address)
    last = json.loads(base64.b64decode(log[-1]["body_base64"]))
    kinds = [
        [block["type"] for block in message["content"]]
        for message in last["messages"]
        if not isinstance(message["content"], str)
    ]
    assert kinds[:3] == [
        ["thinking", "tool_use", "tool_use"],
        ["tool_result", "tool_result"],
        ["text"],
    ]
    first = last["messages"][1]["content"]
    assert first[1]["input"] == {"file_path": "parser.py"}
    assert first[0]["signature"]


def test_a_refusal_and_a_closed_port_are_told_apart(address: str) -> None:
    with pytest.raises(DemoFailed, match="404"):
        drive(address, "k1", provider="none")
    with pytest.raises(DemoFailed, match="no answer"):
        drive("http://127.0.0.1:1", "k1")


def test_an_error_event_ends_the_demo() -> None:
    with pytest.raises(DemoFailed, match="Overloaded"):
        blocks_of([{"type": "error", "error": {"message": "Overloaded"}}])
