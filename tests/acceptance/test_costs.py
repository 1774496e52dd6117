"""What answers cost: priced by the model that served, and served without a price too."""

import json

from tests.acceptance.stage import Script, Stage, blocking
from tests.acceptance.words import (
    ASKS,
    DONE,
    PATHS,
    chat,
    chunk,
    message,
    messages,
    sse,
    start,
    usage_chunk,
)

USAGE = {"input_tokens": 1000, "output_tokens": 1000}


async def amounts(stage: Stage) -> dict[str, int]:
    (counted,) = (await stage.store.counters()).values()
    return dict(counted)


async def test_row_75_a_model_without_price_is_served_and_counted(stage: Stage) -> None:
    body = message(usage=USAGE, model="claude-of-tomorrow")
    request = messages("go", model="claude-of-tomorrow")
    told = await stage.tell("messages", request, blocking(body), session="session-0075")
    assert told.answered.status == 200
    assert told.rows["U"] == ["1000/1000/0/0"]
    (usage,) = told.record["token_usages"]
    assert usage.get("cost_micros") is None
    assert usage.get("price_version") is None
    counted = await amounts(stage)
    assert counted["up:anthropic"] == 1
    assert "uc" not in counted
    assert stage.get("sessions/session-0075").get("cost_micros") is None


async def test_an_open_provider_has_no_price_whatever_its_model_is_called(stage: Stage) -> None:
    await stage.add_provider("local-llm", "openai-compat", "https://llm.example/v1")
    stage.peer.scripts.append(
        Script(sse(chunk(finish="stop"), usage_chunk(prompt_tokens=5, completion_tokens=2), DONE))
    )
    path = PATHS["chat"].replace("openai", "local-llm")
    answered = await stage.send(path, json.dumps(chat("go", **ASKS)).encode())
    (usage,) = stage.record(answered)["token_usages"]
    assert usage.get("cost_micros") is None
    assert (await amounts(stage))["up:openai-compat"] == 1


async def test_a_session_costs_what_its_answers_cost_together(stage: Stage) -> None:
    body = message(usage=USAGE, model="claude-haiku-4-5-20251001")
    for _ in range(2):
        told = await stage.tell("messages", messages("go"), blocking(body), session="session-0001")
        (usage,) = told.record["token_usages"]
        assert usage["cost_micros"] == 1000 + 5000
    (listed,) = stage.get("sessions")["sessions"]
    assert listed["cost_micros"] == 2 * 6000
    assert stage.get("sessions/session-0001")["cost_micros"] == 2 * 6000
    assert (await amounts(stage))["uc"] == 2 * 6000


async def test_what_a_cut_stream_reported_is_priced(stage: Stage) -> None:
    begun = start(USAGE)
    begun["message"]["model"] = "claude-haiku-4-5"
    script = Script(sse(begun), cut=True)
    told = await stage.tell("messages", messages("go", stream=True), script)
    (usage,) = told.record["token_usages"]
    assert usage["partial"]
    assert usage["cost_micros"] == 1000 + 5000


async def test_a_usage_that_is_refused_has_neither_cost_nor_missing_price(stage: Stage) -> None:
    body = message(usage={"input_tokens": -1, "output_tokens": 1000})
    told = await stage.tell("messages", messages("go"), blocking(body))
    assert told.rows["U"] == []
    counted = await amounts(stage)
    assert counted["um:invalid"] == 1
    assert not {"uc", "up:anthropic"} & counted.keys()


async def test_the_callers_own_key_is_priced_too(stage: Stage) -> None:
    body = message(usage=USAGE, model="claude-haiku-4-5")
    shown = {"x-api-key": stage.secrets["alice"], "authorization": "Bearer own-key-0123456789"}
    stage.peer.scripts.append(blocking(body))
    request = json.dumps(messages("go")).encode()
    record = stage.record(await stage.send(PATHS["messages"], request, shown, user=None))
    assert record["credential_kind"] == "byok"
    assert record["token_usages"][0]["cost_micros"] == 6000
