"""The same app under uvicorn and under the runtime layer: bytes, records, order, memory."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aigateway.ledger.listing import Reach
from aigateway.ledger.sqlite import SqliteStore
from aigateway.sessions.interception_view import interception
from aigateway.settings import Settings
from local.__main__ import LOOPBACK, prepare
from tests.e2e.asks import PATHS
from tests.e2e.front_client import Client, Got, ask
from tests.e2e.product import KEY, Product, running
from tests.e2e.recorded_provider import WANTED, recorded_provider
from tests.e2e.sandboxed import sandboxed
from tests.e2e.streams import ID, request, resident_kb, streamed
from tests.golden.recordings import RECORDINGS, Recording

INVOCATIONS = int(os.environ.get("INVOCATIONS", "200"))
HOSTS_OWN = {
    "date", "content-length", "transfer-encoding", "x-amzn-requestid", "x-amzn-trace-id", ID,
}  # fmt: skip
"""Headers that each host, or each request, has of its own."""


@pytest.fixture(scope="module")
def providers() -> Iterator[str]:
    with recorded_provider() as base:
        plain = {"api_keys": ["k-123456789"], "inject_usage": False}
        rows = [
            {"name": name, "type": name, "base_url": base + path, **plain}
            for name, path in (("anthropic", ""), ("openai", "/v1"))
        ]
        yield json.dumps(rows)


@pytest.fixture(scope="module")
def under_uvicorn(providers: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("home"), AIGW_PROVIDERS_JSON=providers) as product:
        yield product


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product whose records the sandboxes of a test share."""
    with running(tmp_path_factory.mktemp("home")) as product:
        yield product


@pytest.fixture
async def state(providers: str, tmp_path: Path) -> Path:
    """A state directory of the sandboxes' own, prepared as a start does it."""
    settings = Settings.from_env(
        {"AIGW_STATE_DIR": str(tmp_path), "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK}
    )
    await prepare(settings, {"AIGW_PROVIDERS_JSON": providers, "AIGW_ADMIN_KEY": KEY}, 0)
    return tmp_path


@pytest.fixture
async def stores(under_uvicorn: Product, state: Path) -> AsyncIterator[list[SqliteStore]]:
    opened = [SqliteStore(folder / "ledger.db") for folder in (under_uvicorn.state, state)]
    for store in opened:
        await store.start()
    yield opened
    for store in opened:
        await store.stop()


async def test_i20_bytes_and_records_are_the_same_under_both_hosts(
    under_uvicorn: Product, state: Path, stores: list[SqliteStore]
) -> None:
    ports = [int(under_uvicorn.gateway.rpartition(":")[2])]
    known: list[dict[str, str]] = [{}, {}]
    async with sandboxed(state) as sandbox:
        ports.append(sandbox.port)
        for recording in RECORDINGS:
            answers = [await relayed(port, recording) for port in ports]
            one, other = answers
            assert one.status == other.status == recording.status, recording
            assert one.body == recording.response, recording
            assert other.body == (recording.response or b"\n"), recording
            assert one.whole is other.whole is not recording.cut, recording
            assert seen(one) == seen(other), recording
            for ids, answer in zip(known, answers, strict=True):
                ids[answer.values(ID)[0]] = str(recording)
            first, second = [
                await record(*each) for each in zip(stores, answers, known, strict=True)
            ]
            assert first == second, recording


async def relayed(port: int, recording: Recording) -> Got:
    headers = [
        ("Authorization", f"Bearer {KEY}"),
        ("Content-Type", "application/json"),
        ("User-Agent", "host-test/1"),
        (WANTED, str(recording)),
    ]
    return await ask(port, PATHS[recording.dialect], "POST", headers, recording.request)


def seen(got: Got) -> dict[str, str]:
    """Return the headers, with what a Function URL joins joined and what it renames named back."""
    joined: dict[str, str] = {}
    for given, value in got.headers:
        if (name := given.removeprefix("x-amzn-remapped-")) not in HOSTS_OWN:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


async def record(store: SqliteStore, got: Got, ids: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    """Return the record of an answer, with names for ids, and without moments."""
    (id_,) = got.values(ID)
    row = await store.interception(id_, Reach(None), datetime.now(UTC))
    assert row is not None
    assert row.closed is not None
    text = json.dumps(interception(row, {}))
    for value, name in {**ids, row.opened.initiator_id: "admin"}.items():
        text = text.replace(value, name)
    return without_moments(json.loads(text))


def without_moments(document: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(document, list):
        return [without_moments(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {
        name: without_moments(value)
        for name, value in document.items()
        if not name.endswith("_at") and name != "id"
    }


LIMITS = (3, 6, 14)
"""Seconds a function may take: below and above where the last second and a half is a tenth."""


async def test_at_a_time_limit_the_record_says_gateway_timeout(alone: Product) -> None:
    """The record is closed by the gateway itself, and the client sees a cut before the kill."""

    async def stalled(limit: int) -> tuple[float, Got]:
        async with sandboxed(alone.state, timeout_seconds=limit) as sandbox:
            await ask(sandbox.port, "/healthz")
            began = time.time()
            got = await streamed(sandbox.port, "stall;at=4")
            (pid,) = sandbox.pids
            assert (await ask(sandbox.port, "/healthz")).status == 200
            assert sandbox.pids == [pid], "the sandbox was killed"
            return got.ended_at - began, got

    for limit, (took, got) in zip(
        LIMITS, await asyncio.gather(*(stalled(limit) for limit in LIMITS)), strict=True
    ):
        assert (got.status, got.whole) == (200, False)
        assert 0.85 * limit < took < limit
        assert got.body.count(b"event: ") == 4
        (id_,) = got.values(ID)
        found = alone.query(f"interceptions/{id_}").document
        assert (found["outcome"], found["error_type"]) == ("gateway_timeout", "timeout")
        assert found["ended_at"] is not None


async def test_a_kill_in_the_middle_of_a_stream_leaves_the_opening_record(alone: Product) -> None:
    async with sandboxed(alone.state) as sandbox, Client(sandbox.port) as client:
        await client.send("POST", PATHS["messages"], *request("stall;at=4"))
        got = await client.head()
        while b"content_block_start" not in got.body:
            await client.piece(got)
        (pid,) = sandbox.pids
        os.kill(pid, signal.SIGKILL)
        await client.rest(got)
        assert not got.whole
        listed = alone.query("interceptions?include=inflight").document["results"]
        record = next(each for each in listed if each["id"] == got.values(ID)[0])
        assert record["outcome"] is None
        assert [p["prompt"] for p in record["user_prompts"]] == ["hello"]
        after = await streamed(sandbox.port, "text=x")
        assert (after.status, after.whole) == (200, True)
        assert pid not in sandbox.pids


async def test_two_hundred_invocations_fit_one_sandbox_without_growth(alone: Product) -> None:
    async with sandboxed(alone.state) as sandbox:
        for _ in range(50):
            assert (await streamed(sandbox.port, "text=x")).whole
        (pid,) = sandbox.pids
        before = resident_kb(pid)
        for _ in range(200):
            assert (await streamed(sandbox.port, "text=x")).whole
        assert sandbox.pids == [pid]
        assert resident_kb(pid) - before < 2048


async def test_i09_a_record_is_closed_before_the_end_of_its_body(alone: Product) -> None:
    """Of as many invocations as the variable says, one after the other; none may be missing."""
    store = SqliteStore(alone.state / "ledger.db")
    await store.start()
    closed = 0
    async with sandboxed(alone.state) as sandbox:
        for number in range(INVOCATIONS):
            dialect = ("messages", "chat", "responses")[number % 3]
            got = await streamed(sandbox.port, "text=x", dialect)
            row = await store.interception(got.values(ID)[0], Reach(None), datetime.now(UTC))
            assert got.whole
            closed += row is not None and row.closed is not None
    await store.stop()
    assert closed == INVOCATIONS
