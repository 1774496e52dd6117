"""What goes in comes out, in every dialect, and is recorded."""

import hashlib
import json
from typing import Any

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.product import Product

DIALECTS = ("messages", "chat", "responses")
MODES = (True, False)


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_i01_i02_bytes_are_the_same_on_both_sides(
    product: Product, dialect: str, stream: bool
) -> None:
    product.reset_log()
    body = json.dumps(ask(dialect, "read the file a.txt — ünïcode", stream=stream, tools=True))
    reply = product.post(PATHS[dialect] + "?beta=true&x=%2F", body.encode())
    (seen,) = product.log()
    assert reply.status == 200
    assert reply.whole
    assert seen["body_sha256"] == hashlib.sha256(body.encode()).hexdigest()
    assert seen["response_sha256"] == reply.sha256
    assert seen["target"].endswith("?beta=true&x=%2F")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("stream", MODES)
def test_an_encoded_answer_is_relayed_encoded_and_still_recorded(
    product: Product, encoding: str, stream: bool
) -> None:
    product.reset_log()
    reply = product.post(
        PATHS["messages"],
        ask("messages", "hello", stream=stream),
        {"x-fake": f"encoding={encoding}", "Accept-Encoding": encoding},
    )
    (seen,) = product.log()
    assert reply.header("content-encoding") == encoding
    assert seen["response_sha256"] == reply.sha256
    record = product.record(reply)
    assert record["outcome"] == "completed"
    assert record["token_usages"][0]["output_tokens"] > 0


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_i16_the_record_holds_what_the_provider_says_it_answered(
    product: Product, dialect: str, stream: bool
) -> None:
    product.reset_log()
    reply = product.post(
        PATHS[dialect],
        ask(dialect, "read the file a.txt", stream=stream, tools=True),
        {"x-fake": "tools=Read,Read;think=look first;usage=11,22,33,44"},
    )
    record = product.record(reply)
    answered = product.log()[0]["answered"]
    assert record["outcome"] == "completed"
    assert record["initiator"]["username"] == "admin"
    assert record["dialect"] == dialect
    assert record["streaming"] is stream
    assert [p["prompt"] for p in record["user_prompts"]] == ["read the file a.txt"]
    assert _counts(record) == {
        "input_tokens": 11,
        "output_tokens": 22,
        "cache_read_input_tokens": 33,
        "cache_write_input_tokens": 44,
    }
    calls = [(t["provider_tool_call_id"], t["tool"], t["input"]) for t in record["tool_usages"]]
    assert calls == [(c["call_id"], c["name"], c["input"]) for c in answered["tool_calls"]]
    assert len({call_id for call_id, _, _ in calls}) == 2
    assert [m["content"] for m in record["model_thoughts"]] == ["look first"]


def _counts(record: dict[str, Any]) -> dict[str, int]:
    (usage,) = record["token_usages"]
    return {name: usage[name] for name in usage if name.endswith("_tokens")}


def test_a_conversation_is_one_session_of_one_thread(product: Product) -> None:
    headers = {"x-session-id": "conversation-1"}
    first = ask("messages", "read the file a.txt", stream=True, tools=True)
    reply = product.post(PATHS["messages"], first, headers)
    call = product.record(reply)["tool_usages"][0]
    second = first | {
        "messages": [
            *first["messages"],
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "tool_use",
                        "id": call["provider_tool_call_id"],
                        "name": call["tool"],
                        "input": json.loads(call["input"]),
                    }
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": call["provider_tool_call_id"],
                        "content": "some text",
                        "is_error": False,
                    }
                ],
            },
        ]
    }
    answer = product.post(PATHS["messages"], second, headers)
    record = product.record(answer)
    assert record["thread_parent_id"] == product.record(reply)["id"]
    assert record["user_prompts"] == []
    detail = product.query("sessions/conversation-1").document
    (thread,) = detail["threads"]
    assert thread["prompt"] == "read the file a.txt"
    assert [len(action["tool_calls"]) for action in thread["agentic_actions"]] == [1]
    sessions = product.query("sessions").document["sessions"]
    assert [s["threads"] for s in sessions if s["id"] == "conversation-1"] == [1]


def test_a_conversation_without_a_session_id_is_one_session_too(product: Product) -> None:
    first = ask("chat", "read the file b.txt", stream=True, tools=True)
    reply = product.post(PATHS["chat"], first)
    call = product.record(reply)["tool_usages"][0]
    function = {"name": call["tool"], "arguments": call["input"]}
    asked = {"id": call["provider_tool_call_id"], "type": "function", "function": function}
    second = first | {
        "messages": [
            *first["messages"],
            {"role": "assistant", "content": None, "tool_calls": [asked]},
            {"role": "tool", "tool_call_id": asked["id"], "content": "text"},
        ]
    }
    answer = product.post(PATHS["chat"], second)
    root = product.record(reply)["id"]
    assert product.record(answer)["session_id"] == root
    assert product.record(answer)["thread_root_id"] == root
    assert len(product.query(f"sessions/{root}").document["threads"]) == 1


def test_pass_through_is_relayed_with_the_central_key_and_not_recorded(product: Product) -> None:
    product.reset_log()
    before = product.query("interceptions?include=inflight").document["count"]
    reply = product.post("/anthropic/v1/messages/count_tokens?beta=true", {"messages": []})
    (seen,) = product.log()
    assert reply.status == 200
    assert seen["target"] == "/v1/messages/count_tokens?beta=true"
    assert ["x-api-key", "scripted-anthropic-key"] in [list(h) for h in seen["headers"]]
    assert product.query("interceptions?include=inflight").document["count"] == before


def test_no_credential_of_the_caller_reaches_the_provider(product: Product) -> None:
    product.reset_log()
    product.post(
        PATHS["messages"],
        ask("messages", "hi", stream=False),
        {"Cookie": "a=b", "X-Api-Key": product.key, "X-Forwarded-For": "10.1.1.1"},
    )
    (seen,) = product.log()
    names = {name.lower() for name, _ in seen["headers"]}
    assert names.isdisjoint({"cookie", "authorization", "x-forwarded-for"})
    assert product.key not in json.dumps(seen["headers"])


def test_the_callers_own_credential_goes_through_beside_the_gateway_key(product: Product) -> None:
    product.reset_log()
    reply = product.post(
        PATHS["messages"],
        ask("messages", "hi", stream=False),
        {"X-AI-Gateway-Token": product.key, "Authorization": "Bearer own-subscription-token"},
    )
    (seen,) = product.log()
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert headers["authorization"] == "Bearer own-subscription-token"
    assert "x-api-key" not in headers
    record = product.record(reply)
    assert record["credential_kind"] == "byok"
    assert record["credential_hint"] == "own-...oken"


def test_i03_a_chat_stream_is_made_to_ask_for_its_usage_and_nothing_else_changes(
    product: Product,
) -> None:
    product.reset_log()
    asked = ask("chat", "hello", stream=True)
    reply = product.post(PATHS["chat"], asked)
    (before,) = product.log()
    assert before["response_sha256"] == reply.sha256
    del asked["stream_options"]
    body = json.dumps(asked).encode()
    product.reset_log()
    plain = product.post(PATHS["chat"], body, {"Accept-Encoding": "gzip"})
    (seen,) = product.log()
    added = b'{"stream_options":{"include_usage":true},'
    assert seen["body_sha256"] == hashlib.sha256(added + body[1:]).hexdigest()
    assert plain.header("content-encoding") is None
    assert plain.body.endswith(b"data: [DONE]\n\n")
    assert plain.body.count(b"data: ") == reply.body.count(b"data: ") - 1
    assert product.record(plain)["token_usages"][0]["output_tokens"] > 0
