"""Requests of OpenAI Chat Completions."""

from collections.abc import Mapping
from typing import Any

from aigateway.transcript.facts import AnsweredCall, Opening
from aigateway.transcript.notebook import identifier
from aigateway.transcript.openings import objects, opening_of, part_kind, size_of, texts_of
from aigateway.transcript.prompts import PromptFilter
from aigateway.transcript.trailing_run import Turn

_TEXT = frozenset({"text"})
_BESIDES_TEXT = ("tool_calls", "function_call", "reasoning_content", "reasoning", "audio")


def read_chat_request(body: Mapping[str, Any], prompts: PromptFilter | None) -> Opening:
    return opening_of(
        body,
        [_turn(message) for message in objects(body.get("messages"))],
        prompts,
        hints={"prompt_cache_key": body.get("prompt_cache_key")},
        tools=("tools", "functions"),
        limits=("max_completion_tokens", "max_tokens"),
    )


def _turn(message: Mapping[str, Any]) -> Turn:
    role, content = message.get("role"), message.get("content")
    if role in ("system", "developer"):
        return Turn("aside")
    if role in ("tool", "function"):
        call_id = identifier(message.get("tool_call_id"))
        answers = () if call_id is None else (AnsweredCall(call_id, None, size_of(content)),)
        return Turn("result", answers=answers, has_results=True)
    kinds = {part_kind(part) for part in objects(content)}
    if role == "user":
        return Turn("human", texts=texts_of(content, _TEXT), has_other_parts=bool(kinds - _TEXT))
    is_text = kinds <= _TEXT and not any(message.get(name) for name in _BESIDES_TEXT)
    return Turn("text_output" if is_text else "output")
