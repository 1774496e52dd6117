"""One request on the way out: where it may go, and how long it may take."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from aigateway.errors import UpstreamTimeout, UpstreamUnreachable
from aigateway.outbound import BODY_LIMIT_BYTES, Reply, Request, send

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Id: 7\r\n\r\nhi"
SECRET = "sk-planted-0123456789"
Script = Callable[[socket.socket], None]


def answering(answer: bytes, seen: list[bytes]) -> Script:
    def script(connection: socket.socket) -> None:
        read = connection.recv(65_536)
        while b"\r\n\r\n" not in read or (read.startswith(b"POST") and not read.endswith(b"abc")):
            read += connection.recv(65_536)
        seen.append(read)
        connection.sendall(answer)

    return script


@contextmanager
def peer(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve one connection on a free port of loopback."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            with suppress(OSError):
                raw, _ = listening.accept()
                with closing(tls.wrap_socket(raw, server_side=True) if tls else raw) as connection:
                    script(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
    thread.join(10)


def ask(url: str, seconds: float = 5, addresses: list[str] | None = None) -> Reply:
    """Send a secret to ``url``, whose name resolves to ``addresses`` of this machine."""
    request = Request("GET", url, {"X-Api-Key": SECRET})
    found = addresses or ["127.0.0.1"]
    return send(request, allowed=LOOPBACK, seconds=seconds, resolve=lambda *_: found)


def test_a_request_arrives_whole_and_so_does_its_answer() -> None:
    seen: list[bytes] = []
    with peer(answering(OK, seen)) as port:
        reply = ask(f"http://localhost:{port}/v1/models?limit=1")
    assert (reply.status, reply.headers["x-id"], reply.body) == (200, "7", b"hi")
    assert 0 < reply.seconds < 5
    head = seen[0].decode().split("\r\n")
    assert head[0] == "GET /v1/models?limit=1 HTTP/1.1"
    assert f"Host: localhost:{port}" in head
    assert f"X-Api-Key: {SECRET}" in head


def test_a_body_is_sent_with_its_length() -> None:
    seen: list[bytes] = []
    with peer(answering(OK, seen)) as port:
        request = Request("POST", f"http://127.0.0.1:{port}", body=b"abc")
        send(request, allowed=LOOPBACK)
    assert seen[0].startswith(b"POST / HTTP/1.1\r\n")
    assert b"Content-Length: 3\r\n" in seen[0]
    assert seen[0].endswith(b"\r\n\r\nabc")


def test_no_redirect_is_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    with peer(answering(moved, [])) as port:
        assert ask(f"http://localhost:{port}").status == 302


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with peer(answering(OK, [])) as port:
        assert ask(f"http://localhost:{port}").status == 200


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://metadata.example/", ["169.254.169.254"]),
        ("https://inner.example/", ["10.0.0.1", "fd00::1", "::ffff:192.168.0.1"]),
        ("http://public.example/", ["93.184.215.14"]),
        ("https://nowhere.example/", []),
        ("ftp://public.example/", ["93.184.215.14"]),
        ("https://", ["93.184.215.14"]),
        ("https://[::1", ["93.184.215.14"]),
        ("https://h.example:99999/", ["93.184.215.14"]),
    ],
)
def test_an_address_that_is_not_allowed_is_never_connected_to(
    url: str, addresses: list[str]
) -> None:
    with pytest.raises(UpstreamUnreachable):
        send(Request("GET", url), resolve=lambda *_: addresses, seconds=0.001)


def test_a_name_that_cannot_be_resolved_is_unreachable() -> None:
    def resolve(_: str, __: int) -> list[str]:
        raise socket.gaierror

    with pytest.raises(UpstreamUnreachable, match="resolved"):
        send(Request("GET", "https://nowhere.example"), resolve=resolve)


def test_of_several_addresses_the_next_one_is_tried() -> None:
    with peer(answering(OK, [])) as port:
        assert ask(f"http://localhost:{port}", addresses=["127.0.0.2", "127.0.0.1"]).status == 200


def test_an_answer_that_drips_is_ended_at_the_deadline() -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.02):
            connection.sendall(b"X: y\r\n")

    with peer(drip) as port:
        with pytest.raises(UpstreamTimeout):
            ask(f"http://localhost:{port}", seconds=0.3)
        over.set()


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"])
def test_an_answer_that_is_none_is_a_fault_without_its_text(answer: bytes) -> None:
    with peer(answering(answer, [])) as port, pytest.raises(UpstreamUnreachable) as raised:
        ask(f"http://localhost:{port}")
    assert SECRET not in str(raised.value)


def test_a_long_body_is_cut() -> None:
    long = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (BODY_LIMIT_BYTES + 5)
    with peer(answering(long, [])) as port:
        assert len(ask(f"http://localhost:{port}").body) == BODY_LIMIT_BYTES


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signed itself, with its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    subprocess.run(
        [
            program,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            f"{file}.key",
            "-out",
            str(file),
        ],
        check=True,
        capture_output=True,
    )
    return file


@pytest.mark.parametrize("name", ["localhost", "other.example"])
def test_nothing_is_sent_before_the_certificate_is_verified(certificate: Path, name: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, f"{certificate}.key")
    seen: list[bytes] = []
    with peer(answering(OK, seen), tls) as port:
        request = Request("GET", f"https://{name}:{port}", {"X-Api-Key": SECRET})

        def trust() -> ssl.SSLContext:
            return ssl.create_default_context(cafile=certificate)

        if name == "localhost":
            assert send(request, allowed=LOOPBACK, trust=trust).status == 200
        else:
            with pytest.raises(UpstreamUnreachable, match="certificate"):
                send(request, allowed=LOOPBACK, trust=trust, resolve=lambda *_: ["127.0.0.1"])
    assert len(seen) == (name == "localhost")


def test_a_certificate_of_nobody_is_refused(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, f"{certificate}.key")
    with (
        peer(answering(OK, []), tls) as port,
        pytest.raises(UpstreamUnreachable, match="certificate"),
    ):
        ask(f"https://localhost:{port}")


def test_a_request_does_not_show_what_it_carries() -> None:
    request = Request("GET", "https://h.example", {"X-Api-Key": SECRET}, SECRET.encode())
    assert SECRET not in repr(request)
