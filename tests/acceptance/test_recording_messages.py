"""What is recorded of Messages exchanges: rows 1 to 23 of the acceptance table."""

import pytest

from tests.acceptance.published import shown
from tests.acceptance.stage import Script, Stage, Told, blocking, counts, rows
from tests.acceptance.words import (
    ANSWER,
    STOP,
    TOOL,
    assistant,
    block,
    calling,
    delta,
    json_delta,
    message,
    messages,
    sse,
    start,
    text,
    tool_result,
    tool_use,
)

STREAM = {"stream": True}
GO = messages("go", **STREAM)


async def streamed(stage: Stage, *events: object, **more: object) -> Told:
    return await stage.tell("messages", GO, Script(sse(*events)), **more)  # type: ignore[arg-type]  # events


async def test_row_01_a_blocking_answer(stage: Stage) -> None:
    usage = {
        "input_tokens": 18,
        "output_tokens": 7,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
    }
    told = await stage.tell(
        "messages", messages("ping?"), blocking(message(text("pong"), usage=usage))
    )
    assert told.end == ("completed", None)
    assert told.rows == rows(P=["ping?"], U=["18/7/0/0"])
    record = told.record
    children = (*record["token_usages"], *record["user_prompts"], record)
    assert [child["provider_response_id"] for child in children] == ["msg_1"] * 3


async def test_row_02_output_of_a_stream_is_cumulative(stage: Stage) -> None:
    told = await streamed(
        stage,
        start({"input_tokens": 18, "output_tokens": 1}),
        *block(0, text("")),
        delta({"output_tokens": 240}),
        STOP,
    )
    assert told.rows == rows(P=["go"], U=["18/240/0/0"])
    assert told.end == ("completed", None)


async def test_row_03_zeros_first_and_the_truth_at_the_end(stage: Stage) -> None:
    truth = {"input_tokens": 900, "cache_read_input_tokens": 700, "output_tokens": 30}
    told = await streamed(stage, start({"input_tokens": 0, "output_tokens": 0}), delta(truth), STOP)
    assert told.rows["U"] == ["900/30/700/0"]


async def test_row_04_of_two_reports_the_last_counts(stage: Stage) -> None:
    begun = start({"input_tokens": 4, "output_tokens": 1})
    reports = (delta({"output_tokens": count}) for count in (10, 25))
    told = await streamed(stage, begun, *reports, STOP)
    assert told.rows["U"] == ["4/25/0/0"]


USAGE = {
    "input_tokens": 2,
    "output_tokens": 5,
    "cache_read_input_tokens": 4000,
    "cache_creation_input_tokens": 50,
}
INPUT = '{ "z": 1.0, "a": "\\u00e9" }'


async def test_row_05_a_streamed_tool_call_keeps_the_providers_text(stage: Stage) -> None:
    told = await streamed(
        stage,
        start(USAGE),
        *block(0, tool_use("toolu_1"), *map(json_delta, ("", INPUT[:9], INPUT[9:]))),
        delta({"output_tokens": 61}, "tool_use"),
        STOP,
    )
    assert told.rows == rows(P=["go"], U=["2/61/4000/50"], T=[("Read", "toolu_1", INPUT)])
    (call,) = told.record["tool_usages"]
    assert (call["injected"], call["input_format"]) == (False, "json")
    assert call["executed_by"] == "client"


def in_order(told: Told) -> list[str]:
    """Return what the rows say, in the order of the answer."""
    both = told.record["model_thoughts"] + told.record["tool_usages"]
    return [
        row.get("content") or row["provider_tool_call_id"]
        for row in sorted(both, key=lambda row: row["sequence"])
    ]


async def test_row_06_a_thought_stands_before_the_call_it_led_to(stage: Stage) -> None:
    thinking = {"type": "thinking", "thinking": "check the file first", "signature": "c2ln"}
    body = message(thinking, tool_use("toolu_1"), usage=USAGE | {"output_tokens": 61})
    told = await stage.tell("messages", messages("go"), blocking(body))
    assert told.rows == rows(
        P=["go"],
        U=["2/61/4000/50"],
        T=[("Read", "toolu_1", "{}")],
        M=[("thinking", "check the file first")],
    )
    assert in_order(told) == ["check the file first", "toolu_1"]
    assert "c2ln" not in str(told.record)


def thinking(words: str) -> dict[str, object]:
    return {"type": "thinking_delta", "thinking": words}


async def test_row_07_one_row_for_each_thinking_block_with_text(stage: Stage) -> None:
    empty = {"type": "thinking", "thinking": ""}
    told = await streamed(
        stage,
        start(USAGE),
        *block(0, empty, thinking("first "), thinking("this")),
        *block(1, empty, {"type": "signature_delta", "signature": "c2ln"}),
        *block(2, empty, thinking("then that")),
        delta({}),
        STOP,
    )
    assert told.rows["M"] == [("thinking", "first this"), ("thinking", "then that")]
    assert told.record["metadata"]["thinking_blocks_without_text"] == 1


async def test_row_08_hidden_thinking_is_counted_and_never_stored(stage: Stage) -> None:
    hidden = {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}
    told = await streamed(stage, start(USAGE), *block(0, hidden), delta({}), STOP)
    assert told.rows["M"] == []
    assert told.record["metadata"]["redacted_thinking_blocks"] == 1
    assert "ZW5jcnlwdGVk" not in str(told.record)


async def test_row_09_parallel_calls_of_one_tool_are_two(stage: Stage) -> None:
    told = await streamed(
        stage,
        start(USAGE),
        *block(0, tool_use("toolu_1"), json_delta('{"p":1}')),
        *block(1, tool_use("toolu_2"), json_delta('{"p":2}')),
        delta({}, "tool_use"),
        STOP,
    )
    assert told.rows["T"] == [("Read", "toolu_1", '{"p":1}'), ("Read", "toolu_2", '{"p":2}')]


async def test_row_10_a_thought_without_a_call_is_shown_in_the_session(stage: Stage) -> None:
    body = message({"type": "thinking", "thinking": "easy"}, text("4"))
    told = await stage.tell("messages", messages("2+2?"), blocking(body), session="session-0010")
    assert told.rows["M"] == [("thinking", "easy")]
    (thread,) = stage.get("sessions/session-0010")["threads"]
    (action,) = thread["agentic_actions"]
    assert action["thinking"] == [{"text": "easy"}]
    assert action["tool_calls"] == []


async def test_row_11_a_hosted_search_is_the_providers_and_no_token(stage: Stage) -> None:
    told = await stage.replay("messages/hosted_web_search")
    search, _ = told.record["tool_usages"]
    assert (search["tool"], search["executed_by"]) == ("web_search", "provider")
    (usage,) = told.record["token_usages"]
    assert usage["metadata"] == {"web_search_requests": 2}
    assert counts(usage) == "100/40/0/0"
    (amounts,) = (await stage.store.counters()).values()
    assert {name: n for name, n in amounts.items() if name.startswith("t:")} == {
        "t:input": 100,
        "t:output": 40,
    }


async def test_row_12_a_limit_inside_a_tool_input_leaves_it_partial(stage: Stage) -> None:
    told = await streamed(
        stage,
        start(USAGE),
        *block(0, tool_use("toolu_1", "Write"), json_delta('{"text":"ab')),
        delta({"output_tokens": 500}, "max_tokens"),
        STOP,
    )
    assert told.rows["T"] == [("Write", "toolu_1", '{"text":"ab')]
    assert told.record["tool_usages"][0]["input_format"] == "partial"
    assert told.record["stop_reason"] == "max_tokens"
    assert told.end == ("completed", None)


async def test_row_13_a_cut_keeps_the_call_that_the_client_has_seen(stage: Stage) -> None:
    stream = sse(start(USAGE), *block(0, tool_use("toolu_1"), json_delta('{"p":1}')))
    told = await stage.tell("messages", GO, Script(stream, cut=True))
    assert told.end == ("upstream_cut", "server_error")
    assert told.rows == rows(P=["go"], T=[("Read", "toolu_1", '{"p":1}')], U=["2/5/4000/50"])
    assert told.record["tool_usages"][0]["input_format"] == "json"
    assert told.record["token_usages"][0]["partial"]
    assert told.record["usage_partial"]
    assert not told.answered.over
    assert told.answered.raised is not None
    assert b"message_stop" not in told.answered.body


async def test_row_14_an_error_event_in_a_stream(stage: Stage) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    told = await streamed(
        stage, start(USAGE), *block(0, text("")), {"type": "error", "error": error}
    )
    assert told.answered.status == 200
    assert told.end == ("failed", "overloaded")
    assert told.record["error_message"] == "Overloaded"
    assert told.rows == rows(P=["go"], U=["2/5/4000/50"])
    assert told.record["usage_partial"]


async def test_row_15_an_error_before_the_stream(stage: Stage) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}
    refused = blocking(error, 400, request_id="req_1", x_anything="kept")
    told = await stage.tell("messages", GO, refused)
    assert told.answered.headers["request-id"] == "req_1"
    assert told.answered.headers["x-anything"] == "kept"
    assert "x-ai-gateway-error" not in told.answered.headers
    assert told.end == ("failed", "bad_request")
    assert told.record["error_message"] == "too long"
    assert told.record["provider_request_id"] == "req_1"
    assert told.rows == rows(P=["go"])


async def test_row_16_a_rate_limit_passes_with_its_waiting_time(stage: Stage) -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    told = await stage.tell("messages", GO, blocking(error, 429, retry_after="17"))
    assert told.answered.headers["retry-after"] == "17"
    assert told.end == ("failed", "rate_limited")
    assert len(stage.peer.seen) == 1
    # a model that never answered has no name of its own
    ended = {"Unknown u-alice POST other anthropic /v1/messages failed": 1}
    assert await shown(stage, "interceptions_total") == ended


async def test_row_17_a_small_model_is_recorded_like_any_other(stage: Stage) -> None:
    request = messages("ping?", model="claude-haiku-4-5", tools=[TOOL], **STREAM)
    told = await stage.tell("messages", request, Script(ANSWER), client="Claude Code")
    assert told.record["model"] == "claude-haiku-4-5"
    assert not told.record["auxiliary"]
    assert told.rows == rows(P=["ping?"], U=["5/3/0/0"])


REMINDER = "<system-reminder>\nToday is Monday.\n</system-reminder>"


async def test_row_18_the_prompt_of_a_first_turn_is_the_persons_words(stage: Stage) -> None:
    system = {"role": "system", "content": [text("# Environment\nlinux")]}
    request = messages([text(REMINDER), text("rename foo")], system, tools=[TOOL], **STREAM)
    told = await stage.tell("messages", request, Script(ANSWER), client="Claude Code")
    assert told.rows["P"] == ["rename foo"]
    (prompt,) = told.record["user_prompts"]
    assert prompt["metadata"]["kind"] == "prompt"
    assert prompt["metadata"]["cut_bytes"] == len(REMINDER)
    assert "Monday" not in str(told.record)


async def loop(stage: Stage, *parts: object, client: str = "Claude Code") -> tuple[Told, Told]:
    """Have a prompt that leads to a tool call, and the turn that answers it with ``parts``."""
    headers = {"x-claude-code-session-id": "session-loop"}
    begun = messages("first", tools=[TOOL], **STREAM)
    asked = await stage.tell("messages", begun, Script(calling("toolu_1")), headers, client=client)
    request = messages("first", assistant(tool_use("toolu_1")), list(parts), tools=[TOOL], **STREAM)
    return asked, await stage.tell("messages", request, Script(ANSWER), headers, client=client)


async def test_row_19_a_reminder_beside_a_result_is_no_prompt(stage: Stage) -> None:
    asked, told = await loop(stage, tool_result("toolu_1"), text(REMINDER))
    assert told.rows["P"] == []
    assert told.record["thread_parent_id"] == asked.record["id"]
    assert told.record["correlating_tool_call_ids"] == ["toolu_1"]


async def test_row_20_words_beside_a_result_are_an_interjection(stage: Stage) -> None:
    asked, told = await loop(stage, tool_result("toolu_1"), text("stop, use tabs"))
    assert told.rows["P"] == ["stop, use tabs"]
    assert told.record["user_prompts"][0]["metadata"]["kind"] == "interjection"
    assert told.record["thread_root_id"] == asked.record["id"]
    (thread,) = stage.get("sessions/session-loop")["threads"]
    assert thread["id"] == asked.record["id"]


@pytest.mark.parametrize("session", ["session-0021", None])
async def test_row_21_three_turns_are_one_thread(stage: Stage, session: str | None) -> None:
    turns: list[object] = ["go"]
    told: list[Told] = []
    for number in range(3):
        answer = calling(f"toolu_{number}", message_id=f"msg_{number}") if number < 2 else ANSWER
        request = messages(*turns, **STREAM)
        told.append(await stage.tell("messages", request, Script(answer), session=session))
        turns += [assistant(tool_use(f"toolu_{number}")), [tool_result(f"toolu_{number}")]]
    first, second, third = (each.record for each in told)
    assert (second["thread_parent_id"], third["thread_parent_id"]) == (first["id"], second["id"])
    assert second["thread_root_id"] == third["thread_root_id"] == first["id"]
    assert "thread_root_id" not in first
    (listed,) = stage.get("sessions")["sessions"]
    assert listed["threads"] == 1
    assert listed["id"] == (session or first["id"])
    (thread,) = stage.get(f"sessions/{listed['id']}")["threads"]
    assert thread["id"] == first["id"]
    assert [told_.rows["P"] for told_ in told] == [["go"], [], []]


@pytest.mark.parametrize("session", ["session-0022", None])
async def test_row_22_equal_call_ids_never_join_two_people(
    stage: Stage, session: str | None
) -> None:
    call, answer = Script(calling("call_0")), Script(ANSWER)
    request = messages("go", assistant(tool_use("call_0")), [tool_result("call_0")], **STREAM)
    roots = {}
    for user in ("alice", "bob"):
        asked = await stage.tell("messages", GO, call, session=session, user=user)
        roots[user] = asked.record["id"]
    for user in ("alice", "bob"):
        told = await stage.tell("messages", request, answer, session=session, user=user)
        assert told.record["thread_root_id"] == roots[user]
    assert [listed["threads"] for listed in stage.get("sessions")["sessions"]] == [1, 1]


@pytest.mark.parametrize("session", ["session-0023", None])
async def test_row_23_one_known_id_of_parallel_results_is_enough(
    stage: Stage, session: str | None
) -> None:
    asked = await stage.tell("messages", GO, Script(calling("toolu_b")), session=session)
    request = messages(
        "go",
        assistant(tool_use("toolu_a"), tool_use("toolu_b")),
        [tool_result("toolu_a"), tool_result("toolu_b")],
        **STREAM,
    )
    told = await stage.tell("messages", request, Script(ANSWER), session=session)
    assert told.record["thread_parent_id"] == asked.record["id"]
