"""One request and the keys of its provider."""

import asyncio
from typing import final

import pytest

from aigateway.clock import micros
from aigateway.errors import (
    KeyPoolExhausted,
    KeyPoolUnauthorized,
    ProviderBroken,
    UpstreamFault,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from aigateway.pool.keyring import Keyring
from aigateway.relay.asides import Asides
from aigateway.relay.failover import DRAINED_BYTES, Failover
from aigateway.relay.notices import Notices
from aigateway.relay.upstream import Answer, KeysUsed, UpstreamRequest
from aigateway.wire.masking import mask
from tests.clocks import HeldClock
from tests.unit.relay.pooled import OK, Peer, Store, Told, Vault, a_provider, key_of, limited
from tests.unit.relay.stand_ins import until

SEVERAL = 3


@final
class Setup:
    """One process: several requests share its keyring."""

    def __init__(self, *key_ids: str, lost: tuple[str, ...] = ()) -> None:
        self.clock, self.ring, self.store = HeldClock(), Keyring(), Store()
        self.provider, self.vault, self.peer = a_provider(*key_ids), Vault(*lost), Peer({})

    async def sent(self, **answers: list[Told | BaseException]) -> tuple[Answer, KeysUsed]:
        failover, asides = self.failover(answers)
        try:
            await failover.choose()
            return await failover.send(self.request()), failover.keys
        finally:
            await asides.join()

    async def refused(self, **answers: list[Told | BaseException]) -> UpstreamFault:
        with pytest.raises(UpstreamFault) as raised:
            await self.sent(**answers)
        assert self.peer.open == 0
        return raised.value

    def failover(self, answers: dict[str, list[Told | BaseException]]) -> tuple[Failover, Asides]:
        self.peer = Peer(answers)
        asides = Asides()
        notices = Notices(self.store, self.clock, asides)  # type: ignore[arg-type]  # the verbs it needs
        failover = Failover(self.peer, self.provider, self.ring, self.vault, self.clock, notices)
        return failover, asides

    def request(self, released: asyncio.Future[None] | None = None) -> UpstreamRequest:
        head = (self.provider, "POST", b"/v1/messages", ((b"accept", b"*/*"),))
        return UpstreamRequest(*head, b"{the body}", released, 5.0, 5.0)


async def body_of(answer: Answer) -> bytes:
    try:
        return b"".join([chunk async for chunk in answer.chunks])
    finally:
        await answer.aclose()


async def test_the_first_key_is_used_and_no_other_one_is_fetched() -> None:
    made = Setup("k1", "k2")
    answer, keys = await made.sent(k1=[Told(200)])
    assert await body_of(answer) == OK
    assert (keys.hint, keys.tried) == (mask(key_of("k1")), 1)
    assert made.vault.asked == ["k1"]
    assert (made.store.steps, made.store.set) == ([], [])


async def test_a_limited_and_a_refused_key_are_passed_over_for_one_clean_answer() -> None:
    made = Setup("k1", "k2", "k3")
    answer, keys = await made.sent(k1=[limited("30")], k2=[Told(401)], k3=[Told(200)])
    assert await body_of(answer) == OK
    assert (keys.hint, keys.tried) == (mask(key_of("k3")), 3)
    assert made.peer.bodies == [b"{the body}"] * 3
    assert made.store.counted == [("K", "r:rate_limited", 1), ("K", "r:unauthorized", 1)]
    now_ms = micros(made.clock.now()) // 1000
    assert [dict(gauge.values) for gauge in made.store.set] == [
        {"k1": now_ms + 30_000, "k1#status": 429},
        {"k2": now_ms + 60_000, "k2#status": 401},
    ]


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500, 503, 529])
async def test_any_other_answer_is_the_clients(status: int) -> None:
    made = Setup("k1", "k2")
    answer, keys = await made.sent(k1=[Told(status)])
    await body_of(answer)
    assert (answer.head.status, keys.tried) == (status, 1)


@pytest.mark.parametrize("fault", [UpstreamUnreachable("m"), UpstreamTimeout("m")])
async def test_a_fault_is_no_reason_for_another_key(fault: UpstreamFault) -> None:
    made = Setup("k1", "k2")
    assert await made.refused(k1=[fault]) is fault
    assert made.peer.tried == ["k1"]


async def test_a_fault_of_a_later_attempt_is_what_the_client_is_told() -> None:
    made = Setup("k1", "k2")
    fault = UpstreamUnreachable("m")
    assert await made.refused(k1=[limited("5")], k2=[fault]) is fault


async def test_a_key_cools_for_the_requests_behind_and_comes_back() -> None:
    made = Setup("k1", "k2")
    await made.sent(k1=[limited("30")], k2=[Told(200)])
    made.clock.advance(29)
    await made.sent(k2=[Told(200)])
    assert made.peer.tried == ["k2"]
    made.clock.advance(1)
    await made.sent(k1=[Told(200)])
    assert made.peer.tried == ["k1"]


async def test_when_every_key_is_limited_the_shortest_wait_is_told() -> None:
    made = Setup("k1", "k2")
    error = await made.refused(k1=[limited("30")], k2=[limited("9")])
    assert isinstance(error, KeyPoolExhausted)
    assert error.retry_after == 9
    assert made.store.counted[-1] == ("K", "x:rate_limited", 1)
    made.clock.advance(2.5)
    error = await made.refused()
    assert made.peer.tried == []
    assert error.retry_after == 7


async def test_when_no_key_is_accepted_there_is_nothing_to_wait_for() -> None:
    made = Setup("k1", "k2")
    error = await made.refused(k1=[Told(401)], k2=[Told(401)])
    assert isinstance(error, KeyPoolUnauthorized)
    assert error.retry_after is None
    assert made.store.counted[-1] == ("K", "x:auth_failed", 1)


async def test_one_limited_key_among_refused_ones_makes_it_a_limit() -> None:
    made = Setup("k1", "k2", "k3")
    error = await made.refused(k1=[Told(401)], k2=[limited("70")], k3=[Told(401)])
    assert error.retry_after == 70


async def test_a_wait_of_nothing_still_passes_the_key_over_in_this_request() -> None:
    made = Setup("k1", "k2")
    error = await made.refused(k1=[limited("0")], k2=[limited("0")])
    assert error.retry_after == 1
    await made.sent(k1=[Told(200)])
    assert made.peer.tried == ["k1"]


async def test_a_key_that_cannot_be_read_is_skipped_and_no_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Setup("k1", "k2", lost=("k1",))
    _, keys = await made.sent(k2=[Told(200)])
    assert (keys.hint, keys.tried) == (mask(key_of("k2")), 1)
    (record,) = caplog.records
    assert record.key_id == "k1"  # type: ignore[attr-defined]
    assert "secret" not in record.getMessage()


async def test_when_no_key_can_be_read_the_provider_is_broken() -> None:
    made = Setup("k1", "k2", lost=("k1", "k2"))
    failover, _ = made.failover({})
    with pytest.raises(ProviderBroken):
        await failover.choose()
    assert made.store.steps == []


async def test_a_key_that_cools_beside_one_that_cannot_be_read_is_a_limit() -> None:
    made = Setup("k1", "k2", lost=("k2",))
    assert (await made.refused(k1=[limited("30")])).retry_after == 30
    assert (await made.refused()).retry_after == 30


async def test_many_refusals_at_once_are_one_mark() -> None:
    made = Setup("k1", "k2")
    failovers = []
    for _ in range(SEVERAL):
        failover, asides = made.failover({})
        await failover.choose()
        failovers.append((failover, asides))
    made.peer.answers = {"k1": [limited("30")] * SEVERAL, "k2": [Told(200)] * SEVERAL}
    for failover, asides in failovers:
        failover._upstream = made.peer
        await failover.send(made.request())
        await asides.join()
        made.clock.advance(0.2)
    assert made.store.counted == [("K", "r:rate_limited", 1)]
    assert len(made.store.set) == 1


async def test_a_store_that_is_down_costs_the_marks_of_others_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Setup("k1", "k2")
    made.store.down = True
    answer, _ = await made.sent(k1=[limited("30")], k2=[Told(200)])
    assert answer.head.status == 200
    assert {record.getMessage() for record in caplog.records} == {"work aside failed"}


async def test_every_attempt_waits_for_the_record() -> None:
    made = Setup("k1", "k2")
    failover, _ = made.failover({"k1": [limited("1")], "k2": [Told(200)]})
    await failover.choose()
    released = asyncio.get_running_loop().create_future()
    sending = asyncio.create_task(failover.send(made.request(released)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert made.peer.tried == []
    released.set_result(None)
    await sending
    assert made.peer.released == [True, True]


@pytest.mark.parametrize(
    ("refusal", "is_read"),
    [
        (Told(429, chunks=(b"a", b"b")), True),
        (Told(429, chunks=(b"a" * DRAINED_BYTES, b"b")), False),
        (Told(429, stalls=True), False),
        (Told(429, cut=True), False),
    ],
)
async def test_a_refusal_is_read_to_its_end_only_where_that_is_near(
    refusal: Told, is_read: bool
) -> None:
    made = Setup("k1", "k2")
    answer, _ = await made.sent(k1=[refusal], k2=[Told(200)])
    await body_of(answer)
    assert (made.peer.open, made.peer.read_to_the_end) == (0, 1 + is_read)


async def test_a_client_that_leaves_between_two_keys_leaves_nothing_open() -> None:
    made = Setup("k1", "k2")
    failover, asides = made.failover({"k1": [Told(429, stalls=True)], "k2": [Told(200)]})
    await failover.choose()
    sending = asyncio.create_task(failover.send(made.request()))
    await until(lambda: made.peer.open == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asides.join()
    assert made.peer.open == 0
    assert made.peer.tried == ["k1"]
    assert failover.keys.tried == 1
