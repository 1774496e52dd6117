"""The real client of the table: credentials that run out, answers that are cut or another's."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import final

import pytest

from aigateway.errors import AuthUnavailable, RecorderUnavailable
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import connect
from tests.builders import an_opened
from tests.contract.stand_in import at_once

SOON, LONG = timedelta(minutes=5), timedelta(hours=6)
"""The client renews what has less than ten minutes to live before each request."""


@final
@dataclass(frozen=True, slots=True)
class Said:
    """An answer; ``missing``: so many bytes fewer than it announces."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"x-amzn-RequestId": "R"})
    missing: int = 0


NOTHING = Said(200, b"{}")
PAGE = b"<html>Please sign in.</html>"
ANSWERS: Mapping[str, Said] = {
    "answer cut": Said(200, b'{"Item":{', missing=20),
    "answer cut between two values": Said(200, b"{}", missing=20),
    "answer changed": Said(200, b"{}", {"x-amzn-RequestId": "R", "x-amz-crc32": "1"}),
    "answer of something in between": Said(200, PAGE, {"Content-Type": "text/html"}),
    "error of something in between": Said(502, PAGE, {"Content-Type": "text/html"}),
}
"""Answers that the SDK by itself takes for an item that is not there, or for one written."""


@final
class Account(ThreadingHTTPServer):
    """Gives out credentials and takes requests that are signed with the ones in force.

    ``given``: the next ones that are given out, and how long they live from now; ``in_force``.
    ``said``: what it answers in place of the truth.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.given, self.lasting = "OLD", SOON
        self.in_force = "OLD"
        self.signed_with: list[str] = []
        self.said: Said | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Account

    def do_GET(self) -> None:
        expires = datetime.now(UTC) + self.server.lasting
        document = {
            "AccessKeyId": self.server.given,
            "SecretAccessKey": "planted",
            "Token": "planted",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self._answer(Said(200, json.dumps(document).encode()))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        self.server.signed_with.append(key)
        expired = Said(400, b'{"__type": "com.amazon.coral.service#ExpiredTokenException"}')
        self._answer(self.server.said or (NOTHING if key == self.server.in_force else expired))

    def _answer(self, said: Said) -> None:
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body) + said.missing))
        self.end_headers()
        self.wfile.write(said.body)
        self.close_connection = bool(said.missing)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        return


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with Account() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/credentials")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def store(account: Account) -> DynamoStore:
    return DynamoStore("ledger", connection=connect(), pause=at_once)


async def test_renewed_credentials_are_used_without_a_restart(
    account: Account, store: DynamoStore
) -> None:
    assert await store.key("0" * 16) is None
    account.in_force = "NEW"
    with pytest.raises(AuthUnavailable):
        await store.key("0" * 16)
    account.given, account.lasting = "NEW", LONG
    assert await store.key("0" * 16) is None
    assert account.signed_with == ["OLD", "OLD", "NEW"]


async def test_credentials_that_are_given_out_expired_are_a_table_that_does_not_answer(
    account: Account, store: DynamoStore
) -> None:
    account.lasting = -SOON
    with pytest.raises(RecorderUnavailable):
        await store.users()
    assert account.signed_with == []
    account.lasting = LONG
    assert await asyncio.wait_for(store.key("0" * 16), 30) is None


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_that_is_not_whole_or_not_the_tables_is_none(
    account: Account, store: DynamoStore, answer: str
) -> None:
    """A caller is not unknown, and a record not open, because of it."""
    account.said = ANSWERS[answer]
    with pytest.raises(AuthUnavailable):
        await store.key("0" * 16)
    with pytest.raises(RecorderUnavailable):
        await store.open(an_opened())
    with pytest.raises(RecorderUnavailable):
        await store.users()
    account.said = None
    await store.stop()
    assert await store.key("0" * 16) is None
