"""What becomes of records when the store is in trouble, rows 61 to 63 and 84 of the table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aigateway.ledger.spill_file import NAME, SpillFile
from aigateway.ledger.store import Store
from aigateway.relay.assembly import build
from aigateway.reload.spilled_file import FromFile
from aigateway.reload.tick import Tick
from aigateway.settings import Settings
from local.in_process import Answered
from local.spilling import Spilling
from tests.acceptance.sdks import asking
from tests.acceptance.stage import Script, Stage, blocking
from tests.acceptance.words import (
    PATHS,
    STOP,
    TOOL,
    block,
    completion,
    delta,
    json_delta,
    message,
    messages,
    response,
    sse,
    start,
    text,
    tool_use,
)
from tests.breaking import Breaking, Outage
from tests.reloads import a_reload
from tests.told import Told

AT_ONCE = Settings(snapshot_poll_seconds=0.0, key_cache_seconds=60.0)
TURN = sse(
    start({"input_tokens": 12, "output_tokens": 1}),
    *block(0, tool_use("toolu_1"), json_delta('{"path": "a"}')),
    delta({"output_tokens": 30}, "tool_use"),
    STOP,
)
ASKED = json.dumps(messages("Read a.", stream=True, tools=[TOOL])).encode()


def serve_from(stage: Stage, store: Any, journal: Any = None) -> None:  # noqa: ANN401 - stores and journals of tests
    """Let the gateway write into ``store``, which stands before that of the stage."""
    stage.app = build(
        AT_ONCE, store, stage.keys, stage.clock, stage.peer, journal or Told(), stage.traces
    )


async def counted(stage: Stage, kind: str) -> Mapping[tuple[str, ...], int]:
    found = await stage.store.counters()
    return {key: amounts["n"] for (k, key), amounts in found.items() if k == kind}


def a_tick(stage: Stage, spilled: SpillFile) -> Tick:
    reader = FromFile(spilled, stage.clock, Told())
    return Tick(stage.clock, a_reload(stage.clock, stage.keys), {}, spilled=reader)


async def ask(stage: Stage, script: Script | None = None) -> Answered:
    stage.peer.scripts += [script] if script else []
    return await stage.send(PATHS["messages"], ASKED)


async def test_row_61_without_a_store_nothing_is_relayed_and_the_refusal_is_counted(
    stage: Stage,
) -> None:
    """The caller's key is cached, so that only the opening write fails."""
    outage, told = Outage(stage.store), Told()
    serve_from(stage, outage, told)
    await ask(stage, Script(TURN))
    seen, recorded = len(stage.peer.seen), await stage.recorded()
    outage.down = True
    refused = await ask(stage, Script(TURN))
    assert refused.status == 503
    assert refused.headers["x-ai-gateway-error"] == "recorder_unavailable"
    assert refused.document["error"]["type"] == "api_error"
    assert TURN[:20] not in refused.body
    assert len(stage.peer.seen) == seen, "no provider saw a complete request"
    assert await counted(stage, "J") == {}
    outage.down = False
    await ask(stage)
    assert await stage.recorded() == recorded + 1
    assert await counted(stage, "J") == {("recorder_unavailable",): 1}
    assert (await counted(stage, "O"))["err", "open"] == 1
    assert told.events.count(("Rejected", 1)) == 1


async def test_row_62_an_end_that_cannot_be_written_is_spilled_and_the_sweeper_completes_it(
    stage: Stage, tmp_path: Path
) -> None:
    spilled = SpillFile(tmp_path / NAME)
    outage = Outage(stage.store, "close")
    serve_from(stage, outage, Spilling(spilled))
    await ask(stage, Script(TURN))
    (before,) = stage.get("interceptions", limit="1")["results"]
    outage.down = True
    answered = await ask(stage, Script(TURN))
    assert (answered.body, answered.over, answered.raised) == (TURN, True, None)
    assert stage.record(answered)["ended_at"] is None
    (line,) = spilled.first(9).lines
    assert json.loads(line)["opened"]["id"] == stage.record(answered)["id"]
    outage.down = False
    assert (await a_tick(stage, spilled).run(stage.store))["spilled"] == 1
    record = stage.record(answered)
    same = ("outcome", "http_status", "response_bytes", "key_attempts", "provider_response_id")
    assert {name: record[name] for name in same} == {name: before[name] for name in same}
    for name in ("tool_usages", "token_usages", "user_prompts"):
        assert [_plain(row) for row in record[name]] == [_plain(row) for row in before[name]]
    assert spilled.first(9).lines == ()
    await ask(stage, Script(TURN))
    assert await counted(stage, "O") == {("err", "close"): 1, ("spilled",): 1}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs from one record to the next."""
    return {n: v for n, v in row.items() if n not in ("id", "interception_id", "created_at")}


DOCUMENTS = {
    "messages": blocking(message(text("ok"))),
    "chat": blocking(completion({"content": "ok"})),
    "responses": blocking(response()),
}


@pytest.mark.parametrize("dialect", PATHS)
async def test_row_84_an_sdk_tries_again_by_itself_and_leaves_one_record(
    stage: Stage, dialect: str
) -> None:
    attempts: list[object] = []

    def is_first(*opened: object) -> bool:
        attempts.append(opened)
        return len(attempts) == 1

    serve_from(stage, Breaking(stage.store, "open", when=is_first))
    stage.peer.scripts.append(DOCUMENTS[dialect])
    async with asking(stage, dialect, stage.secrets["alice"]) as call:
        await call()
    assert len(attempts) == 2
    (record,) = stage.get("interceptions", include="inflight")["results"]
    assert (record["outcome"], record["retry_count"]) == ("completed", 1)
    assert len(stage.peer.seen) == 1
    assert await counted(stage, "J") == {("recorder_unavailable",): 1}


async def test_defect_24_what_never_ended_is_shown_and_given_up_in_the_end(
    stage: Stage, tmp_path: Path
) -> None:
    """As if the gateway had died in the stream: nobody closes the record."""
    store: Store = Breaking(stage.store, "close")
    serve_from(stage, store)
    answered = await ask(stage, Script(TURN))
    assert stage.get("interceptions")["results"] == []
    (shown,) = stage.get("interceptions", include="inflight")["results"]
    assert (shown["id"], shown["ended_at"]) == (stage.record(answered)["id"], None)
    tick = a_tick(stage, SpillFile(tmp_path / NAME))
    stage.clock.advance(19 * 60)
    assert (await tick.run(stage.store))["sweep"] == 0
    stage.clock.advance(60 + 1)
    assert (await tick.run(stage.store))["sweep"] == 1
    (ended,) = stage.get("interceptions")["results"]
    assert (ended["outcome"], ended["error_type"]) == ("abandoned", "unknown")
    assert await counted(stage, "O") == {("orphans",): 1}


async def test_defect_25_an_end_is_never_given_up_and_never_doubled(
    stage: Stage, tmp_path: Path
) -> None:
    """The reply to the closing write is lost: it is in the store, and it is spilled as well."""
    spilled, is_lost = SpillFile(tmp_path / NAME), [True]

    class Losing:
        """Closes, and says that it did not."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any verb
            return getattr(stage.store, name)

        async def close(self, *arguments: Any) -> bool:  # noqa: ANN401 - as the store takes them
            closed = await stage.store.close(*arguments)
            if is_lost.pop():
                raise TimeoutError
            return closed

    serve_from(stage, Losing(), Spilling(spilled))
    answered = await ask(stage, Script(TURN))
    record, counters = stage.record(answered), await stage.store.counters()
    assert record["outcome"] == "completed"
    assert len(spilled.first(9).lines) == 1
    tick = a_tick(stage, spilled)
    assert [(await tick.run(stage.store))["spilled"] for _ in range(2)] == [0, 0]
    assert (stage.record(answered), await stage.store.counters()) == (record, counters)
    assert spilled.first(9).lines == ()


async def test_a_gateway_that_ends_after_it_was_given_up_leaves_a_detail(
    stage: Stage, tmp_path: Path
) -> None:
    tick = a_tick(stage, SpillFile(tmp_path / NAME))

    class Slow:
        """Closes when the sweep has been there."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any verb
            return getattr(stage.store, name)

        async def close(self, *arguments: Any) -> bool:  # noqa: ANN401 - likewise
            stage.clock.advance(30 * 60)
            assert (await tick.run(stage.store))["sweep"] == 1
            return await stage.store.close(*arguments)

    serve_from(stage, Slow())
    answered = await ask(stage, Script(TURN))
    record = stage.record(answered)
    assert record["outcome"] == "abandoned"
    assert record["token_usages"] == []
    assert record["late"]["outcome"] == "completed"
    assert record["late"]["output_tokens"] == 30
    assert record["late"]["ended_at"] < record["ended_at"]
