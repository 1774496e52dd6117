"""Valid requests of each dialect, and what a record must say of them.

A conversation is turns of an earlier talk, then the run that this request adds to it: a prompt,
results of tools, both, a picture, or a prompt and the beginning of its answer. Client programs
write around the human's words; where they do so is known here, not found out.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from hypothesis import strategies as st

from aigateway.transcript.facts import Dialect
from tests.property.conversations.answers import Draw, names, spoken

Body = dict[str, Any]
CLIENTS: Mapping[str, tuple[str, str] | None] = {
    "Unknown": None,
    "Claude Code": ("<system-reminder>", "</system-reminder>"),
    "Codex": ("<environment_context>", "</environment_context>"),
    "Kilo Code": ("<environment_details>", "</environment_details>"),
    "GitHub Copilot (CLI)": ("<current_datetime>", "</current_datetime>"),
}
RUNS = ("prompt", "results", "interjection", "picture", "prefill", "nothing")
words = spoken.map(str.strip).filter(bool)


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a human's message. ``kept``: what is the human's own in it."""

    sent: str
    kept: str
    is_picture: bool = False


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """``calls`` are made by an assistant, or answered by results."""

    kind: Literal["human", "aside", "assistant", "thinking", "results"]
    pieces: tuple[Piece, ...] = ()
    calls: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What must be recorded of a request."""

    model: str
    streaming: bool
    prompt: str | None
    kind: str | None
    answered: tuple[str, ...]
    tools: int
    unavailable: str | None


@final
@dataclass(frozen=True, slots=True)
class Request:
    dialect: Dialect
    client: str
    body: bytes
    asked: Asked


def _piece(draw: Draw, client: str) -> Piece:
    text, tags = draw(words), CLIENTS[client]
    if tags is None:
        return Piece(text, text)
    added = f"{tags[0]}\n{draw(words)}\n{tags[1]}"
    forms = {
        "own": Piece(text, text),
        "added": Piece(added, ""),
        "before": Piece(f"{added}\n\n{text}", text),
        "behind": Piece(f"{text} \n{added}", text),
        "between": Piece(f"{text}\n{added}\n\nand {text}", f"{text}\nand {text}"),
        "open": Piece(f"{text} {tags[0]}", f"{text} {tags[0]}"),
    }
    return forms[draw(st.sampled_from(sorted(forms)))]


def _human(draw: Draw, client: str) -> Turn:
    return Turn("human", tuple(_piece(draw, client) for _ in range(draw(st.integers(1, 3)))))


def _earlier(draw: Draw, client: str) -> list[Turn]:
    turns: list[Turn] = []
    for number in range(draw(st.integers(0, 2))):
        turns.append(_human(draw, client))
        if draw(st.booleans()):
            call = f"old_{number}"
            turns += [Turn("assistant", calls=(call,)), Turn("results", calls=(call,))]
        turns.append(Turn(draw(st.sampled_from(["assistant", "thinking"]))))
    return turns


def _run(draw: Draw, client: str, kind: str) -> list[Turn]:
    calls = tuple(f"call_{number}" for number in range(draw(st.integers(1, 3))))
    results = [Turn("assistant", calls=calls), Turn("results", calls=calls)]
    match kind:
        case "results":
            return results
        case "interjection":
            return [*results, _human(draw, client)]
        case "picture":
            return [Turn("human", (Piece("", "", is_picture=True),))]
        case "prefill":
            return [_human(draw, client), Turn("assistant")]
        case "nothing":
            return [_human(draw, client), Turn("thinking")]
        case _:
            return [_human(draw, client) for _ in range(draw(st.integers(1, 2)))]


def _prompt(run: list[Turn], dialect: Dialect) -> str | None:
    chosen: str | None = None
    for turn in run:
        kept = [piece.kept for piece in turn.pieces if piece.kept]
        if kept:
            chosen = "\n".join(kept) if dialect is Dialect.RESPONSES else kept[-1]
    return chosen


def _messages(turn: Turn) -> list[Body]:
    match turn.kind:
        case "human":
            blocks = [
                {"type": "image", "source": {}}
                if piece.is_picture
                else {"type": "text", "text": piece.sent}
                for piece in turn.pieces
            ]
            return [{"role": "user", "content": blocks}]
        case "aside":
            return [{"role": "system", "content": "note"}]
        case "results":
            results = [
                {"type": "tool_result", "tool_use_id": call, "content": "found"}
                for call in turn.calls
            ]
            return [{"role": "user", "content": results}]
        case "thinking":
            thought = {"type": "thinking", "thinking": "so", "signature": "c2ln"}
            return [{"role": "assistant", "content": [thought, {"type": "text", "text": "ok"}]}]
        case _:
            uses = [
                {"type": "tool_use", "id": call, "name": "look", "input": {}} for call in turn.calls
            ]
            return [{"role": "assistant", "content": [{"type": "text", "text": "ok"}, *uses]}]


def _chat(turn: Turn) -> list[Body]:
    match turn.kind:
        case "human":
            parts = [
                {"type": "image_url", "image_url": {"url": "data:,"}}
                if piece.is_picture
                else {"type": "text", "text": piece.sent}
                for piece in turn.pieces
            ]
            is_plain = len(parts) == 1 and not turn.pieces[0].is_picture
            return [{"role": "user", "content": turn.pieces[0].sent if is_plain else parts}]
        case "aside":
            return [{"role": "developer", "content": "note"}]
        case "results":
            return [
                {"role": "tool", "tool_call_id": call, "content": "found"} for call in turn.calls
            ]
        case "thinking":
            return [{"role": "assistant", "content": "ok", "reasoning_content": "so"}]
        case _:
            calls = [
                {"id": call, "type": "function", "function": {"name": "look", "arguments": "{}"}}
                for call in turn.calls
            ]
            called = {"tool_calls": calls} if calls else {}
            return [{"role": "assistant", "content": "ok"} | called]


def _responses(turn: Turn) -> list[Body]:
    match turn.kind:
        case "human":
            parts = [
                {"type": "input_image", "image_url": "data:,"}
                if piece.is_picture
                else {"type": "input_text", "text": piece.sent}
                for piece in turn.pieces
            ]
            return [{"type": "message", "role": "user", "content": parts}]
        case "aside":
            return [{"type": "message", "role": "developer", "content": "note"}]
        case "results":
            return [
                {"type": "function_call_output", "call_id": call, "output": "found"}
                for call in turn.calls
            ]
        case "thinking":
            return [{"type": "reasoning", "id": "rs_1", "summary": []}]
        case _:
            said = [{"type": "output_text", "text": "ok"}]
            message = {"type": "message", "role": "assistant", "content": said}
            calls = [
                {"type": "function_call", "call_id": call, "name": "look", "arguments": "{}"}
                for call in turn.calls
            ]
            return calls or [message]


FORMS: Mapping[Dialect, tuple[str, Callable[[Turn], list[Body]]]] = {
    Dialect.MESSAGES: ("messages", _messages),
    Dialect.CHAT: ("messages", _chat),
    Dialect.RESPONSES: ("input", _responses),
}


@st.composite
def requests(draw: Draw, dialect: Dialect) -> Request:
    client = draw(st.sampled_from(sorted(CLIENTS)))
    kind = draw(st.sampled_from(RUNS))
    run = _run(draw, client, kind)
    turns = [*_earlier(draw, client), *run]
    if draw(st.booleans()):
        turns.insert(draw(st.integers(0, len(turns))), Turn("aside"))
    member, form = FORMS[dialect]
    tools = draw(st.lists(names, max_size=3))
    streaming = draw(st.booleans())
    body = {
        "model": "m-1",
        "stream": streaming,
        member: [written for turn in turns for written in form(turn)],
        "tools": [{"name": name} for name in tools],
    }
    has_results = kind in {"results", "interjection"}
    prompt = None if kind == "nothing" else _prompt(run, dialect)
    marked = "interjection" if has_results else "prefill" if kind == "prefill" else "prompt"
    asked = Asked(
        model="m-1",
        streaming=streaming,
        prompt=prompt,
        kind=None if prompt is None else marked,
        answered=run[1].calls if has_results else (),
        tools=len(tools),
        unavailable="non_text" if kind == "picture" else None,
    )
    sent = json.dumps(body, ensure_ascii=draw(st.booleans())).encode()
    return Request(dialect, client, sent, asked)
