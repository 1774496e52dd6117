"""How much is served: at once, and of one key within a second."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.acceptance.sdks import asking
from tests.acceptance.stage import Script, Stage, blocking, set_up, take_down
from tests.acceptance.words import (
    PATHS,
    STOP,
    chat,
    completion,
    delta,
    message,
    messages,
    response,
    responses,
    sse,
    start,
    text,
)
from tests.clocks import HeldClock

ANSWERS = {
    "messages": blocking(message(text("ok"))),
    "chat": blocking(completion()),
    "responses": blocking(response()),
}
ASKED = {"messages": messages("go"), "chat": chat("go"), "responses": responses("go")}
TYPES = {"messages": "overloaded_error", "chat": "server_error", "responses": "server_error"}


@pytest.fixture
async def narrow() -> AsyncIterator[Stage]:
    made = await set_up(max_concurrency=1)
    yield made
    await take_down(made)


@pytest.fixture
async def slow() -> AsyncIterator[Stage]:
    made = await set_up(requests_per_second=2)
    yield made
    await take_down(made)


@pytest.mark.parametrize("dialect", PATHS)
async def test_one_request_too_many_is_503_in_the_dialects_words(
    narrow: Stage, dialect: str
) -> None:
    gate = asyncio.Event()
    stream = sse(start({"input_tokens": 5}), delta({"output_tokens": 1}), STOP)
    narrow.peer.scripts.append(Script(stream, gate=gate))
    first = asyncio.create_task(narrow.send(PATHS["messages"], b'{"stream":true}'))
    while not narrow.peer.seen:  # noqa: ASYNC110 - the other task runs meanwhile
        await asyncio.sleep(0)
    refused = await narrow.send(PATHS[dialect], b"{}", user="bob")
    assert (refused.status, refused.headers["x-ai-gateway-error"]) == (503, "at_capacity")
    assert refused.headers["retry-after"] == "1"
    assert "x-should-retry" not in refused.headers
    assert refused.document["error"]["type"] == TYPES[dialect]
    stranger = await narrow.send(PATHS[dialect], b"{}", user=None)
    assert stranger.status == 401
    assert (await narrow.send("/healthz", method="GET", user=None)).status == 200
    assert len(narrow.peer.seen) == 1
    gate.set()
    assert (await first).status == 200
    narrow.peer.scripts.append(ANSWERS[dialect])
    assert (await narrow.send(PATHS[dialect], b"{}", user="bob")).status == 200
    counted = await narrow.store.counters()
    assert counted["J", ("at_capacity",)] == {"n": 1}


async def at_once(stage: Stage, path: str, times: int, **more: object) -> list[int]:
    """Send so many requests within one second of the stage's clock."""
    statuses = []
    for _ in range(times):
        stage.clock.advance(-1)
        statuses.append((await stage.send(path, b"{}", **more)).status)  # type: ignore[arg-type]  # as ``send`` takes it
    return statuses


@pytest.mark.parametrize("dialect", PATHS)
async def test_one_request_too_many_in_a_second_is_429_and_nothing_is_recorded(
    slow: Stage, dialect: str
) -> None:
    slow.peer.scripts += [ANSWERS[dialect]] * 4
    assert await at_once(slow, PATHS[dialect], 4) == [200, 200, 429, 429]
    assert await at_once(slow, PATHS[dialect], 1, user="bob") == [200]
    assert await slow.recorded() == 3
    assert (await slow.send(PATHS[dialect], b"{}")).status == 200
    counted = await slow.store.counters()
    assert counted["J", ("gateway_rate_limited",)] == {"n": 2}


async def test_what_is_not_recorded_is_not_counted_either(slow: Stage) -> None:
    slow.peer.scripts += [blocking({"data": []})] * 5
    path = "/anthropic/v1/models"
    assert await at_once(slow, path, 5, method="GET") == [200] * 5


@pytest.mark.parametrize("dialect", PATHS)
async def test_the_vendors_sdk_tries_again_a_second_later(slow: Stage, dialect: str) -> None:
    """Its clock is the machine's, ours stands still until it has been refused."""
    slow.peer.scripts += [ANSWERS[dialect]] * 3
    clock: HeldClock = slow.clock
    async with asking(slow, dialect, slow.secrets["alice"]) as ask:
        await ask()
        await ask()
        third = asyncio.create_task(ask())
        while ("J", ("gateway_rate_limited",)) not in await slow.store.counters():  # noqa: ASYNC110 - the call runs meanwhile
            await asyncio.sleep(0)
        clock.advance(1)
        await third
    assert await slow.recorded() == 3
