"""Nothing of an erased user is found in a table or a bucket: all of both is searched."""

import zlib
from typing import Any

import pytest

from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import Answering
from aigateway.ledger.erase import ask_to_erase, erase_due, erasure_of
from aigateway.ledger.expressions import from_item
from tests.builders import a_closed, a_thought, a_tool, an_opened
from tests.clocks import HeldClock
from tests.days import Record, written

CANARY = "canary-3f9a"


def records(initiator: str, word: str) -> list[Record]:
    """Return records whose every text from outside holds the word."""
    made: list[Record] = []
    for number in range(12):
        opened = an_opened(
            number,
            session=f"{word}-session" if number % 2 else None,
            initiator_id=initiator,
            initiator_username=f"{word}-name",
            prompt=f"{word} asks",
            metadata={"Username": f"{word}-name"},
        )
        facts = a_thought(f"{word} thinks"), a_tool(f"{word}-{number}", text=f"{word} input")
        made.append((opened, a_closed(opened, *facts, provider_response_id=f"{word}-{number}")))
    return made


def searched(connection: Answering, table: str) -> str:
    found = connection.dispatch("Scan", {"TableName": table})
    assert "LastEvaluatedKey" not in found
    items = [from_item(item) for item in found["Items"]]
    texts = [
        zlib.decompress(item["z"][1:])
        for item in items
        if str(item["sk"])[:2] == "P#" and "z" in item
    ]
    return f"{items}{texts}"


def objects(s3: Any, bucket: str) -> str:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    bodies = [s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed]
    return f"{listed}{[zlib.decompress(body[1:]) for body in bodies]}"


@pytest.mark.parametrize("kind", ["dynamodb_moto", "dynamodb_moto_bucket"])
async def test_no_item_and_no_object_holds_anything_of_an_erased_user(
    kind: str,
    request: pytest.FixtureRequest,
    moto_connection: Answering,
    moto_s3: Any,  # noqa: ANN401 - likewise
) -> None:
    store: DynamoStore = request.getfixturevalue(kind)
    await store.start()
    await written(store, records("u-alice", CANARY) + records("u-bob", "other"))
    name = store._table.name
    has_bucket = kind.endswith("bucket")

    def everything() -> str:
        return searched(moto_connection, name) + (objects(moto_s3, name) if has_bucket else "")

    assert f"{CANARY} thinks" in everything()
    clock = HeldClock()
    await ask_to_erase(store, clock, "u-alice", "alice", "u-root")
    assert await erase_due(store, clock) == 12
    assert CANARY not in everything()
    assert "other thinks" in everything()
    receipt = await erasure_of(store, "u-alice")
    assert receipt is not None
    counts = {"interceptions": 12, "prompts": 12, "texts": 24, "pointers": 12, "sessions": 7}
    assert receipt.deleted == counts | {"objects": 24 if has_bucket else 0, "lines": 0}
    await store.stop()
