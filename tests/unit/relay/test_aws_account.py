"""What the SDK is asked for, and what becomes of its errors; services are on loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aigateway.errors import CredentialsUnavailable
from aigateway.relay.aws_sessions import Account, Assumption
from aigateway.wire.sigv4 import AwsCredentials

WANTED = Assumption("us-east-1", "arn:aws:iam::000000000000:role/bedrock", None, "alice", None)
DENIED = b"""<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
<Message>planted</Message></Error><RequestId>r</RequestId></ErrorResponse>"""


class Service(BaseHTTPRequestHandler):
    """Answers everything with what its server has."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, body = getattr(self.server, "answer", (500, b""))
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def service(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    home = tmp_path_factory.mktemp("home")
    for name, value in (
        ("HOME", str(home)),
        ("AWS_ACCESS_KEY_ID", "AKIAPLANTED"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
        ("AWS_SESSION_TOKEN", "planted-token"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}"),
    ):
        monkeypatch.setenv(name, value)
    running = threading.Thread(target=server.serve_forever)
    running.start()
    yield server
    server.shutdown()
    running.join()
    server.server_close()


async def test_the_processes_own_are_those_of_the_chain(service: ThreadingHTTPServer) -> None:
    assert await Account().own() == AwsCredentials("AKIAPLANTED", "planted-secret", "planted-token")


async def test_without_any_there_is_a_fault(
    service: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(CredentialsUnavailable, match="has no AWS credentials"):
        await Account().own()


async def test_half_a_pair_is_a_fault(
    service: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsUnavailable, match="PartialCredentialsError"):
        await Account().own()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((403, DENIED), "AccessDenied"),
        ((200, b"planted"), "ResponseParserError"),
        ((200, b"<AssumeRoleResponse/>"), "KeyError"),
    ],
)
async def test_i10_a_refusal_says_its_code_and_no_more(
    service: ThreadingHTTPServer, answer: tuple[int, bytes], code: str
) -> None:
    service.answer = answer  # type: ignore[attr-defined] # what Service reads
    with pytest.raises(CredentialsUnavailable) as raised:
        await Account().assume(WANTED)
    assert str(raised.value) == f"AWS gives no credentials: {code}"
