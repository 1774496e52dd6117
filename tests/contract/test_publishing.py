"""The publisher over each store: the same text, and one publisher at a time."""

import asyncio

from aigateway.ledger.store import Gauge, Store
from aigateway.pool.providers import ProviderRow
from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.assembly import view_of
from aigateway.settings import Settings
from aigateway.steps import rejected, steps_of_closing
from tests.builders import a_closed, a_tool, a_usage, an_opened
from tests.clocks import HeldClock
from tests.reloads import a_reload


def a_publisher(clock: HeldClock) -> Publisher:
    return Publisher(
        Sinks(has_endpoint=True), clock, view_of(Settings()), lambda: None, has_twins=True
    )


async def test_what_was_closed_is_open_cools_and_failed_is_published(store: Store) -> None:
    clock = HeldClock()
    await store.put_provider(ProviderRow("main", {"name": "main", "type": "anthropic"}, 1), None)
    await a_reload(clock).run(store)
    for number in range(3):
        opened = an_opened(number)
        closed = a_closed(opened, a_usage(), a_tool())
        await store.open(opened)
        if number:
            await store.close(opened, closed, steps_of_closing(opened, closed))
    await store.count(rejected("not_allowed"))
    breaker = ("anthropic", "/v1/messages", "claude-sonnet-4-5")
    await store.set_gauge(Gauge("CB", breaker, {"v": 2}, clock.now()))
    await a_publisher(clock).run(store)
    text = (await store.publisher_text("TEXT") or b"").decode()
    provider = 'provider_name="main",provider_type="anthropic",status="enabled"'
    of = 'model="claude-sonnet-4-5",provider="anthropic"'
    tool = 'model="claude-sonnet-4-5",name="Bash",provider="anthropic"'
    for line in (
        f"coder_ai_gateway_provider_info{{{provider}}} 1",
        f'coder_ai_gateway_interceptions_inflight{{{of},route="/v1/messages"}} 1',
        f'coder_ai_gateway_circuit_breaker_state{{endpoint="/v1/messages",{of}}} 1',
        f"coder_ai_gateway_interceptions_duration_seconds_count{{{of}}} 2",
        f"coder_aibridged_non_injected_tool_selections_total{{{tool}}} 2",
        'aigw_rejected_total{reason="not_allowed"} 1',
    ):
        assert f"\n{line}\n" in text


async def test_of_two_publishers_at_once_one_works(store: Store) -> None:
    clock = HeldClock()
    numbers = await asyncio.gather(*(a_publisher(clock).run(store) for _ in range(2)))
    assert max(numbers) > 0
    assert await store.take_lease("next", clock.now(), clock.now()) is not None
