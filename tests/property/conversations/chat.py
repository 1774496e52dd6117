"""OpenAI Chat Completions: valid answers, and those of the servers that are compatible."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from aigateway.transcript.facts import Dialect
from tests.property.conversations.answers import Answer, Draw, Item, Usage, answers
from tests.property.conversations.model import (
    Begin,
    BeginChoice,
    Counted,
    Effect,
    FinishChoice,
    Named,
    Over,
    Part,
    Piece,
)
from tests.property.conversations.wire import Response, Told, document, stream

KINDS = ("say", "call", "call", "free")
NOISE = (
    Told("", {"choices": []}),
    Told("", {"choices": [], "usage": None}),
)
REASONING = ("reasoning_content", "reasoning", "reasoning_details")
Delta = tuple[dict[str, Any], tuple[Effect, ...]]


def _part(item: Item, number: int, choice: int) -> Part:
    kind, is_free = item.kind, item.kind == "free"
    if kind == "thought":
        return Part(number, "thought", source="reasoning_content", of=choice)
    return Part(
        number,
        "call",
        item.name,
        item.call_id,
        is_json=item.is_json,
        is_free=is_free,
        of=choice,
    )


def _thinking(form: str, piece: str) -> dict[str, Any]:
    return {
        form: [{"type": "reasoning.text", "text": piece}] if form.endswith("details") else piece
    }


def _call(item: Item, text: str, *, is_first: bool) -> dict[str, Any]:
    member, field = ("custom", "input") if item.kind == "free" else ("function", "arguments")
    if not is_first:
        return {member: {field: text}}
    kind = "custom" if item.kind == "free" else "function"
    return {"id": item.call_id, "type": kind, member: {"name": item.name, field: text}}


def _thought(draw: Draw, item: Item, part: Part) -> Iterator[Delta]:
    form, other = draw(st.permutations(REASONING))[:2]
    sends_both = draw(st.booleans()) and REASONING.index(form) < REASONING.index(other)
    begun: tuple[Effect, ...] = (Begin(part),)
    for piece in filter(None, item.pieces):
        delta = _thinking(form, piece) | (_thinking(other, "again") if sends_both else {})
        yield delta, (*begun, Piece(part, piece))
        begun = ()


def _calls(draw: Draw, items: list[tuple[Item, Part]]) -> Iterator[Delta]:
    """Fragments of parallel calls: interleaved, or whole and all with index 0 (Gemini)."""
    if draw(st.integers(0, 3)) == 0:
        for item, part in items:
            call = {"index": 0, **_call(item, item.text, is_first=True)}
            yield {"tool_calls": [call]}, (Begin(part), Piece(part, item.text))
        return
    first = draw(st.integers(0, 1))
    waiting = [
        [(index, item, part, text, not at) for at, text in enumerate(("", *item.pieces))]
        for index, (item, part) in enumerate(items, start=first)
    ]
    while waiting:
        queue = draw(st.sampled_from(waiting))
        index, item, part, text, is_first = queue.pop(0)
        waiting = [left for left in waiting if left]
        call = {"index": index, **_call(item, text, is_first=is_first)}
        begun: tuple[Effect, ...] = (Begin(part),) if is_first else ()
        yield {"tool_calls": [call]}, (*begun, Piece(part, text))


def _stop(answer: Answer) -> str:
    if answer.is_cut_short:
        return "length"
    return "tool_calls" if any(i.kind in {"call", "free"} for i in answer.items) else "stop"


def _deltas(draw: Draw, answer: Answer, choice: int) -> Iterator[Delta]:
    numbered = [
        (item, _part(item, 100 * choice + at, choice))
        for at, item in enumerate(answer.items, start=1)
    ]
    yield {"role": "assistant", "content": ""}, ()
    if draw(st.booleans()):
        thought = Item("thought", tuple(draw(st.lists(st.sampled_from(["so ", "é"]), min_size=1))))
        yield from _thought(draw, thought, _part(thought, 100 * choice, choice))
    for item, _ in numbered:
        if item.kind == "say":
            yield from (({"content": piece}, ()) for piece in item.pieces)
    yield from _calls(draw, [pair for pair in numbered if pair[0].kind != "say"])


def _usage(draw: Draw, usage: Usage, output: int) -> dict[str, Any]:
    sent: dict[str, Any] = {"prompt_tokens": usage.prompt, "completion_tokens": output}
    if draw(st.booleans()):
        details = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write}
        return sent | {"prompt_tokens_details": details}
    written = {"cache_creation_input_tokens": usage.cache_write}
    return sent | {"prompt_cache_hit_tokens": usage.cache_read} | written


def _reports(draw: Draw, chunks: list[Told], usage: Usage) -> list[Told]:
    """Put usage where servers put it: at the end, in every chunk, in a choice, nowhere."""
    place = draw(st.sampled_from(["end", "every", "choice", "groq", "none"]))
    counted = Counted(usage.named())
    if place == "none":
        return chunks
    if place == "every":
        chunks = [
            Told("", {**dict(chunk.data), "usage": _usage(draw, usage, at)}, (
                *chunk.effects,
                Counted(usage.named() | {"output": at}),
            ))
            for at, chunk in enumerate(chunks, start=1)
            if not isinstance(chunk.data, str)
        ]  # fmt: skip
    sent = _usage(draw, usage, usage.output)
    if place == "choice":
        last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "usage": sent}]}
    elif place == "groq":
        last = {"choices": [], "x_groq": {"usage": sent}}
    else:
        last = {"choices": [], "usage": sent}
    is_told = any(sent.values()) or place != "every"
    return [*chunks, Told("", last, (counted,) if is_told else ())]


def _is_zero(usage: Usage) -> bool:
    return not any(usage.named().values())


@st.composite
def streams(draw: Draw) -> Response:
    first = draw(answers(KINDS).filter(lambda answer: not _is_zero(answer.usage)))
    others = [draw(answers(("call",), most=2)) for _ in range(draw(st.integers(0, 1)))]
    chunks: list[Told] = []
    head = {"id": first.response_id, "object": "chat.completion.chunk", "model": first.model}
    named: tuple[Effect, ...] = (Named(first.response_id, first.model),)
    choices = [list(_deltas(draw, a, number)) for number, a in enumerate([first, *others])]
    for number, (answer, deltas) in enumerate(zip([first, *others], choices, strict=True)):
        deltas.append(({}, (FinishChoice(number, _stop(answer)),)))
    waiting = {number: list(deltas) for number, deltas in enumerate(choices)}
    while waiting:
        number = draw(st.sampled_from(sorted(waiting)))
        delta, effects = waiting[number].pop(0)
        is_last = not waiting[number]
        if is_last:
            del waiting[number]
        reason = _stop([first, *others][number]) if is_last else None
        choice = {"index": number, "delta": delta, "finish_reason": reason}
        effects = (*named, BeginChoice(number), *effects)
        chunks.append(Told("", {**head, "choices": [choice]}, effects))
        named = ()
    told = [*_reports(draw, chunks, first.usage), Told("", "[DONE]")]
    return stream(draw, Dialect.CHAT, told, NOISE)


@st.composite
def documents(draw: Draw) -> Response:
    answer = draw(answers(KINDS))
    effects: list[Effect] = [Named(answer.response_id, answer.model)]
    message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
    for number, item in enumerate(answer.items):
        if item.kind == "say":
            message["content"] += item.text
        else:
            message["tool_calls"].append(_call(item, item.text, is_first=True))
            part = _part(item, number, 0)
            effects += [Begin(part), Piece(part, item.text)]
    choice = {"index": 0, "message": message, "finish_reason": _stop(answer)}
    body = {
        "id": answer.response_id,
        "object": "chat.completion",
        "model": answer.model,
        "choices": [choice],
        "usage": _usage(draw, answer.usage, answer.usage.output),
    }
    effects += [FinishChoice(0, _stop(answer)), Counted(answer.usage.named()), Over()]
    return document(draw, Dialect.CHAT, Told("", body, tuple(effects)))
