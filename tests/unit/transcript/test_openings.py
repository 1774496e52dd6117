import hashlib
import json
from typing import Any

import pytest

from aigateway.errors import Misheard
from aigateway.transcript.facts import AnsweredCall, Dialect, Opening, Prompt
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening

REMINDER = {"type": "text", "text": "<system-reminder>x</system-reminder>"}
TOOL_USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Read"}]}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "abc"}


def opened(dialect: Dialect, client: str = "Unknown", **body: Any) -> Opening:  # noqa: ANN401
    return read_opening(dialect, json.dumps(body).encode(), filter_for(client))


def prompted(dialect: Dialect, turns: list[Any], client: str = "Unknown") -> tuple[str, str] | None:
    name = "input" if dialect is Dialect.RESPONSES else "messages"
    prompt = opened(dialect, client, **{name: turns}).prompt
    return None if prompt is None else (prompt.text, prompt.kind)


def user(*parts: object) -> dict[str, object]:
    texts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"role": "user", "content": texts}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "user", "content": "hi"}], ("hi", "prompt")),
        ([user("context", "hi")], ("hi", "prompt")),
        ([user("hi"), user(REMINDER)], ("hi", "prompt")),
        ([user("hi"), {"role": "system", "content": "env"}], ("hi", "prompt")),
        ([user("one"), {"role": "assistant", "content": "a"}, user("two")], ("two", "prompt")),
        ([user("hi"), TOOL_USE, user(RESULT)], None),
        ([user("hi"), TOOL_USE, user(RESULT, REMINDER)], None),
        ([user("hi"), TOOL_USE, user(RESULT, REMINDER, "stop")], ("stop", "interjection")),
        ([user("hi"), TOOL_USE, user(RESULT), user("stop")], ("stop", "interjection")),
        ([user("hi"), {"role": "assistant", "content": "{"}], ("hi", "prefill")),
        ([user("hi"), TOOL_USE], None),
        ([user("hi"), {"role": "assistant", "content": [{"type": "thinking"}]}], None),
        ([user("")], None),
        ([user(" \n")], None),
        ([{"role": "user"}], None),
        ([], None),
        ([{"role": "oracle", "content": [{"type": "x"}]}], None),
    ],
)
def test_the_prompt_of_messages_is_the_last_text_of_the_trailing_run(
    messages: list[Any], expected: tuple[str, str] | None
) -> None:
    assert prompted(Dialect.MESSAGES, messages, "Claude Code") == expected


CALLING = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1"}]}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "system", "content": "s"}, user("a", "b")], ("b", "prompt")),
        ([user("hi"), CALLING, {"role": "tool", "tool_call_id": "c1", "content": "x"}], None),
        (
            [user("hi"), CALLING, {"role": "tool", "content": "x"}, user("stop")],
            ("stop", "interjection"),
        ),
        ([user("hi"), CALLING], None),
        ([user("hi"), {"role": "assistant", "content": "So"}], ("hi", "prefill")),
        ([user("hi"), {"role": "developer", "content": "d"}], ("hi", "prompt")),
    ],
)
def test_the_prompt_of_chat_is_the_last_text_of_the_trailing_run(
    messages: list[Any], expected: tuple[str, str] | None
) -> None:
    assert prompted(Dialect.CHAT, messages) == expected


OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "x"}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([user("a", {"type": "input_text", "text": "b"})], ("a\nb", "prompt")),
        ([user("one"), {"type": "reasoning"}, user("two")], ("two", "prompt")),
        ([user("one"), {"type": "compaction"}, user("two")], ("two", "prompt")),
        ([user("one"), {"type": "item_reference", "id": "x"}], None),
        ([user("hi"), {"type": "function_call", "call_id": "c1"}, OUTPUT], None),
        ([user("hi"), OUTPUT, user("stop")], ("stop", "interjection")),
        ([user("hi"), {"type": "mcp_approval_request"}, {"type": "mcp_approval_response"}], None),
        ([user("hi"), {"type": "additional_tools", "role": "developer"}], ("hi", "prompt")),
        (
            [user("hi"), {"role": "assistant", "content": [{"type": "output_text", "text": "a"}]}],
            ("hi", "prefill"),
        ),
        (["hi"], ("hi", "prompt")),
    ],
)
def test_the_prompt_of_responses_joins_the_texts_of_the_trailing_run(
    items: list[Any], expected: tuple[str, str] | None
) -> None:
    assert prompted(Dialect.RESPONSES, items) == expected


def test_what_the_client_put_in_is_counted_but_not_kept() -> None:
    opening = opened(Dialect.MESSAGES, "Claude Code", messages=[user(REMINDER, "hé")])
    assert opening.prompt == Prompt(
        text="hé",
        kind="prompt",
        role="user",
        cut_bytes=len(REMINDER["text"]),
        filter_version=1,
        bytes=3,
        sha256=hashlib.sha256("hé".encode()).hexdigest(),
        truncated=False,
    )


def test_a_huge_prompt_is_cut_at_a_character_and_keeps_its_size_and_hash() -> None:
    text = "x" + "é" * 600_000
    prompt = opened(Dialect.RESPONSES, input=text).prompt
    assert prompt is not None
    assert prompt.truncated
    assert len(prompt.text.encode()) == 1024 * 1024 - 1
    assert prompt.bytes == 1_200_001
    assert prompt.sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("dialect", "part"),
    [
        (Dialect.MESSAGES, {"type": "image"}),
        (Dialect.CHAT, {"type": "image_url"}),
        (Dialect.RESPONSES, {"type": "input_file"}),
    ],
)
def test_a_turn_without_words_says_so(dialect: Dialect, part: dict[str, str]) -> None:
    opening = opened(dialect, messages=[user(part)], input=[user(part)])
    assert opening.prompt is None
    assert opening.prompt_unavailable == "non_text"


def test_an_image_beside_a_reminder_is_still_without_words() -> None:
    opening = opened(Dialect.MESSAGES, "Claude Code", messages=[user(REMINDER, {"type": "image"})])
    assert (opening.prompt, opening.prompt_unavailable) == (None, "non_text")


def test_an_image_in_a_tool_turn_is_no_missing_prompt() -> None:
    opening = opened(Dialect.MESSAGES, messages=[TOOL_USE, user(RESULT, {"type": "image"})])
    assert (opening.prompt, opening.prompt_unavailable) == (None, None)


def test_every_result_of_the_trailing_run_is_an_answered_call() -> None:
    failed = {"type": "tool_result", "tool_use_id": "t2", "is_error": True, "content": [REMINDER]}
    messages = [user(RESULT), TOOL_USE, user({**RESULT, "tool_use_id": "t3"}, failed), user()]
    assert opened(Dialect.MESSAGES, messages=messages).answered_calls == (
        AnsweredCall("t3", None, 3),
        AnsweredCall("t2", is_error=True, result_bytes=len(REMINDER["text"])),
    )
    items = [
        OUTPUT,
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"text": "é"}]},
        {"type": "apply_patch_call_output", "call_id": "c3", "status": "failed", "output": "no"},
        {"type": "shell_call_output", "call_id": "c4", "output": [{"stdout": "ab", "stderr": "c"}]},
        {"type": "computer_call_output", "call_id": "c5", "output": {"image_url": "data:"}},
        {"type": "function_call_output", "output": "x"},
    ]
    assert opened(Dialect.RESPONSES, input=items).answered_calls == (
        AnsweredCall("c1", None, 1),
        AnsweredCall("c2", None, 2),
        AnsweredCall("c3", is_error=True, result_bytes=2),
        AnsweredCall("c4", None, 3),
        AnsweredCall("c5", None, 0),
    )


def test_the_members_of_a_request_are_read() -> None:
    opening = opened(
        Dialect.RESPONSES,
        model="gpt-5",
        stream=True,
        background=True,
        tools=[{}, {}],
        max_output_tokens=5,
        prompt_cache_key="k",
        previous_response_id="resp_1",
        input="hi",
    )
    assert (opening.model, opening.streaming, opening.background) == ("gpt-5", True, True)
    assert (opening.tools, opening.max_tokens) == (2, 5)
    assert opening.session_hints == {"prompt_cache_key": "k"}
    assert opening.previous_response_id == "resp_1"
    chat = opened(Dialect.CHAT, functions=[{}], max_completion_tokens=7, max_tokens=9)
    assert (chat.tools, chat.max_tokens, chat.streaming) == (1, 7, False)
    assert opened(Dialect.CHAT, max_tokens=9).max_tokens == 9
    messages = opened(Dialect.MESSAGES, metadata={"user_id": "u"}, model=7, max_tokens=True)
    assert messages.session_hints == {"user_id": "u"}
    assert (messages.model, messages.max_tokens) == (None, None)


@pytest.mark.parametrize("hint", [5, ["k"], {"k": 1}, "", None])
def test_a_hint_that_is_no_text_is_none(hint: object) -> None:
    assert opened(Dialect.CHAT, prompt_cache_key=hint).session_hints == {}
    assert opened(Dialect.MESSAGES, metadata={"user_id": hint}).session_hints == {}


def test_a_hint_is_kept_up_to_4096_characters() -> None:
    opening = opened(Dialect.CHAT, prompt_cache_key="k" * 4097)
    assert opening.session_hints == {"prompt_cache_key": "k" * 4096}


@pytest.mark.parametrize("body", [b"[]", b"{", b'"text"'])
def test_a_request_that_is_no_json_object_is_not_json(body: bytes) -> None:
    with pytest.raises(Misheard) as raised:
        read_opening(Dialect.CHAT, body, None)
    assert raised.value.reason == "not_json"
