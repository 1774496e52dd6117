"""Requests of OpenAI Responses."""

from collections.abc import Iterator, Mapping
from typing import Any

from aigateway.transcript.facts import AnsweredCall, Opening
from aigateway.transcript.notebook import identifier
from aigateway.transcript.openings import elements, opening_of, part_kind, size_of, texts_of
from aigateway.transcript.openings import objects as objects_in
from aigateway.transcript.prompts import PromptFilter
from aigateway.transcript.trailing_run import Turn

_TEXT = frozenset({"input_text", "text"})
_OUTPUT_TEXT = frozenset({"output_text", "text", "refusal"})


def read_responses_request(body: Mapping[str, Any], prompts: PromptFilter | None) -> Opening:
    return opening_of(
        body,
        list(_turns(body.get("input"))),
        prompts,
        joined=True,
        hints={"prompt_cache_key": body.get("prompt_cache_key")},
        limits=("max_output_tokens",),
    )


def _turns(given: object) -> Iterator[Turn]:
    if isinstance(given, str):
        yield Turn("human", texts=(given,))
    for item in elements(given):
        if isinstance(item, str):
            yield Turn("human", texts=(item,))
        elif isinstance(item, dict):
            yield _turn(item)


def _turn(item: Mapping[str, Any]) -> Turn:
    role, kind = item.get("role"), part_kind(item)
    if role in ("system", "developer") or kind == "mcp_approval_response":
        return Turn("aside")
    if kind.endswith("_output"):
        return Turn("result", answers=tuple(_answers(item)), has_results=True)
    if kind not in ("", "message"):
        return Turn("output")
    kinds = {part_kind(part) for part in objects_in(item.get("content"))}
    if role == "user":
        texts = texts_of(item.get("content"), _TEXT)
        return Turn("human", texts=texts, has_other_parts=bool(kinds - _TEXT))
    return Turn("text_output" if role == "assistant" and kinds <= _OUTPUT_TEXT else "output")


def _answers(item: Mapping[str, Any]) -> Iterator[AnsweredCall]:
    call_id = identifier(item.get("call_id"))
    if call_id is not None:
        is_error = True if item.get("status") == "failed" else None
        yield AnsweredCall(call_id, is_error, size_of(item.get("output")))
