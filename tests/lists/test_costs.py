"""What a page of a list reads from the table: bounded, however many records there are.

In `make test` moto answers, over few records; `make lists` runs it with 100,000 in dynalite,
which is quick enough and has no transactions: so the items are put together here, from the
store's own writes, and laid down in batches.
"""

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, final

import pytest
from pynamodb.connection import Connection

from aigateway.interception import Opened
from aigateway.ledger.documents import opened_text
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import Answering
from aigateway.ledger.dynamodb.ground import LIST_SHARDS
from aigateway.ledger.dynamodb.table import table_definition
from aigateway.ledger.expressions import Update, to_item
from aigateway.ledger.items import opened_item
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.moves import record_closed, session_begun, session_closed, session_pointer
from aigateway.ledger.texts import ANSWER_PART, PROMPT_PART, answer_text, pieces
from tests.builders import a_closed, a_thought, a_usage, at
from tests.contract.stand_in import ACCOUNT, at_once, moto_connection
from tests.histories import SPAN_SECONDS, People, rows_wanted

__all__ = ["moto_connection"]

PROGRAM = Path(__file__).parent / "node_modules/.bin/dynalite"
TABLE = "costs"
FEW, FEW_BEGIN = 150, SPAN_SECONDS - 2 * 86_400
FULL_SIZE = "LISTING_ROWS" in os.environ
LIMIT = 100 if FULL_SIZE else 5
BATCH = 25
"""Items that one BatchWriteItem takes (service quota, read 2026-07)."""
START_SECONDS, ANSWER_SECONDS = 20.0, 120.0
NOW = at(SPAN_SECONDS + 1)

Item = dict[str, Any]
Key = tuple[str, str]


@final
class Still:
    """A clock that stands: no page ends because a table on this machine is slow."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@final
@dataclass(frozen=True, slots=True)
class Cost:
    """``units`` are read capacity units."""

    requests: int
    items: int
    units: float


@final
class Meter:
    """Adds up what the answers of a connection say they cost."""

    def __init__(self, connection: Answering) -> None:
        self._connection = connection
        self._sums: Counter[str] = Counter()
        self._units = 0.0
        self._lock = threading.Lock()

    def dispatch(self, operation_name: str, operation_kwargs: dict[str, Any]) -> dict[str, Any]:
        asked = operation_kwargs | {"ReturnConsumedCapacity": "TOTAL"}
        answer = self._connection.dispatch(operation_name, asked)
        consumed = answer.get("ConsumedCapacity", [])
        listed = consumed if isinstance(consumed, list) else [consumed]
        items = answer.get("ScannedCount", 0) + bool(answer.get("Item"))
        with self._lock:
            self._units += sum(each["CapacityUnits"] for each in listed)
            self._sums["requests"] += 1
            self._sums["items"] += items + sum(map(len, answer.get("Responses", {}).values()))
        return answer

    def read(self) -> Cost:
        """Return what was read since the last time."""
        cost = Cost(self._sums["requests"], self._sums["items"], self._units)
        self._sums.clear()
        self._units = 0.0
        return cost


@final
class Shelf:
    """Items as a table would hold them after the store's writes."""

    def __init__(self) -> None:
        self.items: dict[Key, Item] = {}

    def add(self, opened: Opened, *, ended: bool) -> None:
        closed = a_closed(opened, a_usage(), a_thought("Let me see. " * 40))
        self._put(opened_item(opened))
        if (prompt := opened_text(opened)) is not None:
            self._put(*pieces(opened, PROMPT_PART, prompt))
        pointer = session_pointer(opened)
        self._put(*([dict(pointer.item)] if pointer else []))
        self._change(session_begun(opened, LIST_SHARDS))
        if ended:
            self._put(*pieces(opened, ANSWER_PART, answer_text(opened, closed)))
            self._change(record_closed(opened, closed, "d", "own"))
            meta = self.items.get((f"S#{opened.session_key}", "META"), {})
            is_full = len(meta.get("cb", ())) >= 8
            self._change(
                session_closed(
                    opened, closed, LIST_SHARDS, None,
                    is_bounded=False, is_new=True, is_full=is_full,
                )
            )  # fmt: skip

    def _put(self, *items: Mapping[str, Any]) -> None:
        for item in items:
            self.items[item["pk"], item["sk"]] = dict(item)

    def _change(self, update: Update) -> None:
        old = self.items.get((update.pk, update.sk), {})
        if (
            "t" in (update.condition.values if update.condition else {})
            and old.get("la", 0) >= (update.sets["la"])
        ):
            return
        moved = {name: old.get(other, value) for name, (other, value) in update.moves.items()}
        sums = {
            name: old.get(name, frozenset()) | value
            if isinstance(value, frozenset)
            else old.get(name, 0) + value
            for name, value in update.adds.items()
        }
        firsts = {name: old.get(name, value) for name, value in update.firsts.items()}
        new = {**old, **firsts, **moved, **update.sets, **sums, "pk": update.pk, "sk": update.sk}
        self.items[update.pk, update.sk] = {
            name: value for name, value in new.items() if name not in update.removes
        }


def lay_down(connection: Answering, items: Iterable[Item]) -> None:
    requests = [{"PutRequest": {"Item": to_item(item)}} for item in items]

    def put(first: int) -> None:
        batch = {TABLE: requests[first : first + BATCH]}
        answer = connection.dispatch("BatchWriteItem", {"RequestItems": batch})
        assert not answer.get("UnprocessedItems")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(put, range(0, len(requests), BATCH)))


@contextmanager
def dynalite() -> Iterator[Answering]:
    """Start the program that `make lists` installs."""
    assert PROGRAM.exists(), "make lists installs it"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(PROGRAM), "--port", str(port), "--createTableMs", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            with pytest.MonkeyPatch.context() as patch:
                for name, value in ACCOUNT.items():
                    patch.setenv(name, value)
                patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
                connection = Connection(
                    read_timeout_seconds=ANSWER_SECONDS, retry_configuration={"mode": "standard"}
                )
                connection.dispatch("ListTables", {})
            yield connection
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def connection(request: pytest.FixtureRequest) -> Iterator[Answering]:
    if FULL_SIZE:
        with dynalite() as connection:
            yield connection
    else:
        moto = pytest.importorskip("moto")
        made = request.getfixturevalue("moto_connection")
        with moto.mock_aws():
            yield made


@pytest.fixture(scope="module")
def metered(connection: Answering) -> tuple[Meter, DynamoStore]:
    """A store over a long history, and the meter of its connection."""
    rows = rows_wanted(FEW)
    shelf = Shelf()
    people = People(Random(rows), rows)  # noqa: S311 - no secret, the same every time
    begin = 0 if FULL_SIZE else FEW_BEGIN
    for opened, ended in people.history(rows, begin):
        shelf.add(opened, ended=ended)
    connection.dispatch("CreateTable", table_definition(TABLE))
    while connection.dispatch("DescribeTable", {"TableName": TABLE})["Table"]["TableStatus"] != (
        "ACTIVE"
    ):
        time.sleep(0.05)
    lay_down(connection, shelf.items.values())
    meter = Meter(connection)
    store = DynamoStore(TABLE, clock=Still(), connection=meter, pause=at_once)

    async def start() -> None:
        await store.start()
        await store._cover(at(begin))

    asyncio.run(start())
    return meter, store


PAGE_ITEMS, PAGE_UNITS = 10_000, 800.0
COUNT_ITEMS, COUNT_UNITS = 15_000, 1_500.0
"""A little above what was read of 100,000 records, where every bound is reached."""
EVERY_PAGE = 200
"""The layout, what was prompted since, and the first rows of eight partitions."""
NAMED = {
    "nothing": Filter(),
    "initiator": Filter(initiator_id="u-0"),
    "provider": Filter(provider="anthropic"),
    "provider_name": Filter(provider_name="rare"),
    "model": Filter(model="model-0"),
    "rare model": Filter(model="model-24"),
    "no such model": Filter(model="none"),
    "client": Filter(client="claude code"),
    "session_id": Filter(session_id="s-1"),
    "started_after": Filter(started_after=at(SPAN_SECONDS / 2)),
    "started_before": Filter(started_before=at(SPAN_SECONDS / 2)),
    "before everything": Filter(started_before=at(-1)),
}


async def pages(
    metered: tuple[Meter, DynamoStore], listing: str, asked: Filter, window: Window
) -> AsyncIterator[tuple[Cost, int]]:
    """Yield what each of the first pages cost, and how many rows it had."""
    meter, store = metered
    for _ in range(3):
        meter.read()
        page = await getattr(store, listing)(asked, Reach(None), window)
        yield meter.read(), len(page.rows)
        if page.next_cursor is None:
            return
        window = replace(window, cursor=page.next_cursor, offset=0)


@pytest.mark.parametrize("name", NAMED if FULL_SIZE else ("initiator", "rare model"))
@pytest.mark.parametrize("listing", ["sessions", "interceptions"])
async def test_a_page_of_any_single_filter_reads_a_bounded_number_of_items(
    metered: tuple[Meter, DynamoStore], listing: str, name: str
) -> None:
    for also in (False, True) if FULL_SIZE else (True,):
        window = Window(LIMIT, NOW, inflight=also, auxiliary=also)
        first, *later = [c async for c, _ in pages(metered, listing, NAMED[name], window)]
        if FULL_SIZE:
            print(listing, name, also, first, *later)  # noqa: T201 - what the door is asked for
        for cost in later:
            assert cost.items <= PAGE_ITEMS, (also, cost)
            assert cost.units <= PAGE_UNITS, (also, cost)
        assert first.items <= PAGE_ITEMS + COUNT_ITEMS, (also, first)
        assert first.units <= PAGE_UNITS + COUNT_UNITS, (also, first)


async def test_a_page_of_everything_reads_little_more_than_it_shows(
    metered: tuple[Meter, DynamoStore],
) -> None:
    for listing, each in (("sessions", 6), ("interceptions", 9)):
        _, *later = [c async for c in pages(metered, listing, Filter(), Window(LIMIT, NOW))]
        assert later
        assert all(cost.items <= LIMIT * each + EVERY_PAGE for cost, _ in later), later
