"""OpenAI Responses: valid answers (platform.openai.com, API reference, read 2026-07)."""

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
    Over,
    Part,
    Piece,
    Stopped,
)
from tests.property.conversations.wire import Response, Told, document, stream

KINDS = ("thought", "sealed", "say", "call", "call", "free", "hosted")
NOISE = (
    Told("response.in_progress", {"type": "response.in_progress", "response": {}}),
    Told("keepalive", {"type": "keepalive"}),
    Told("response.news", {"type": "response.news", "item_id": "x", "delta": "y"}),
)
ACTION = '{"type":"search","query":"teal"}'
FORMS = {
    "summary": ("reasoning_summary", "response.reasoning_summary_text", "summary_index"),
    "content": ("reasoning_text", "response.reasoning_text", "content_index"),
    "commentary": ("commentary", "response.output_text", "content_index"),
}


def _part(item: Item, number: int, form: str) -> Part:
    match item.kind:
        case "thought":
            return Part(number, "thought", source=FORMS[form][0])
        case "hosted":
            return Part(number, "call", "web_search_call", by="provider")
        case _:
            is_free = item.kind == "free"
            return Part(
                number, "call", item.name, item.call_id, is_json=item.is_json, is_free=is_free
            )


def _sent(item: Item, number: int, form: str, *, is_whole: bool) -> dict[str, Any]:
    """The item, without its texts until it is whole."""
    text = item.text if is_whole else ""
    match item.kind:
        case "thought" if form == "commentary":
            parts = [{"type": "output_text", "text": text, "annotations": []}] if is_whole else []
            return {"type": "message", "phase": form, "id": f"msg_{number}", "content": parts}
        case "thought" | "sealed":
            parts = [{"type": "text", "text": text}] if text else []
            member = "summary" if item.kind == "sealed" else form
            return {"type": "reasoning", "id": f"rs_{number}", "summary": []} | {member: parts}
        case "say":
            parts = [{"type": "output_text", "text": text}]
            return {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": parts}
        case "hosted":
            action = {"action": "@@0@@"} if is_whole else {}
            return {"type": "web_search_call", "id": f"ws_{number}", **action}
        case _:
            kind, member = (
                ("custom_tool_call", "input")
                if item.kind == "free"
                else ("function_call", "arguments")
            )
            named = {"call_id": item.call_id, "name": item.name}
            return {"type": kind, "id": f"fc_{number}", member: text, **named}


def _texts(item: Item, part: Part, form: str, where: dict[str, Any]) -> Iterator[Told]:
    """The deltas of an item and the event that ends them; none of a hosted or a sealed one."""
    match item.kind:
        case "thought":
            _, name, member = FORMS[form]
            where = where | {member: 0}
            done = {"text": item.text}
        case "free":
            name, done = "response.custom_tool_call_input", {"input": item.text}
        case "call":
            name, done = "response.function_call_arguments", {"arguments": item.text}
        case "say":
            name, done = "response.output_text", {"text": item.text}
        case _:
            return
    for piece in item.pieces:
        told: tuple[Effect, ...] = () if item.kind == "say" else (Piece(part, piece),)
        yield Told(f"{name}.delta", {"type": f"{name}.delta", **where, "delta": piece}, told)
    told = () if item.kind == "say" else (Finish(part),)
    yield Told(f"{name}.done", {"type": f"{name}.done", **where, **done}, told)


def _events(draw: Draw, item: Item, at: int, form: str) -> Iterator[Told]:
    part = _part(item, at, form)
    is_row = item.kind not in {"say", "sealed"}
    index = {"output_index": at}
    name = "response.output_item.added"
    begun: tuple[Effect, ...] = (Begin(part),) if is_row else ()
    added = _sent(item, at, form, is_whole=False)
    yield Told(name, {"type": name, **index, "item": added}, begun)
    where = {"item_id": added["id"]} | index
    yield from _texts(item, part, form, where)
    name = "response.output_item.done"
    whole = _sent(item, at, form, is_whole=True)
    if draw(st.integers(0, 5)) == 0:
        whole["id"] = f"other_{at}"
    raw = (ACTION,) if item.kind == "hosted" else ()
    ended: tuple[Effect, ...] = (Finish(part),) if is_row else ()
    if item.kind == "hosted":
        ended = (Piece(part, ACTION), *ended)
    yield Told(name, {"type": name, **index, "item": whole}, ended, raw)


def _whole(answer: Answer, output: list[dict[str, Any]]) -> dict[str, Any]:
    usage = answer.usage
    return {
        "id": answer.response_id,
        "object": "response",
        "model": answer.model,
        "status": "incomplete" if answer.is_cut_short else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if answer.is_cut_short else None,
        "output": output,
        "usage": {
            "input_tokens": usage.prompt,
            "input_tokens_details": {
                "cached_tokens": usage.cache_read,
                "cache_write_tokens": usage.cache_write,
            },
            "output_tokens": usage.output,
            "total_tokens": usage.prompt + usage.output,
        },
    }


def _ending(answer: Answer) -> tuple[Effect, ...]:
    stop = "incomplete:max_output_tokens" if answer.is_cut_short else "completed"
    return Counted(answer.usage.named()), Stopped(stop), Over()


@st.composite
def streams(draw: Draw) -> Response:
    answer = draw(answers(KINDS))
    forms = [draw(st.sampled_from(sorted(FORMS))) for _ in answer.items]
    begun = {"id": answer.response_id, "object": "response", "model": answer.model, "output": []}
    name = "response.created"
    named: tuple[Effect, ...] = (Named(answer.response_id, answer.model),)
    told = [Told(name, {"type": name, "response": begun}, named)]
    for at, (item, form) in enumerate(zip(answer.items, forms, strict=True)):
        told += _events(draw, item, at, form)
    output = [
        _sent(item, at, form, is_whole=True)
        for at, (item, form) in enumerate(zip(answer.items, forms, strict=True))
    ]
    whole = _whole(answer, output)
    name = f"response.{whole['status']}"
    told.append(Told(name, {"type": name, "response": whole}, _ending(answer), (ACTION,)))
    return stream(draw, Dialect.RESPONSES, told, NOISE)


@st.composite
def documents(draw: Draw) -> Response:
    answer = draw(answers(KINDS))
    effects: list[Effect] = [Named(answer.response_id, answer.model)]
    output: list[dict[str, Any]] = []
    for at, item in enumerate(answer.items):
        form = draw(st.sampled_from(sorted(FORMS)))
        output.append(_sent(item, at, form, is_whole=True))
        if item.kind not in {"say", "sealed"}:
            part = _part(item, at, form)
            text = ACTION if item.kind == "hosted" else item.text
            effects += [Begin(part), Piece(part, text), Finish(part)]
    told = Told("", _whole(answer, output), (*effects, *_ending(answer)), (ACTION,))
    return document(draw, Dialect.RESPONSES, told)
