"""The pool while it changes, rows 54, 65 to 67 and 86 of the acceptance table.

What the metrics of a reload say comes from the published outcomes and the two times beside them.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import final

import pytest

from aigateway.errors import LedgerFault
from aigateway.pool.outcomes import Outcome
from aigateway.pool.providers import ProviderRow
from aigateway.pool.snapshot import statuses
from aigateway.relay.assembly import build
from aigateway.relay.upstream import Answer, UpstreamRequest
from aigateway.settings import Settings
from local.in_process import Answered
from tests.acceptance.published import shown
from tests.acceptance.stage import Stage, blocking
from tests.acceptance.words import PATHS, STOP, block, delta, message, messages, sse, start, text
from tests.breaking import Outage
from tests.builders import at

ASK = json.dumps(messages("go", stream=True)).encode()
USAGE = {"input_tokens": 5, "output_tokens": 1}
STREAM = sse(start(USAGE), *block(0, text("ok")), delta({"output_tokens": 3}), STOP)
ENABLED = Outcome("enabled")
POLLING = Settings(snapshot_poll_seconds=15.0, key_cache_seconds=0.0)


async def ask(stage: Stage, path: str = PATHS["messages"]) -> Answered:
    return await stage.send(path, ASK)


async def outcomes(stage: Stage) -> dict[str, Outcome]:
    published = await stage.store.published()
    assert published is not None
    return statuses(published.document)


def refusal(answered: Answered) -> tuple[int, str | None, str | None]:
    shown = answered.headers
    return answered.status, shown.get("x-ai-gateway-error"), shown.get("x-should-retry")


BROKEN = (503, "provider_error", "false")
DISABLED = (503, "provider_disabled", "false")


@pytest.mark.parametrize("url", ["http://h.example", "https://169.254.169.254", "nonsense", 7])
async def test_row_54_an_invalid_base_url_is_that_providers_error_and_no_failed_reload(
    stage: Stage, url: object
) -> None:
    stage.clock.advance(60)
    await stage.add_provider("bad", "anthropic", url)  # type: ignore[arg-type]  # a row may hold anything
    answered = await ask(stage, "/bad/v1/messages")
    assert refusal(answered) == BROKEN
    found = await outcomes(stage)
    assert found.pop("bad").status == "error"
    assert set(found.values()) == {ENABLED}
    state = await stage.store.reload_state()
    assert state.attempted_at == state.succeeded_at == at(60)
    assert await stage.recorded() == 0


async def test_row_65_disabled_unknown_and_errored_providers_are_refused_and_not_recorded(
    stage: Stage,
) -> None:
    await stage.add_provider("off", "anthropic", "https://h.example", enabled=False)
    stage.keys.missing.add("keyless")
    await stage.add_provider("keyless", "anthropic", "https://h.example")
    found = [await ask(stage, f"/{name}/v1/messages") for name in ("off", "nobody", "keyless")]
    assert [refusal(answered) for answered in found] == [
        DISABLED,
        (404, "route_not_supported", "false"),
        BROKEN,
    ]
    assert b"the key sk-p...nted cannot be read" in found[2].body
    assert (stage.peer.seen, await stage.recorded()) == ([], 0)
    moved = {"provider_disabled": 1, "provider_error": 1, "route_not_supported": 1}
    assert await shown(stage, "aigw_rejected_total") == moved


async def test_row_66_one_broken_row_is_an_error_and_the_others_are_served(stage: Stage) -> None:
    row = {"name": "bad", "type": "anthropic", "settings": {"_type": "x"}, "api_keys": "none"}
    await stage.store.put_provider(ProviderRow("bad", row, 1), None)
    stage.clock.advance(60)
    await stage.reload.run(stage.store)
    stage.peer.scripts.append(blocking(message(text("ok"))))
    assert (await ask(stage)).status == 200
    assert refusal(await ask(stage, "/bad/v1/messages")) == BROKEN
    found = await outcomes(stage)
    assert {name: outcome.status for name, outcome in found.items()} == {
        "anthropic": "enabled",
        "bad": "error",
        "openai": "enabled",
    }
    assert found["bad"].reason == "api_keys: expected a list"
    assert (await stage.store.reload_state()).succeeded_at == at(60)


READ = ("note_attempt", "reload_state", "published", "provider_rows")
"""What a reload and a gateway ask of the table."""


async def test_row_67_while_the_table_is_unreadable_the_old_pool_serves(stage: Stage) -> None:
    """The attempts are in the memory of the process that reloads: the table takes none."""
    outage = Outage(stage.store, *READ)
    stage.app = build(POLLING, outage, stage.keys, stage.clock, stage.peer)
    await served(stage)
    before, noted = stage.reload.remembered, await stage.store.reload_state()
    outage.down = True
    for _ in range(10):
        stage.clock.advance(60)
        with pytest.raises(LedgerFault):
            await stage.reload.run(outage)
        assert stage.reload.remembered.attempted_at == stage.clock.now()
        await served(stage)
    assert stage.reload.remembered.succeeded_at == before.succeeded_at
    assert stage.reload.remembered.outcomes == before.outcomes
    assert await stage.store.reload_state() == noted
    outage.down = False
    await stage.reload.run(outage)
    state = await stage.store.reload_state()
    assert state.attempted_at == state.succeeded_at == stage.clock.now()


async def test_a_change_is_seen_within_fifteen_seconds_also_by_a_process_that_was_frozen(
    stage: Stage,
) -> None:
    stage.app = build(POLLING, stage.store, stage.keys, stage.clock, stage.peer)
    await served(stage)
    await change(stage, enabled=False)
    stage.clock.advance(7)
    await served(stage)
    stage.clock.advance(1)
    stage.peer.scripts.append(blocking(message(text("the look at the change is beside this"))))
    await ask(stage)
    assert refusal(await ask(stage)) == DISABLED
    await change(stage, enabled=True)
    stage.clock.advance(15)
    await served(stage)
    await change(stage, enabled=False)
    stage.clock.thaw_after(3600)
    assert refusal(await ask(stage)) == DISABLED


async def change(stage: Stage, **members: object) -> None:
    (row,) = [row for row in await stage.store.provider_rows() if row.name == "anthropic"]
    changed = ProviderRow(row.name, {**row.document, **members}, row.version + 1)
    await stage.store.put_provider(changed, row.version)
    await stage.reload.run(stage.store)


async def served(stage: Stage) -> None:
    stage.peer.scripts.append(blocking(message(text("ok"))))
    assert (await ask(stage)).status == 200


@final
class Gated:
    """Streams half of an answer, and the rest when it is let."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let = asyncio.Event()

    async def send(self, request: UpstreamRequest) -> Answer:
        if request.released is not None:
            await request.released
        head = blocking(STREAM).head
        return Answer(
            replace(head, headers=((b"content-type", b"text/event-stream"),)), self._chunks()
        )

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        yield STREAM[:100]
        self.begun.set()
        await self.let.wait()
        yield STREAM[100:]

    async def aclose(self) -> None:
        return


async def test_row_86_a_stream_outlives_its_key_and_the_next_request_does_not(stage: Stage) -> None:
    gated, key = Gated(), (await stage.store.keys("u-alice"))[0]
    stage.app = build(Settings(), stage.store, stage.keys, stage.clock, gated)
    running = asyncio.create_task(ask(stage))
    await gated.begun.wait()
    await stage.store.put_key(replace(key, revoked_at=stage.clock.now()))
    stage.clock.advance(59)
    refused = await ask(stage)
    assert refusal(refused) == (401, "invalid_gateway_key", "false")
    gated.let.set()
    answered = await running
    assert (answered.status, answered.body, answered.over) == (200, STREAM, True)
    record = stage.record(answered)
    assert (record["outcome"], record["token_usages"][0]["output_tokens"]) == ("completed", 3)
    assert await stage.recorded() == 1
