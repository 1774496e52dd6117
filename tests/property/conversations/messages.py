"""Anthropic Messages: valid answers (platform.claude.com, Streaming Messages, read 2026-07)."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from aigateway.transcript.facts import Dialect
from tests.property.conversations.answers import Answer, Draw, Item, answers
from tests.property.conversations.model import (
    Begin,
    Counted,
    Effect,
    Finish,
    Named,
    Noted,
    Over,
    Part,
    Piece,
    Stopped,
)
from tests.property.conversations.wire import Response, Told, document, stream

KINDS = ("thought", "sealed", "say", "call", "call", "hosted")
NOISE = (
    Told("ping", {"type": "ping"}),
    Told("news", {"type": "news", "index": 0, "delta": {"text": "x"}}),
    Told("message_note", {"type": "message_note"}),
)
TYPES = {
    "thought": "thinking",
    "sealed": "redacted_thinking",
    "say": "text",
    "call": "tool_use",
    "hosted": "server_tool_use",
}


def _part(item: Item, number: int) -> Part:
    if item.kind == "thought":
        return Part(number, "thought", source="thinking")
    by = "provider" if item.kind == "hosted" else "client"
    return Part(
        number, "call", item.name, item.call_id, by=by, is_json=item.is_json or not item.text
    )


def _opened(item: Item) -> dict[str, Any]:
    """The block as it begins."""
    match item.kind:
        case "thought":
            return {"type": TYPES[item.kind], "thinking": "", "signature": ""}
        case "sealed":
            return {"type": TYPES[item.kind], "data": "c2VhbGVk"}
        case "say":
            return {"type": TYPES[item.kind], "text": ""}
        case _:
            identity = {"id": item.call_id, "name": item.name}
            return {"type": TYPES[item.kind], **identity, "input": {}}


def _deltas(item: Item) -> Iterator[tuple[dict[str, Any], str]]:
    """The block's deltas, each with the text that it adds to a row."""
    match item.kind:
        case "thought":
            for piece in item.pieces:
                yield {"type": "thinking_delta", "thinking": piece}, piece
            yield {"type": "signature_delta", "signature": "c2ln"}, ""
        case "say":
            yield from (({"type": "text_delta", "text": piece}, "") for piece in item.pieces)
        case "call" | "hosted":
            yield {"type": "input_json_delta", "partial_json": ""}, ""
            for piece in item.pieces:
                yield {"type": "input_json_delta", "partial_json": piece}, piece


def _block(item: Item, index: int) -> Iterator[Told]:
    is_row = item.kind not in {"sealed", "say"}
    part = _part(item, index)
    begun: tuple[Effect, ...] = (Begin(part),) if is_row else ()
    if item.kind == "sealed":
        begun = (Noted("redacted_thinking_blocks"),)
    start = {"type": "content_block_start", "index": index, "content_block": _opened(item)}
    yield Told("content_block_start", start, begun)
    for delta, text in _deltas(item):
        told: tuple[Effect, ...] = (Piece(part, text),) if is_row else ()
        changed = {"type": "content_block_delta", "index": index, "delta": delta}
        yield Told("content_block_delta", changed, told)
    stopped: tuple[Effect, ...] = (Finish(part),) if is_row else ()
    if is_row and not item.text and item.kind in {"call", "hosted"}:
        stopped = (Piece(part, "{}"), *stopped)
    yield Told("content_block_stop", {"type": "content_block_stop", "index": index}, stopped)


def _usage(counted: dict[str, int]) -> dict[str, Any]:
    sent = {
        "input_tokens": counted.get("input"),
        "output_tokens": counted.get("output"),
        "cache_read_input_tokens": counted.get("cache_read"),
        "cache_creation_input_tokens": counted.get("cache_write"),
    }
    return {
        name: value for name, value in sent.items() if name == "output_tokens" or value is not None
    }


def _stop(answer: Answer) -> str:
    if answer.is_cut_short:
        return "max_tokens"
    return "tool_use" if any(item.kind == "call" for item in answer.items) else "end_turn"


@st.composite
def streams(draw: Draw) -> Response:
    answer = draw(answers(KINDS))
    whole = answer.usage.named()
    first: dict[str, int] = draw(
        st.sampled_from([whole | {"output": 1}, dict.fromkeys(whole, 0), whole])
    )
    message: dict[str, Any] = {
        "id": answer.response_id,
        "type": "message",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "usage": _usage(first),
    }
    begun = (Named(answer.response_id, answer.model), Counted(first, joins=True))
    told = [Told("message_start", {"type": "message_start", "message": message}, begun)]
    for index, item in enumerate(answer.items):
        told += _block(item, index)
    growing = sorted(draw(st.lists(st.integers(0, whole["output"]), max_size=2)))
    for output in [*growing, whole["output"]]:
        is_last = output == whole["output"]
        counted = {"output": output} | (whole if is_last and not any(first.values()) else {})
        delta = {"stop_reason": _stop(answer) if is_last else None, "stop_sequence": None}
        stopped: tuple[Effect, ...] = (Stopped(_stop(answer)),) if is_last else ()
        event = {"type": "message_delta", "delta": delta, "usage": _usage(counted)}
        told.append(Told("message_delta", event, (Counted(counted, joins=True), *stopped)))
    told.append(Told("message_stop", {"type": "message_stop"}, (Over(),)))
    return stream(draw, Dialect.MESSAGES, told, NOISE)


@st.composite
def documents(draw: Draw) -> Response:
    answer = draw(answers(KINDS))
    raw: list[str] = []
    content: list[dict[str, Any]] = []
    effects: list[Effect] = [Named(answer.response_id, answer.model), Stopped(_stop(answer))]
    for index, item in enumerate(answer.items):
        block = _opened(item)
        if item.kind in {"call", "hosted"}:
            block["input"] = f"@@{len(raw)}@@"
            raw.append(item.text if item.is_json else "{}")
        elif item.kind != "sealed":
            block["thinking" if item.kind == "thought" else "text"] = item.text
        content.append(block)
        if item.kind == "sealed":
            effects.append(Noted("redacted_thinking_blocks"))
        elif item.kind != "say":
            part = _part(Item(item.kind, item.pieces, item.name, item.call_id), index)
            text = raw[-1] if item.kind != "thought" else item.text
            effects += [Begin(part), Piece(part, text), Finish(part)]
    body = {
        "id": answer.response_id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": _stop(answer),
        "usage": _usage(answer.usage.named()),
    }
    effects += [Counted(answer.usage.named(), joins=True), Over()]
    return document(draw, Dialect.MESSAGES, Told("", body, tuple(effects), tuple(raw)))
