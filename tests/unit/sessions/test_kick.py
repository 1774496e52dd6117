"""The call that makes a deployment reload at once."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from aigateway.sessions.kick import ReloadFunction

Seen = list[tuple[str, str | None, bytes]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """What the service's API is asked, on loopback."""
    found: Seen = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.append((self.path, self.headers["X-Amz-Invocation-Type"], body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        for name, value in {
            "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield found
        server.shutdown()
        thread.join()


async def test_the_scheduled_function_is_invoked_for_a_reload_only(seen: Seen) -> None:
    kick = ReloadFunction("aigw-reload")
    await kick()
    await kick()
    ((path, kind, body), second) = seen
    assert path == "/2015-03-31/functions/aigw-reload/invocations"
    assert (kind, json.loads(body)) == ("Event", {"reason": "changed"})
    assert second == seen[0]
