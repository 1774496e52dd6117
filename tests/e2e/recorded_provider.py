"""A provider that answers with recordings: the same bytes to every host."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.golden.recordings import RECORDINGS

PIECE_BYTES = 97
BY_NAME = {str(recording): recording for recording in RECORDINGS}
WANTED = "x-recording"


class Handler(BaseHTTPRequestHandler):
    """Answers with the recording that a header names, cut where the recording is."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        recording = BY_NAME[self.headers[WANTED]]
        self.send_response(recording.status)
        self.send_header("Content-Type", recording.content_type.decode())
        self.send_header("Request-Id", "req_recorded")
        self.send_header("X-Twice", "a")
        self.send_header("X-Twice", "b")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = recording.response
        for at in range(0, len(body), PIECE_BYTES):
            piece = body[at : at + PIECE_BYTES]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if recording.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def recorded_provider() -> Iterator[str]:
    """Serve on loopback; gives the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
