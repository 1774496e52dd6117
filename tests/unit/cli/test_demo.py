import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Aigw


class Healthy(BaseHTTPRequestHandler):
    """Answers a probe, and refuses everything else."""

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        self._answer(401)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something on the gateway's port that is alive."""
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        monkeypatch.setenv("GATEWAY_PORT", str(server.server_port))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_port_that_is_no_number_is_one_line(aigw: Aigw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "http")
    said = aigw("demo")
    assert (said.status, said.err) == (2, "aigw: GATEWAY_PORT: expected a number\n")


def test_a_running_gateway_of_another_directory_is_one_line(aigw: Aigw, gateway: None) -> None:
    said = aigw("demo")
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert "AIGW_STATE_DIR" in said.err


def test_a_gateway_that_refuses_is_one_line(aigw: Aigw, gateway: None, state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "admin.key").write_text("aigw_0123456789abcdef_x\n")
    said = aigw("demo")
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert "the demo stopped: 401" in said.err
