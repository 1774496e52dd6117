"""What publishing costs for 50 people, as the documentation says it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import final

import pytest

from aigateway.ledger.prices import Prices
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow
from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.assembly import remote_of, view_of
from aigateway.settings import Settings
from aigateway.steps import steps_of_closing
from tests.builders import a_closed, a_tool, a_usage, an_opened
from tests.clocks import HeldClock
from tests.reloads import a_reload

PEOPLE, TURNS, TOOLS_A_TURN = 50, 3, 3
MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5", "gpt-5-mini")
TOOLS = [
    "Bash",
    "Read",
    "Edit",
    "Write",
    "Grep",
    "Glob",
    "Task",
    "TodoWrite",
    "WebFetch",
    "apply_patch",
]
DOCUMENT = Path(__file__).parents[4] / "docs" / "metrics.md"
SAID = re.compile(
    r"(?P<counters>[\d,]+) counters make (?P<series>[\d,]+) series.* One push is two"
    r" requests of (?P<kilobytes>\d+) KB together"
)


@final
class Receiver:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def write(self, body: bytes) -> int:
        self.sizes.append(len(body))
        return 204


async def work(store: SqliteStore) -> None:
    """A little of everybody's work with each model."""
    random, prices = Random(1), Prices()  # noqa: S311 - the same work each time
    for person in range(PEOPLE):
        for model in MODELS * TURNS:
            opened = an_opened(
                random.random() * 1000,
                session=None,
                model=model,
                initiator_id=f"u-{person:04}",
                provider_name="anthropic" if model.startswith("claude") else "openai",
                client="Claude Code" if model.startswith("claude") else "Codex",
            )
            closed = a_closed(
                opened,
                a_usage(),
                *(a_tool(name=name) for name in random.sample(TOOLS, TOOLS_A_TURN)),
                seconds=random.random() * 30,
                first_byte_at=opened.started_at,
                key_attempts=1,
                outcome=random.choice(["completed"] * 9 + ["failed"]),
            )
            await store.count(steps_of_closing(opened, prices.priced(opened, closed)))


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


async def test_the_documentation_says_what_a_push_is(store: SqliteStore) -> None:
    said = SAID.search(" ".join(DOCUMENT.read_text().split()))
    assert said is not None
    counters, series, kilobytes = (int(number.replace(",", "")) for number in said.groups())
    await work(store)
    for name in ("anthropic", "openai"):
        key = {"id": "k1", "masked": "sk-p...nted"}
        document = {"name": name, "type": name, "api_keys": [key]}
        await store.put_provider(ProviderRow(name, document, 1), None)
    await a_reload(HeldClock()).run(store)
    assert len(await store.counters()) == counters
    clock, receiver = HeldClock(), Receiver()
    remote = remote_of(Settings(), "https://prometheus.example", receiver, clock)
    publisher = Publisher(Sinks(remote), clock, view_of(Settings()), clock.now, has_twins=True)
    assert await publisher.run(store) == series
    assert len(receiver.sizes) == 2
    assert sum(receiver.sizes) / 1000 == pytest.approx(kilobytes, rel=0.1)
