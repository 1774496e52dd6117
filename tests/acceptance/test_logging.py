"""What the log tells of records, and what it must not tell."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from aigateway.ledger import spilled_text
from aigateway.ledger.transfer import row_in
from aigateway.relay.assembly import build
from aigateway.settings import Settings
from aigateway.telemetry.assembly import journal_of
from aigateway.telemetry.log import begin
from tests.acceptance.stage import Script, Stage, blocking
from tests.acceptance.words import (
    PATHS,
    PROVIDER_KEY,
    STOP,
    TOOL,
    block,
    delta,
    json_delta,
    message,
    messages,
    sse,
    start,
    text,
    tool_use,
)
from tests.breaking import Breaking
from tests.figures import points
from tests.logs import Caught, logging_as_before

AT_ONCE = Settings(snapshot_poll_seconds=0.0, key_cache_seconds=0.0, on_lambda=True)
THINKING = {"type": "thinking", "thinking": ""}
ANSWER = sse(
    start({"input_tokens": 12, "output_tokens": 1}),
    *block(0, THINKING, {"type": "thinking_delta", "thinking": "Two files."}),
    *block(1, tool_use("toolu_1"), json_delta('{"path": "a"}')),
    *block(2, tool_use("toolu_2", "Write"), json_delta('{"path": "b"}')),
    delta({"output_tokens": 30}, "tool_use"),
    STOP,
)
ASKED = messages("Read a, write b.", stream=True, tools=[TOOL])


@pytest.fixture
def caught() -> Iterator[Caught]:
    """Every line of this process, as it would be written."""
    with logging_as_before():
        made = Caught()
        begin(made, "DEBUG")
        yield made


def listen(stage: Stage, caught: Caught, store: object = None) -> None:
    """Let the gateway tell ``caught`` of its records."""
    stage.app = build(
        AT_ONCE,
        store or stage.store,  # type: ignore[arg-type]  # or what stands before it
        stage.keys,
        stage.clock,
        stage.peer,
        journal_of(AT_ONCE, caught, spilled_text),
    )


def expected_lines(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines that the rows of a record, as the API shows them, must have."""
    (prompt,), (usage,) = record["user_prompts"], record["token_usages"]
    (thought,) = record["model_thoughts"]
    of_rows: list[tuple[int, dict[str, Any]]] = [
        (
            thought["sequence"],
            {
                "record_type": "model_thought",
                **{name: thought[name] for name in ("content", "created_at", "metadata")},
            },
        )
    ]
    of_rows += [
        (
            tool["sequence"],
            {
                "record_type": "tool_usage",
                "msg_id": tool["provider_response_id"],
                "tool_call_id": tool["provider_tool_call_id"],
                **{n: tool[n] for n in ("tool", "input", "injected", "created_at", "metadata")},
            },
        )
        for tool in record["tool_usages"]
    ]
    counts = ("input_tokens", "output_tokens", "cache_read_input_tokens")
    of_rows.append(
        (
            9,
            {
                "record_type": "token_usage",
                "msg_id": usage["provider_response_id"],
                **{name: usage[name] for name in (*counts, "cache_write_input_tokens")},
                **{name: usage[name] for name in ("created_at", "metadata", "provider_model")},
            },
        )
    )
    return [
        {
            "record_type": "interception_start",
            **{name: record[name] for name in ("api_key_id", "started_at", "metadata")},
        },
        {
            "record_type": "prompt_usage",
            "msg_id": prompt["provider_response_id"],
            **{name: prompt[name] for name in ("prompt", "created_at", "metadata")},
        },
        *(line for _, line in sorted(of_rows, key=lambda row: row[0])),
        {
            "record_type": "interception_end",
            **{name: record[name] for name in ("ended_at", "outcome", "http_status")},
        },
    ]


async def test_row_91_one_call_is_seven_lines_with_the_values_of_its_rows(
    stage: Stage, caught: Caught
) -> None:
    listen(stage, caught)
    told = await stage.tell("messages", ASKED, Script(ANSWER))
    lines, expected = caught.of_records, expected_lines(told.record)
    assert len(lines) == 7
    shared = {
        "message": "interception log",
        "interception_id": told.record["id"],
        "initiator_id": "u-alice",
        "client": "Unknown",
        "provider": "anthropic",
        "provider_name": "anthropic",
        "model": "claude-sonnet-5",
        "session_id": told.record["session_id"],
    }
    for line, rest in zip(lines, expected, strict=True):
        assert line.items() >= {**shared, **rest}.items()
        assert "stored" not in line
    (figures,) = (points(line) for line in caught.written if "_aws" in line)
    provider = ("Provider", "anthropic"), ("service", "ai-gateway")
    assert (figures["ToolCalls", provider], figures["TokensOutput", provider]) == ([2], [30])


async def test_row_91_with_the_table_failing_the_same_lines_say_that_nothing_is_stored(
    stage: Stage, caught: Caught
) -> None:
    listen(stage, caught)
    await stage.tell("messages", ASKED, Script(ANSWER))
    stored = caught.of_records
    caught.written.clear()
    listen(stage, caught, Breaking(stage.store, "close"))
    stage.peer.scripts.append(Script(ANSWER))
    answered = await stage.send(PATHS["messages"], json.dumps(ASKED).encode())
    assert answered.body == ANSWER
    failed = caught.of_records
    assert all(line.pop("stored") is False for line in failed)
    kept = row_in(failed[-1].pop("record").encode())
    assert kept.id == answered.headers["x-ai-gateway-interception-id"]
    own = ("interception_id", "session_id", "timestamp", "location")
    changing = (*own, "started_at", "created_at", "ended_at", "duration_ms")
    stored, failed = (
        [{n: value for n, value in line.items() if n not in changing} for line in lines]
        for lines in (stored, failed)
    )
    assert stored == failed
    counted = [points(line) for line in caught.written if "_aws" in line]
    assert [name for found in counted for name, _ in found] == ["RecorderErrors"]
    (error,) = (line for line in caught.lines if line.get("level") == "ERROR")
    assert error["interception_id"] == answered.headers["x-ai-gateway-interception-id"]


async def test_a_request_refused_before_it_has_a_record_is_a_figure_and_no_record(
    stage: Stage, caught: Caught
) -> None:
    listen(stage, caught)
    await stage.send(PATHS["messages"], b"{}", user=None)
    assert caught.of_records == []
    (line,) = (line for line in caught.written if "_aws" in line)
    assert [name for name, _ in points(line)] == ["Rejected"]


PLANTED = "planted-0a1b2c3d4e5f6a7b"


async def test_i10_nothing_planted_is_in_any_line(stage: Stage, caught: Caught) -> None:
    """In every header, the prompt, the answer, an error's words, and what a bug raises."""
    listen(stage, caught)
    headers = {
        "cookie": f"session={PLANTED}",
        "x-api-key": f"sk-ant-{PLANTED}",
        "user-agent": f"tool/1 (Bearer {PLANTED})",
        "x-session-id": "s-1",
    }
    prompt = f"my key is sk-{PLANTED}\nsk-{PLANTED}\nAuthorization: Basic {PLANTED}"
    asked = messages(prompt, model=f"m-ghp_{PLANTED.replace('-', '')}")
    tool = tool_use("toolu_1") | {"input": {"headers": {"Authorization": f"Basic {PLANTED}"}}}
    for script in (
        blocking(message(tool, text("ok"))),
        blocking({"error": {"type": "x", "message": f"bad key: sk-{PLANTED}"}}, 401),
        Script(b"event: x\ndata: {" + PLANTED.encode(), cut=True),
    ):
        stage.peer.scripts.append(script)
        await stage.send(PATHS["messages"], json.dumps(asked).encode(), headers)
    listen(stage, caught, Breaking(stage.store, "key", ValueError(f"sk-{PLANTED}")))
    await stage.send(PATHS["messages"], json.dumps(asked).encode(), headers)
    listen(stage, caught, Breaking(stage.store, "close"))
    stage.peer.scripts.append(blocking(message(text("ok"))))
    await stage.send(PATHS["messages"], json.dumps(asked).encode(), headers)
    logging.getLogger("asyncio").error("from elsewhere: %s", headers)
    whole = "\n".join(caught.written)
    assert len(caught.of_records) > 12
    assert len(caught.lines) > len(caught.of_records)
    assert "a request failed in the gateway" in whole
    for secret in (PLANTED, PLANTED.replace("-", ""), PROVIDER_KEY, *stage.secrets.values()):
        assert secret not in whole
