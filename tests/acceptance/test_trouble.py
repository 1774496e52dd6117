"""What happens when a provider is in trouble, rows 55 to 59 and 80 of the acceptance table."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from aigateway.relay.assembly import build
from aigateway.settings import Settings
from local.in_process import Answered, call
from tests.acceptance.published import shown
from tests.acceptance.stage import Script, Stage, blocking
from tests.acceptance.words import (
    PROVIDER_KEY,
    chat,
    completion,
    message,
    messages,
    sse,
    start,
    text,
)
from tests.reloads import provider_key

PATH = "/trouble/v1/messages"
CIRCUIT = "/v1/messages m-1 trouble"
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
LIMITED = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
REVOKED = {"type": "error", "error": {"type": "authentication_error", "message": "No such key"}}
FINE = blocking(message(text("ok")))
UNTIL = {"retry_after": "17"}


def limited(seconds: int) -> Script:
    return blocking(LIMITED, 429, retry_after=str(seconds))


async def with_keys(stage: Stage, *key_ids: str, **more: object) -> None:
    keys = [{"id": key_id, "masked": "sk-p...nted"} for key_id in key_ids]
    await stage.add_provider(
        "trouble", "anthropic", "https://trouble.example", api_keys=keys, **more
    )


async def with_breaker(stage: Stage, **members: object) -> None:
    figures = {"enabled": True, "failure_threshold": 2, "max_requests": 1, "timeout_s": 30}
    await with_keys(stage, "k1", circuit_breaker=figures | members)


async def asked(stage: Stage, *scripts: Script, model: str = "m-1", **more: object) -> Answered:
    stage.peer.scripts += scripts
    return await stage.send(PATH, json.dumps(messages("go", **more) | {"model": model}).encode())


def tried(stage: Stage) -> list[str]:
    """Return the keys that requests came with, all of them, in order."""
    return [seen.headers["x-api-key"] for seen in stage.peer.seen]


async def counted(stage: Stage, kind: str) -> dict[tuple[str, ...], Mapping[str, int]]:
    return {key: moved for (k, key), moved in (await stage.store.counters()).items() if k == kind}


async def levels(stage: Stage) -> dict[str, int]:
    """Return the state of each circuit by model, as a metric would say it twice over."""
    return {gauge.key[2]: gauge.values["v"] for gauge in await stage.store.gauges("CB")}


async def key_states(stage: Stage) -> dict[str, float]:
    """Return how many keys are in each state, as the metric says."""
    found = await shown(stage, "key_pool_state")
    return {
        state: value
        for provider, _, state, value in ((*k.partition(" "), v) for k, v in found.items())
        if provider == "trouble"
    }


def failed(stage: Stage, answered: Answered) -> tuple[object, ...]:
    record = stage.record(answered)
    assert record["ended_at"] is not None
    assert record["outcome"] == "failed"
    names = ("error_type", "http_status", "key_attempts")
    return tuple(record.get(name) for name in names)


async def test_row_55_a_breaker_opens_refuses_tries_and_closes(stage: Stage) -> None:
    await with_breaker(stage)
    for _ in range(2):
        assert (await asked(stage, blocking(LIMITED, 429))).status == 429
    assert await levels(stage) == {"m-1": 2}
    assert await shown(stage, "circuit_breaker_state") == {CIRCUIT: 1}
    refused = await asked(stage)
    assert (refused.status, refused.headers["retry-after"]) == (503, "30")
    assert refused.headers["x-ai-gateway-error"] == "circuit_open"
    assert refused.document["error"]["type"] == "overloaded_error"
    assert failed(stage, refused) == ("overloaded", None, 0)
    assert (await asked(stage, FINE, model="m-2")).status == 200
    assert len(stage.peer.seen) == 3
    stage.clock.advance(30)
    assert (await asked(stage, FINE)).status == 200
    assert await levels(stage) == {"m-1": 0}
    moved = {("trouble", "/v1/messages", "m-1"): {"tr": 1, "rj": 1}}
    assert await counted(stage, "B") == moved
    for name, value in (("trips_total", 1), ("rejects_total", 1), ("state", 0)):
        assert await shown(stage, f"circuit_breaker_{name}") == {CIRCUIT: value}


async def test_row_55_a_trial_under_way_is_half_open(stage: Stage) -> None:
    await with_breaker(stage, failure_threshold=1)
    await asked(stage, blocking(OVERLOADED, 529))
    stage.clock.advance(30)
    stalling = Script(sse(start({"input_tokens": 5, "output_tokens": 1})), stalls=True)
    stage.peer.scripts.append(stalling)
    body = json.dumps(messages("go", stream=True) | {"model": "m-1"}).encode()
    trial = asyncio.create_task(stage.send(PATH, body))
    async with asyncio.timeout(10):
        while await levels(stage) != {"m-1": 1}:  # noqa: ASYNC110 - what is stored is looked at
            await asyncio.sleep(0)
    assert await shown(stage, "circuit_breaker_state") == {CIRCUIT: 0.5}
    assert (await asked(stage)).status == 503
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    assert (await asked(stage, FINE)).status == 200
    assert await levels(stage) == {"m-1": 0}


async def test_row_56_of_six_at_once_two_are_trials(stage: Stage) -> None:
    await with_breaker(stage, failure_threshold=1, max_requests=2)
    await asked(stage, blocking(OVERLOADED, 529))
    stage.clock.advance(30)
    stage.peer.scripts += [FINE] * 6
    answers = await asyncio.gather(*(asked(stage) for _ in range(6)))
    assert sorted(answered.status for answered in answers) == [200, 200, 503, 503, 503, 503]
    assert len(stage.peer.seen) == 3
    assert await levels(stage) == {"m-1": 0}
    assert (await counted(stage, "B"))["trouble", "/v1/messages", "m-1"]["rj"] == 4
    assert await shown(stage, "circuit_breaker_rejects_total") == {CIRCUIT: 4}


async def test_row_57_a_limited_key_is_passed_over_and_comes_back(stage: Stage) -> None:
    await with_keys(stage, "k1", "k2")
    answered = await asked(stage, limited(30), FINE)
    assert (answered.status, answered.body) == (200, FINE.body)
    assert "retry-after" not in answered.headers
    record = stage.record(answered)
    assert (record["outcome"], record["key_attempts"]) == ("completed", 2)
    assert record["credential_hint"] == "sk-p...r-k2"
    assert record["token_usages"]
    assert await counted(stage, "K") == {("trouble",): {"r:rate_limited": 1}}
    ((_, moved),) = (await counted(stage, "R")).items()
    assert (moved["k1"], moved["ks"]) == (1, 2)
    assert await shown(stage, "key_pool_state_transitions_total") == {"trouble rate_limited": 1}
    assert await shown(stage, "key_pool_failover_attempts_sum") == {"trouble": 2}
    assert (await key_states(stage)) == {"valid": 1, "temporary": 1, "permanent": 0}
    first, second = PROVIDER_KEY, provider_key("k2")
    assert tried(stage) == [first, second]
    stage.clock.advance(28)
    await asked(stage, FINE)
    await asked(stage, FINE)
    assert tried(stage) == [first, second, second, first]
    assert (await key_states(stage)) == {"valid": 2, "temporary": 0, "permanent": 0}
    bodies = {seen.body for seen in stage.peer.seen}
    assert len(bodies) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_row_57_a_limited_and_a_revoked_key_leave_one_clean_answer(
    stage: Stage, *, stream: bool
) -> None:
    await with_keys(stage, "k1", "k2", "k3")
    begun = start({"input_tokens": 5, "output_tokens": 1})
    served = Script(sse(begun, {"type": "message_stop"})) if stream else FINE
    answered = await asked(stage, limited(30), blocking(REVOKED, 401), served, stream=stream)
    assert (answered.status, answered.body) == (200, served.body)
    record = stage.record(answered)
    assert (record["key_attempts"], record["credential_hint"]) == (3, "sk-p...r-k3")
    assert await counted(stage, "K") == {("trouble",): {"r:rate_limited": 1, "r:unauthorized": 1}}
    assert await stage.recorded() == 1


async def test_row_57_what_is_passed_through_takes_the_next_key_too(stage: Stage) -> None:
    await with_keys(stage, "k1", "k2")
    stage.peer.scripts += [limited(30), blocking({"data": []})]
    answered = await stage.send("/trouble/v1/models", method="GET")
    assert (answered.status, answered.document) == (200, {"data": []})
    assert tried(stage) == [PROVIDER_KEY, provider_key("k2")]
    ((_, moved),) = (await counted(stage, "P")).items()
    assert (moved["n"], moved["k1"], moved["ks"]) == (1, 1, 2)
    assert await shown(stage, "key_pool_failover_attempts_sum") == {"trouble": 2}
    assert await shown(stage, "passthrough_total") == {"GET trouble /v1/models": 1}


async def test_row_58_when_all_are_limited_the_shortest_wait_is_told(stage: Stage) -> None:
    await with_keys(stage, "k1", "k2")
    answered = await asked(stage, limited(30), limited(9))
    assert (answered.status, answered.headers["retry-after"]) == (429, "9")
    assert answered.headers["x-ai-gateway-error"] == "key_pool_exhausted"
    assert answered.document["error"]["type"] == "rate_limit_error"
    assert failed(stage, answered) == ("rate_limited", 429, 2)
    assert stage.record(answered)["credential_hint"] == "sk-p...r-k2"
    again = await asked(stage)
    assert (again.status, again.headers["retry-after"]) == (429, "8")
    assert failed(stage, again) == ("rate_limited", None, 0)
    assert len(stage.peer.seen) == 2
    moved = {"r:rate_limited": 2, "x:rate_limited": 2}
    assert await counted(stage, "K") == {("trouble",): moved}
    assert await shown(stage, "key_pool_exhaustions_total") == {"rate_limited trouble": 2}
    assert (await key_states(stage)) == {"valid": 0, "temporary": 2, "permanent": 0}


async def test_row_58_when_none_is_accepted_there_is_nothing_to_wait_for(stage: Stage) -> None:
    await with_keys(stage, "k1", "k2")
    answered = await asked(stage, blocking(REVOKED, 401), blocking(REVOKED, 401))
    assert answered.status == 502
    assert "retry-after" not in answered.headers
    assert answered.headers["x-ai-gateway-error"] == "key_pool_unauthorized"
    assert failed(stage, answered) == ("unauthorized", 401, 2)
    moved = {"r:unauthorized": 2, "x:auth_failed": 1}
    assert await counted(stage, "K") == {("trouble",): moved}
    assert await shown(stage, "key_pool_exhaustions_total") == {"auth_failed trouble": 1}
    assert await shown(stage, "key_pool_state_transitions_total") == {"trouble unauthorized": 2}


async def test_row_58_an_answer_of_ours_has_the_shape_of_the_dialect(stage: Stage) -> None:
    keys = [{"id": key_id, "masked": "sk-p...nted"} for key_id in ("k1", "k2")]
    await stage.add_provider("busy", "openai", "https://busy.example/v1", api_keys=keys)
    stage.peer.scripts += [limited(30), limited(9)]
    body = json.dumps(chat("go")).encode()
    answered = await stage.send("/busy/v1/chat/completions", body)
    assert (answered.status, answered.headers["retry-after"]) == (429, "9")
    assert answered.document["error"]["code"] == "key_pool_exhausted"
    assert tried_bearers(stage) == [f"Bearer {PROVIDER_KEY}", f"Bearer {provider_key('k2')}"]
    stage.clock.advance(30)
    stage.peer.scripts.append(blocking(completion()))
    assert (await stage.send("/busy/v1/chat/completions", body)).status == 200


def tried_bearers(stage: Stage) -> list[str]:
    return [seen.headers["authorization"] for seen in stage.peer.seen]


async def test_row_59_a_limit_within_a_stream_is_passed_on(stage: Stage) -> None:
    await with_keys(stage, "k1", "k2")
    served = Script(sse(start({"input_tokens": 5, "output_tokens": 1}), LIMITED))
    answered = await asked(stage, served, stream=True)
    assert (answered.status, answered.body) == (200, served.body)
    assert tried(stage) == [PROVIDER_KEY]
    assert failed(stage, answered) == ("rate_limited", 200, 1)
    assert await counted(stage, "K") == {}
    assert await shown(stage, "key_pool_state_transitions_total") == {}
    await asked(stage, FINE)
    assert tried(stage) == [PROVIDER_KEY] * 2


@pytest.mark.parametrize("within", [False, True])
async def test_row_80_a_breaker_counts_an_overload_before_and_within_the_body(
    stage: Stage, *, within: bool
) -> None:
    await with_breaker(stage)
    begun = start({"input_tokens": 5, "output_tokens": 1})
    overload = Script(sse(begun, OVERLOADED)) if within else blocking(OVERLOADED, 529)
    for _ in range(2):
        answered = await asked(stage, overload, stream=within)
        assert stage.record(answered)["error_type"] == "overloaded"
    assert (await asked(stage)).status == 503
    assert await levels(stage) == {"m-1": 2}


async def test_a_breaker_is_off_unless_it_is_switched_on(stage: Stage) -> None:
    await with_keys(stage, "k1")
    for _ in range(9):
        assert (await asked(stage, blocking(OVERLOADED, 529))).status == 529
    assert await levels(stage) == {}


async def test_a_429_that_another_key_made_good_is_no_failure(stage: Stage) -> None:
    figures = {"enabled": True, "failure_threshold": 1}
    await with_keys(stage, "k1", "k2", circuit_breaker=figures)
    assert (await asked(stage, limited(30), FINE)).status == 200
    stage.clock.advance(30)
    assert (await asked(stage, limited(5), limited(5))).status == 429
    assert await levels(stage) == {}


async def test_a_callers_own_key_takes_no_turns(stage: Stage) -> None:
    await with_keys(stage, "k1", "k2", circuit_breaker={"enabled": True, "failure_threshold": 1})
    own = {"x-ai-gateway-token": stage.secrets["alice"], "x-api-key": "sk-own-made-up-0123456789"}
    body = json.dumps(messages("go")).encode()
    for _ in range(2):
        stage.peer.scripts.append(limited(17))
        answered = await stage.send(PATH, body, own, user=None)
        assert (answered.status, answered.headers["retry-after"]) == (429, "17")
        assert stage.record(answered)["credential_kind"] == "byok"
    assert tried(stage) == ["sk-own-made-up-0123456789"] * 2
    assert (await counted(stage, "K"), await levels(stage)) == ({}, {})


async def test_a_limit_that_one_gateway_finds_is_known_to_the_next_one(stage: Stage) -> None:
    settings = Settings(snapshot_poll_seconds=0.0, key_cache_seconds=0.0)
    other = build(settings, stage.store, stage.keys, stage.clock, stage.peer)
    await with_keys(stage, "k1", "k2")
    assert (await asked(stage, limited(30), FINE)).status == 200
    headers = {"authorization": f"Bearer {stage.secrets['alice']}"}
    body = json.dumps(messages("go")).encode()
    stage.peer.scripts.append(FINE)
    assert (await call(other, "POST", PATH, (body,), headers)).status == 200
    assert tried(stage)[-1] == provider_key("k2")
    stage.clock.advance(30)
    stage.peer.scripts.append(FINE)
    await call(other, "POST", PATH, (body,), headers)
    assert tried(stage)[-1] == PROVIDER_KEY
