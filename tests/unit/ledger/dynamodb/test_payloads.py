"""Long texts: where they lie, and what is left of a record whose texts are lost."""

import hashlib
import json
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from aigateway.errors import RecorderUnavailable
from aigateway.interception import Closed, Opened
from aigateway.ledger.documents import packed
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.bucket import create_bucket
from aigateway.ledger.expressions import from_item
from aigateway.ledger.items import opened_item
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception
from aigateway.ledger.texts import PROMPT_PART, object_item, texts_of
from aigateway.reload.sweep import abandoned_record, sweep
from aigateway.steps import steps_of_closing
from tests.builders import a_closed, a_thought, a_usage, an_opened, at
from tests.contract.stand_in import OneCallAtATime, at_once
from tests.unit.ledger.dynamodb.faulty import FaultyConnection, unanswered
from tests.unit.ledger.dynamodb.faulty_objects import FaultyObjects, denial

ALL = Reach(None)
NOW = at(3600)
UNREACHABLE = EndpointConnectionError(endpoint_url="http://127.0.0.1")


def _noise(length: int) -> str:
    """Return text that does not compress well, the same every time."""
    return "".join(f"{number * 2654435761 % 2**32:08x}" for number in range(length // 8))


LONG = _noise(40_000)


@pytest.fixture
def objects(moto_s3: OneCallAtATime, table_name: str) -> FaultyObjects:
    create_bucket(table_name, lambda: moto_s3)
    return FaultyObjects(moto_s3)


@pytest.fixture
async def store(
    faulty: FaultyConnection, objects: FaultyObjects, table_name: str
) -> AsyncIterator[DynamoStore]:
    made = a_store(faulty, objects, table_name)
    await made.start()
    faulty.sent.clear()
    yield made
    await made.stop()


def a_store(faulty: FaultyConnection, objects: FaultyObjects, name: str) -> DynamoStore:
    return DynamoStore(
        name, bucket=name, connection=faulty, connecting=objects.connecting, pause=at_once
    )


async def closing(store: DynamoStore, opened: Opened, closed: Closed) -> bool:
    return await store.close(opened, closed, steps_of_closing(opened, closed))


async def stored(store: DynamoStore, opened: Opened) -> Interception:
    found = await store.interception(opened.id, ALL, NOW)
    assert found is not None
    return found


def texts(faulty: FaultyConnection, table_name: str) -> dict[str, dict[str, Any]]:
    """Return the items of texts by what their keys end with: part and chunk."""
    items = [
        from_item(item) for item in faulty.dispatch("Scan", {"TableName": table_name})["Items"]
    ]
    return {item["sk"][-3:]: item for item in items if item["sk"].startswith("P#")}


def keys(objects: FaultyObjects, bucket: str) -> list[str]:
    listed = objects.s3.list_objects_v2(Bucket=bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


async def a_long_record(store: DynamoStore, seconds: float = 0) -> tuple[Opened, Closed]:
    opened = an_opened(seconds, prompt=LONG)
    closed = a_closed(opened, a_thought(LONG[::-1]), a_usage(), notes={"redactions": 1})
    await store.open(opened)
    assert await closing(store, opened, closed)
    return opened, closed


async def test_short_texts_stay_in_the_table_and_need_no_client(
    store: DynamoStore, faulty: FaultyConnection, objects: FaultyObjects, table_name: str
) -> None:
    opened = an_opened(prompt=LONG[:10_000])
    closed = a_closed(opened, a_thought(LONG[:10_000]))
    await store.open(opened)
    assert await closing(store, opened, closed)
    found = await stored(store, opened)
    assert (found.opened, found.closed, found.payload_error) == (opened, closed, None)
    assert objects.made == 0
    assert {"z", "sz", "sh"} <= texts(faulty, table_name)["0.0"].keys()


async def test_long_texts_lie_in_the_bucket_and_the_table_names_them(
    store: DynamoStore, faulty: FaultyConnection, objects: FaultyObjects, table_name: str
) -> None:
    opened, closed = await a_long_record(store)
    assert opened.expires_at is not None
    names = [f"p/u-alice/2026/11/{opened.id}-{part}.z" for part in (0, 1)]
    assert keys(objects, table_name) == names
    items = texts(faulty, table_name)
    assert items.keys() == {"0.0", "1.0"}
    for part, name in enumerate(names):
        found = objects.s3.get_object(Bucket=table_name, Key=name)
        raw = zlib.decompress(found["Body"].read()[1:])
        assert items[f"{part}.0"] == {
            "pk": f"S#{opened.session_key}",
            "sk": f"P#{opened.id}#{part}.0",
            "ob": name,
            "sz": len(raw),
            "sh": hashlib.sha256(raw).hexdigest(),
            "expires_at": int(opened.expires_at.timestamp()),
        }
        assert found["Metadata"] == {"sha256": items[f"{part}.0"]["sh"]}
        assert found["ServerSideEncryption"] == "AES256"
    found_row = await stored(store, opened)
    assert (found_row.opened, found_row.closed) == (opened, closed)
    assert found_row.payload_error is None
    assert objects.made == 1


async def test_an_object_is_written_before_the_item_that_names_it(
    store: DynamoStore, faulty: FaultyConnection, objects: FaultyObjects
) -> None:
    order: list[str] = []
    for operation, sent in (("put_object", objects), ("PutItem:P#", faulty)):
        sent.notes(operation, order)
    await a_long_record(store)
    assert order == ["put_object", "PutItem:P#"] * 2


async def test_i06_an_opening_whose_prompt_is_not_in_the_bucket_is_refused(
    store: DynamoStore, faulty: FaultyConnection, objects: FaultyObjects, table_name: str
) -> None:
    objects.fails("put_object", UNREACHABLE, times=3)
    opened = an_opened(prompt=LONG)
    with pytest.raises(RecorderUnavailable):
        await store.open(opened)
    assert len(objects.requests("put_object")) == 3
    await store.stop()
    found = await stored(store, opened)
    assert found.closed is not None
    assert (found.closed.outcome, found.closed.error_type) == ("failed", "server_error")
    assert (found.opened.prompt, found.payload_error) == (None, None)
    assert texts(faulty, table_name).keys() == {"1.0"}


async def test_what_the_bucket_forbids_is_not_tried_again(
    store: DynamoStore, objects: FaultyObjects
) -> None:
    objects.fails("put_object", denial(403, "AccessDenied"))
    with pytest.raises(RecorderUnavailable, match="AccessDenied"):
        await store.open(an_opened(prompt=LONG))
    assert len(objects.requests("put_object")) == 1


@pytest.mark.parametrize(
    "error",
    [
        unanswered(),
        denial(503, "SlowDown"),
        denial(500, "InternalError"),
        denial(409, "ConditionalRequestConflict"),
        RuntimeError("Credentials were refreshed, but they are still expired."),
    ],
)
async def test_a_busy_bucket_is_asked_again(
    store: DynamoStore, objects: FaultyObjects, table_name: str, error: Exception
) -> None:
    objects.fails("put_object", error, times=2)
    opened = an_opened(prompt=LONG)
    await store.open(opened)
    assert len(keys(objects, table_name)) == 1
    assert (await stored(store, opened)).opened == opened


@pytest.mark.parametrize("error", [UNREACHABLE, denial(403, "AccessDenied")])
async def test_an_answer_that_the_bucket_does_not_take_stays_in_the_table(
    store: DynamoStore,
    faulty: FaultyConnection,
    objects: FaultyObjects,
    table_name: str,
    error: Exception,
) -> None:
    opened = an_opened()
    closed = a_closed(opened, a_thought(_noise(1_000_000)))
    await store.open(opened)
    objects.fails("put_object", error, times=3)
    assert await closing(store, opened, closed)
    found = await stored(store, opened)
    assert (found.opened, found.closed, found.payload_error) == (opened, closed, None)
    assert {"1.0", "1.1"} <= texts(faulty, table_name).keys()
    assert len(objects.requests("put_object")) <= 2


async def test_a_lost_reply_costs_room_in_the_table_and_no_text(
    store: DynamoStore, objects: FaultyObjects
) -> None:
    opened = an_opened(prompt=LONG)
    closed = a_closed(opened, a_thought(LONG))
    objects.loses_the_reply("put_object")
    await store.open(opened)
    objects.loses_the_reply("put_object")
    assert await closing(store, opened, closed)
    found = await stored(store, opened)
    assert (found.opened, found.closed, found.payload_error) == (opened, closed, None)
    assert objects.requests("get_object") == []


async def test_the_closing_that_wins_replaces_no_object_and_is_read(
    store: DynamoStore, faulty: FaultyConnection, objects: FaultyObjects, table_name: str
) -> None:
    opened = an_opened()
    lost = a_closed(opened, a_thought(LONG))
    won = a_closed(opened, a_thought(LONG[::-1]))
    await store.open(opened)
    faulty.fails("TransactWriteItems", unanswered(), times=6)
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, lost)
    another = a_store(faulty, objects, table_name)
    assert await closing(another, opened, won)
    assert (await stored(store, opened)).closed == won
    assert len(keys(objects, table_name)) == 1
    (first, _) = objects.requests("put_object")
    (name,) = keys(objects, table_name)
    body = objects.s3.get_object(Bucket=table_name, Key=name)["Body"].read()
    assert body == first["Body"]


async def test_what_was_written_before_a_crash_survives_the_sweep(
    store: DynamoStore, faulty: FaultyConnection, objects: FaultyObjects, table_name: str
) -> None:
    opened = an_opened(prompt=LONG)
    heard = a_closed(opened, a_thought(LONG))
    await store.open(opened)
    faulty.fails("TransactWriteItems", unanswered(), times=6)
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, heard)
    sweeper = a_store(faulty, objects, table_name)
    (orphan,) = await sweeper.orphans(at(1), 10)
    assert orphan == opened
    objects.fails("get_object", UNREACHABLE, times=1000)
    with pytest.raises(RecorderUnavailable):
        await sweep(sweeper, NOW)
    objects.works("get_object")
    assert await sweep(sweeper, NOW) == 1
    found = await stored(sweeper, opened)
    assert found.opened == opened
    assert found.closed is not None
    assert found.closed.outcome == "abandoned"
    assert found.closed.rows == heard.rows


async def test_an_orphan_whose_prompt_is_lost_is_closed_all_the_same(
    store: DynamoStore, objects: FaultyObjects, table_name: str
) -> None:
    opened = an_opened(prompt=LONG)
    await store.open(opened)
    delete(objects, table_name)
    (orphan,) = await store.orphans(at(1), 10)
    assert orphan == replace(opened, prompt=None)
    assert await closing(store, orphan, abandoned_record(orphan, NOW))
    assert await store.orphans(at(1), 10) == ()


def delete(objects: FaultyObjects, bucket: str, ending: str = "") -> None:
    for name in keys(objects, bucket):
        if name.endswith(ending):
            objects.s3.delete_object(Bucket=bucket, Key=name)


async def test_a_missing_object_leaves_the_row_and_says_so(
    store: DynamoStore, objects: FaultyObjects, table_name: str
) -> None:
    opened, closed = await a_long_record(store)
    delete(objects, table_name, "-1.z")
    found = await stored(store, opened)
    assert found.payload_error == "answer_missing"
    assert found.opened == opened
    assert found.closed is not None
    assert (found.closed.rows, found.closed.outcome) == ((), closed.outcome)
    assert found.tokens == closed.tokens
    delete(objects, table_name)
    found = await stored(store, opened)
    assert found.payload_error == "prompt_missing, answer_missing"
    assert found.has_prompt
    page = await store.interceptions(Filter(), ALL, Window(10, NOW))
    assert page.rows == (found,)
    (bare,) = (await store.session("session-1", ALL, NOW))[0]
    assert bare.payload_error is None
    assert await store.filled((bare,)) == (found,)


FORGED = packed({"rows": [], "notes": {}})
BOMB = b"\x01" + zlib.compress(b"0" * 5_000_000)


@pytest.mark.parametrize(
    "altered",
    [
        lambda body: b"",
        lambda body: body[:-1],
        lambda body: body + b"x",
        lambda body: b"\x02" + body[1:],
        lambda body: body[:1000] + bytes([body[1000] ^ 1]) + body[1001:],
        lambda body: b"no text",
        lambda body: FORGED,
        lambda body: BOMB,
        lambda body: body * 100,
    ],
    ids=["empty", "cut", "longer", "format", "bit", "nonsense", "forged", "bomb", "huge"],
)
async def test_an_altered_object_is_not_believed(
    store: DynamoStore, objects: FaultyObjects, table_name: str, altered: Callable[[bytes], bytes]
) -> None:
    opened, _ = await a_long_record(store)
    name = next(name for name in keys(objects, table_name) if name.endswith("-1.z"))
    body = objects.s3.get_object(Bucket=table_name, Key=name)["Body"].read()
    objects.s3.put_object(Bucket=table_name, Key=name, Body=altered(body))
    found = await stored(store, opened)
    assert found.payload_error == "answer_altered"
    assert found.opened == opened
    assert found.closed is not None
    assert found.closed.rows == ()


def test_an_altered_text_is_not_unpacked_to_its_end() -> None:
    opened = an_opened()
    item = object_item(opened, PROMPT_PART, packed({"prompts": []}))
    found = {(item["pk"], item["sk"]): item | {"z": BOMB}}
    tracemalloc.start()
    try:
        read = texts_of(opened_item(opened), found)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (read.prompt, read.error) == (None, "prompt_altered")
    assert most < 1_000_000


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (denial(403, "AccessDenied"), "refused"),
        (denial(404, "NoSuchBucket"), "refused"),
        (UNREACHABLE, "unreachable"),
        (denial(503, "SlowDown"), "unreachable"),
    ],
)
async def test_a_bucket_that_gives_nothing_costs_texts_and_no_page(
    store: DynamoStore, objects: FaultyObjects, error: Exception, reason: str
) -> None:
    for seconds in range(12):
        await a_long_record(store, seconds)
    objects.fails("get_object", error, times=1000)
    page = await store.interceptions(Filter(), ALL, Window(20, NOW))
    assert len(page.rows) == 12
    assert {row.payload_error for row in page.rows} == {f"prompt_{reason}, answer_{reason}"}


async def test_a_silent_bucket_is_not_asked_for_every_text_of_a_page(
    store: DynamoStore, objects: FaultyObjects
) -> None:
    for seconds in range(12):
        await a_long_record(store, seconds)
    objects.fails("get_object", unanswered(), times=1000)
    await store.interceptions(Filter(), ALL, Window(20, NOW))
    assert len(objects.requests("get_object")) <= 16


async def test_a_store_that_knows_no_bucket_says_so(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened, _ = await a_long_record(store)
    without = DynamoStore(table_name, connection=faulty, pause=at_once)
    assert (await stored(without, opened)).payload_error == "prompt_no_bucket, answer_no_bucket"


async def test_a_text_that_is_short_for_its_length_stays_in_the_table(
    store: DynamoStore, objects: FaultyObjects
) -> None:
    await store.open(an_opened(prompt="again and " * 20_000))
    assert objects.made == 0


def test_a_bucket_that_stands_is_not_made_again(objects: FaultyObjects, table_name: str) -> None:
    create_bucket(table_name, objects.connecting)
    objects.fails("create_bucket", denial(403, "AccessDenied"))
    with pytest.raises(RecorderUnavailable):
        create_bucket(table_name, objects.connecting)


def test_a_start_does_not_load_the_sdk_for_a_bucket() -> None:
    script = (
        "import json, sys\n"
        "from aigateway.ledger import object_rules, open_store\n"
        "from aigateway.settings import Settings\n"
        "names = {'AIGW_TABLE': 'records', 'AIGW_PAYLOAD_BUCKET': 'records-texts'}\n"
        "settings = Settings.from_env(names)\n"
        "open_store(settings), object_rules(settings)\n"
        "print(json.dumps([*sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert "boto3" not in json.loads(done.stdout)
