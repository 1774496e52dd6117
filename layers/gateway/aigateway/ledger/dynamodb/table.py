"""The table: its keys, its indexes, and how it is made where no template makes it."""

import time
from typing import Any

from aigateway.errors import RecorderUnavailable
from aigateway.ledger.dynamodb.connection import Answering, connect

LIST, LOOKUP, OPEN = "list", "lookup", "open"
EXPIRY = "expires_at"
KEYS: dict[str, tuple[str, str]] = {
    LIST: ("g1pk", "g1sk"),
    LOOKUP: ("g2pk", "g2sk"),
    OPEN: ("g3pk", "g3sk"),
}
LOOKUP_ATTRIBUTES = ["in", "pv", "pn", "mo", "cl", "cs", "st", EXPIRY]
OPEN_ATTRIBUTES = ["pn", "mo", "rt"]

READY_SECONDS, ASKED_EVERY_SECONDS = 30.0, 0.1


def table_definition(name: str) -> dict[str, Any]:
    """Return the arguments of CreateTable; expiry is switched on by a call of its own."""
    projections: dict[str, dict[str, Any]] = {
        LIST: {"ProjectionType": "ALL"},
        LOOKUP: {"ProjectionType": "INCLUDE", "NonKeyAttributes": LOOKUP_ATTRIBUTES},
        OPEN: {"ProjectionType": "INCLUDE", "NonKeyAttributes": OPEN_ATTRIBUTES},
    }
    names = ["pk", "sk", *(key for pair in KEYS.values() for key in pair)]
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in names],
        "KeySchema": _schema(("pk", "sk")),
        "GlobalSecondaryIndexes": [
            {"IndexName": index, "KeySchema": _schema(KEYS[index]), "Projection": projection}
            for index, projection in projections.items()
        ],
    }


def _schema(keys: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {"AttributeName": key, "KeyType": kind}
        for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)
    ]


def create_table(name: str, connection: Answering | None = None) -> None:
    """Create the table with expiry, or do nothing where it stands; blocks until it is usable.

    For local use: a deployed table comes from the template. Raises ``RecorderUnavailable``.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - dear to import

    door = connection or connect()
    specification = {"AttributeName": EXPIRY, "Enabled": True}
    try:
        _unless(door, "CreateTable", table_definition(name), "ResourceInUseException")
        _wait_until_active(door, name)
        expiring = {"TableName": name, "TimeToLiveSpecification": specification}
        _unless(door, "UpdateTimeToLive", expiring, "ValidationException")
    except (BotoCoreError, ClientError) as error:
        raise RecorderUnavailable("the table could not be made") from error


def _unless(door: Answering, operation: str, request: dict[str, Any], done: str) -> None:
    """Send a request; the refusal ``done`` says that it was done before."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - likewise

    try:
        door.dispatch(operation, request)
    except ClientError as error:
        if error.response["Error"]["Code"] != done:
            raise


def _wait_until_active(door: Answering, name: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        described = door.dispatch("DescribeTable", {"TableName": name})
        if described["Table"]["TableStatus"] == "ACTIVE":
            return
        time.sleep(ASKED_EVERY_SECONDS)
    raise RecorderUnavailable(f"the table was not usable after {READY_SECONDS:.0f} s")
