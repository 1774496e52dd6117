"""One request and the circuit breaker of what it asks for."""

import asyncio
from dataclasses import replace
from typing import final

import pytest

from aigateway.errors import (
    CircuitOpen,
    KeyPoolExhausted,
    RecorderUnavailable,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from aigateway.interception import Closed
from aigateway.pool.breaker import Breaker
from aigateway.pool.breaker_settings import BreakerSettings
from aigateway.pool.providers import ProviderType
from aigateway.relay.asides import Asides
from aigateway.relay.circuit import Guarded
from aigateway.relay.notices import Notices
from aigateway.relay.upstream import Answer, KeysUsed, UpstreamRequest
from aigateway.transcript.facts import ErrorType, Outcome
from tests.builders import a_closed, an_opened
from tests.clocks import HeldClock
from tests.unit.relay.pooled import Peer, Store, Told, a_provider

SETTINGS = BreakerSettings(enabled=True, failure_threshold=2, timeout_seconds=30, max_requests=1)
SCOPE = ("main", "/v1/messages", "m")
COMPLETED = a_closed(an_opened())
STOPPED: list[Outcome] = ["client_disconnected", "gateway_timeout", "upstream_cut"]


def failed(kind: ErrorType) -> Closed:
    return replace(COMPLETED, outcome="failed", error_type=kind)


def over(answer: Answer, closed: Closed) -> None:
    judge = answer.take_judge()
    assert judge is not None
    judge.closed(closed)


@final
class Setup:
    def __init__(self, kind: ProviderType = "anthropic") -> None:
        self.clock, self.breaker, self.store, self.asides = (
            HeldClock(),
            Breaker(),
            Store(),
            Asides(),
        )
        self.provider = replace(a_provider(), type=kind)
        self.keys = KeysUsed("sk-...", 1)

    async def sent(self, told: Told | BaseException, *, is_own: bool = False) -> Answer:
        notices = Notices(self.store, self.clock, self.asides)  # type: ignore[arg-type]  # the verbs it needs
        settings = (SETTINGS, self.clock, notices, self.keys)
        guarded = Guarded(Peer({"k": [told]}), self.breaker, SCOPE, *settings, is_own=is_own)
        headers = ((b"x-api-key", b"k"),)
        request = UpstreamRequest(self.provider, "POST", b"/", headers, b"", None, 5.0, 5.0)
        try:
            return await guarded.send(request)
        finally:
            await self.asides.join()

    async def open(self) -> None:
        for _ in range(2):
            await self.sent(Told(503))
        assert self.state == "open"

    @property
    def state(self) -> str:
        return self.breaker.state

    async def levels(self) -> list[int]:
        await self.asides.join()
        assert {(gauge.kind, gauge.key) for gauge in self.store.set} <= {("CB", SCOPE)}
        return [gauge.values["v"] for gauge in self.store.set]


@pytest.mark.parametrize("status", [429, 503, 504, 529])
async def test_two_failures_open_it_and_the_next_request_is_not_sent(status: int) -> None:
    made = Setup()
    for _ in range(2):
        assert (await made.sent(Told(status))).head.status == status
    with pytest.raises(CircuitOpen) as raised:
        await made.sent(AssertionError("sent"))
    assert raised.value.retry_after == 30
    assert (made.keys.hint, made.keys.tried) == (None, 0)
    assert made.store.counted == [("B", "tr", 1), ("B", "rj", 1)]
    assert await made.levels() == [2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502])
async def test_other_statuses_are_no_failures(status: int) -> None:
    made = Setup()
    for _ in range(3):
        await made.sent(Told(status))
    assert (made.state, made.store.steps) == ("closed", [])


async def test_529_is_a_failure_of_anthropic_only() -> None:
    made = Setup("openai-compat")
    for _ in range(2):
        await made.sent(Told(529))
    assert made.state == "closed"


@pytest.mark.parametrize("fault", [UpstreamUnreachable("m"), UpstreamTimeout("m")])
async def test_a_provider_that_does_not_answer_fails(fault: Exception) -> None:
    made = Setup()
    for _ in range(2):
        with pytest.raises(type(fault)):
            await made.sent(fault)
    assert made.state == "open"


@pytest.mark.parametrize("fault", [KeyPoolExhausted("m", 9), RecorderUnavailable("m")])
async def test_what_is_not_the_providers_fault_gives_no_verdict(fault: Exception) -> None:
    made = Setup()
    await made.sent(Told(503))
    for _ in range(3):
        with pytest.raises(type(fault)):
            await made.sent(fault)
    assert made.state == "closed"
    await made.sent(Told(503))
    assert made.state == "open"


@pytest.mark.parametrize("kind", ["rate_limited", "overloaded", "timeout"])
async def test_an_error_event_of_a_failures_kind_counts_when_it_comes(kind: ErrorType) -> None:
    made = Setup()
    for _ in range(2):
        answer = await made.sent(Told(200))
        over(answer, failed(kind))
        await answer.aclose()
    assert made.state == "open"


@pytest.mark.parametrize("kind", ["bad_request", "server_error", "unauthorized", "unknown"])
async def test_error_events_of_other_kinds_do_not_count(kind: ErrorType) -> None:
    made = Setup()
    for _ in range(2):
        answer = await made.sent(Told(200))
        over(answer, failed(kind))
    assert made.state == "closed"


@pytest.mark.parametrize("status", [401, 429])
async def test_a_callers_own_key_is_no_reason(status: int) -> None:
    made = Setup()
    await made.sent(Told(503))
    for _ in range(3):
        await made.sent(Told(status), is_own=True)
    answer = await made.sent(Told(200), is_own=True)
    over(answer, failed("rate_limited"))
    assert made.state == "closed"
    await made.sent(Told(503), is_own=True)
    assert made.state == "open"


async def test_it_half_opens_and_a_trial_closes_it() -> None:
    made = Setup()
    await made.open()
    made.clock.advance(30)
    answer = await made.sent(Told(200))
    assert await made.levels() == [2, 1]
    with pytest.raises(CircuitOpen):
        await made.sent(AssertionError("sent"))
    over(answer, COMPLETED)
    assert await made.levels() == [2, 1, 0]


async def test_a_trial_that_fails_opens_it_again() -> None:
    made = Setup()
    await made.open()
    made.clock.advance(30)
    await made.sent(Told(529))
    assert await made.levels() == [2, 1, 2]
    assert made.store.counted.count(("B", "tr", 1)) == 2


async def test_a_trial_that_nobody_listens_to_gives_its_place_back() -> None:
    made = Setup()
    await made.open()
    made.clock.advance(30)
    answer = await made.sent(Told(200))
    await answer.aclose()
    again = await made.sent(Told(200))
    over(again, COMPLETED)
    assert made.state == "closed"


@pytest.mark.parametrize("outcome", STOPPED)
async def test_a_trial_that_is_stopped_or_broken_off_gives_its_place_back(
    outcome: Outcome,
) -> None:
    made = Setup()
    await made.open()
    made.clock.advance(30)
    over(await made.sent(Told(200)), replace(COMPLETED, outcome=outcome, error_type="timeout"))
    assert made.state == "half_open"
    over(await made.sent(Told(200)), COMPLETED)
    assert made.state == "closed"


async def test_a_trial_that_is_stopped_before_its_answer_gives_its_place_back() -> None:
    made = Setup()
    await made.open()
    made.clock.advance(30)
    with pytest.raises(asyncio.CancelledError):
        await made.sent(asyncio.CancelledError())
    await made.sent(Told(200))


async def test_a_store_that_is_down_does_not_close_or_open_anything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Setup()
    made.store.down = True
    await made.open()
    with pytest.raises(CircuitOpen):
        await made.sent(AssertionError("sent"))
    assert {record.getMessage() for record in caplog.records} == {"work aside failed"}
