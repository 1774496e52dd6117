"""AWS for the contract tests: the local AWS stand-in as a process, and moto, tamed.

The stand-in is started once per test session and keeps nothing.
"""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final
from uuid import uuid4

import pytest

from aigateway.aws import client
from aigateway.clock import SystemClock
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.bucket import create_bucket
from aigateway.ledger.dynamodb.connection import Answering, connect
from aigateway.ledger.dynamodb.lean import DYNAMODB, Lean
from aigateway.ledger.dynamodb.table import create_table
from aigateway.pool.vault import SECRETS_MANAGER, SecretsManager
from aigateway.relay.aws_links import AwsLinks
from local.aws import LocalAws, installed

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def a_dynamo_store(connection: Answering) -> DynamoStore:
    """Make a table of its own, and the store over it."""
    table = f"ledger-{uuid4().hex[:12]}"
    create_table(table, connection)
    return DynamoStore(table, connection=connection, pause=at_once)


def a_spilling_store(connection: Answering, s3: Any) -> DynamoStore:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """Make a table and a bucket of its own, and the store whose texts all go to the bucket."""
    name = f"ledger-{uuid4().hex[:12]}"
    create_table(name, connection)
    create_bucket(name, lambda: s3)
    return DynamoStore(
        name,
        bucket=name,
        spill_bytes=0,
        connection=connection,
        connecting=lambda: s3,
        pause=at_once,
    )


async def at_once(seconds: float) -> None:
    """Pause as tests do: not at all."""


@final
class OneAtATime:
    """A connection that sends one request after the other: moto locks nothing."""

    def __init__(self, connection: Answering) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def dispatch(self, operation_name: str, operation_kwargs: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            return self._connection.dispatch(operation_name, operation_kwargs)


@final
class OneCallAtATime:
    """The same for a client of boto3."""

    def __init__(self, made: Any) -> None:  # noqa: ANN401 - likewise
        self._made = made
        self._lock = threading.Lock()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._made, operation)

        def alone(**request: object) -> Any:  # noqa: ANN401 - likewise
            with self._lock:
                return call(**request)

        return alone


@pytest.fixture(scope="session")
def moto_connection() -> Answering:
    """A connection that moto answers while it is on."""
    moto = pytest.importorskip("moto")
    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        for name, value in ACCOUNT.items():
            patch.setenv(name, value)
        connection = connect()
        connection.dispatch("ListTables", {})
    return OneAtATime(connection)


@pytest.fixture
def dynamodb_moto(moto_connection: Answering) -> Iterator[DynamoStore]:
    """A store over a table within this process."""
    moto = pytest.importorskip("moto")
    with moto.mock_aws():
        yield a_dynamo_store(moto_connection)


@pytest.fixture(scope="session")
def moto_s3() -> OneCallAtATime:
    """A client of S3 that moto answers while it is on."""
    moto = pytest.importorskip("moto")
    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        for name, value in ACCOUNT.items():
            patch.setenv(name, value)
        s3 = client("s3")
        s3.list_buckets()
    return OneCallAtATime(s3)


@pytest.fixture
def dynamodb_moto_bucket(
    moto_connection: Answering, moto_s3: OneCallAtATime
) -> Iterator[DynamoStore]:
    """A store over a table and a bucket within this process."""
    moto = pytest.importorskip("moto")
    with moto.mock_aws():
        yield a_spilling_store(moto_connection, moto_s3)


@pytest.fixture(scope="session")
def stand_in_connection(stand_in: str) -> Answering:
    """A connection to the stand-in, the same for all: making one takes 0.3 s."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ACCOUNT | {"AWS_ENDPOINT_URL": stand_in}).items():
            patch.setenv(name, value)
        connection = connect()
        connection.dispatch("ListTables", {})
    return connection


@pytest.fixture
def dynamodb_ministack(stand_in_connection: Answering) -> DynamoStore:
    """A store over a table in the stand-in."""
    return a_dynamo_store(stand_in_connection)


@pytest.fixture
def lean_links(stand_in: str, tmp_path: Path) -> AwsLinks:
    """Connections to the stand-in without the SDK; who asks for them closes them."""
    return AwsLinks(ACCOUNT | {"AWS_ENDPOINT_URL": stand_in, "HOME": str(tmp_path)}, SystemClock())


@pytest.fixture
def dynamodb_ministack_lean(stand_in_connection: Answering, lean_links: AwsLinks) -> DynamoStore:
    """A store over a table in the stand-in that is asked without the SDK."""
    table = f"ledger-{uuid4().hex[:12]}"
    create_table(table, stand_in_connection)
    calls = lean_links.to(DYNAMODB)
    assert calls is not None
    return DynamoStore(table, sending=Lean(calls), pause=at_once)


@pytest.fixture
def vault_ministack_lean(
    stand_in: str, lean_links: AwsLinks, monkeypatch: pytest.MonkeyPatch
) -> SecretsManager:
    """Secrets in the stand-in that are read without the SDK."""
    for name, value in (ACCOUNT | {"AWS_ENDPOINT_URL": stand_in}).items():
        monkeypatch.setenv(name, value)
    calls = lean_links.to(SECRETS_MANAGER)
    assert calls is not None
    return SecretsManager(calls)


@pytest.fixture
def vault_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    """Secrets within this process."""
    moto = pytest.importorskip("moto")
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        yield SecretsManager()


@pytest.fixture
def vault_ministack(stand_in: str, monkeypatch: pytest.MonkeyPatch) -> SecretsManager:
    """Secrets in the stand-in; those of other tests are there as well."""
    for name, value in (ACCOUNT | {"AWS_ENDPOINT_URL": stand_in}).items():
        monkeypatch.setenv(name, value)
    return SecretsManager()


@pytest.fixture(scope="session")
def stand_in_s3(stand_in: str) -> Any:  # noqa: ANN401 - likewise
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ACCOUNT | {"AWS_ENDPOINT_URL": stand_in}).items():
            patch.setenv(name, value)
        return client("s3")


@pytest.fixture
def dynamodb_ministack_bucket(stand_in_connection: Answering, stand_in_s3: Any) -> DynamoStore:  # noqa: ANN401 - likewise
    """A store over a table and a bucket in the stand-in."""
    return a_spilling_store(stand_in_connection, stand_in_s3)


@pytest.fixture(scope="session")
def stand_in() -> Iterator[str]:
    """The address of a running stand-in. Without the program tests are skipped, but not in CI."""
    if installed() is None:
        reason = "the local AWS stand-in is not installed (make .venv-aws/ready)"
        if os.environ.get("CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with LocalAws() as aws:
        yield aws.endpoint
