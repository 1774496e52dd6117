"""Requests of Anthropic Messages."""

from collections.abc import Iterator, Mapping
from typing import Any

from aigateway.transcript.facts import AnsweredCall, Opening
from aigateway.transcript.notebook import identifier
from aigateway.transcript.openings import objects, opening_of, part_kind, size_of, texts_of
from aigateway.transcript.prompts import PromptFilter
from aigateway.transcript.trailing_run import Turn

_TEXT = frozenset({"text"})


def read_messages_request(body: Mapping[str, Any], prompts: PromptFilter | None) -> Opening:
    metadata = body.get("metadata")
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    turns = [_turn(message) for message in objects(body.get("messages"))]
    return opening_of(body, turns, prompts, hints={"user_id": user_id})


def _turn(message: Mapping[str, Any]) -> Turn:
    role, content = message.get("role"), message.get("content")
    if role in ("system", "developer"):
        return Turn("aside")
    kinds = {part_kind(part) for part in objects(content)}
    if role != "user":
        return Turn("text_output" if kinds <= _TEXT else "output")
    results = {kind for kind in kinds if kind.endswith("tool_result")}
    return Turn(
        "human",
        texts=texts_of(content, _TEXT),
        answers=tuple(_answers(content)),
        has_results=bool(results),
        has_other_parts=bool(kinds - _TEXT - results),
    )


def _answers(content: object) -> Iterator[AnsweredCall]:
    for part in objects(content):
        call_id = identifier(part.get("tool_use_id"))
        if call_id is not None and part_kind(part).endswith("tool_result"):
            is_error = part.get("is_error")
            yield AnsweredCall(
                call_id=call_id,
                is_error=is_error if isinstance(is_error, bool) else None,
                result_bytes=size_of(part.get("content")),
            )
