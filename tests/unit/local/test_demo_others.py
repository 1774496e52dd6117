"""The requests that pass a gateway beside the demo's session."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aigateway.caller.clients import UNKNOWN, client_of
from aigateway.caller.keys import key_id_of
from local.demo_others import NOBODYS_KEY, OTHERS, drive_others
from local.scripted.wishes import read_wishes

Heard = list[tuple[str, str, str]]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def address(heard: Heard) -> Iterator[str]:
    """Answers every request 418, in less than it promised."""

    class Short(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append((self.command, self.path, self.headers["authorization"]))
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(418)
            self.send_header("content-length", "10")
            self.end_headers()
            self.wfile.write(b"short")

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Short) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_they_are_sent_whatever_is_answered(address: str, heard: Heard) -> None:
    assert drive_others(address, "mine") == [418] * len(OTHERS)
    assert [(method, path) for method, path, _ in heard] == [
        ("POST" if other.body else "GET", other.path) for other in OTHERS
    ]
    keys = {key for _, _, key in heard}
    assert keys == {"Bearer mine", f"Bearer {NOBODYS_KEY}"}


def test_no_answer_is_no_fault() -> None:
    assert drive_others("http://127.0.0.1:1", "mine") == [0] * len(OTHERS)


def test_they_come_from_programs_that_are_known_and_ask_for_what_can_be_scripted() -> None:
    for other in OTHERS:
        named = client_of(((b"user-agent", other.user_agent.encode()),))
        assert named.name != UNKNOWN
        assert read_wishes(other.wishes).fault is None


def test_the_wrong_key_has_the_form_of_a_key() -> None:
    assert key_id_of(NOBODYS_KEY) is not None
