"""What the three request grammars have in common, and the opening made of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aigateway.transcript.facts import Opening
from aigateway.transcript.notebook import identifier
from aigateway.transcript.prompts import PromptFilter
from aigateway.transcript.trailing_run import Turn, prompt_of, trailing_run

_HINT_CHARACTERS = 4096


def opening_of(
    body: Mapping[str, Any],
    turns: Sequence[Turn],
    prompts: PromptFilter | None,
    *,
    joined: bool = False,
    hints: Mapping[str, object],
    tools: Sequence[str] = ("tools",),
    limits: Sequence[str] = ("max_tokens",),
) -> Opening:
    """Build the opening of a request body; ``prompts=None``: this route records no prompt.

    ``hints`` are candidates for a session, ``tools`` and ``limits`` names of members.
    """
    run = trailing_run(turns)
    prompt = None if prompts is None else prompt_of(run, prompts, joined=joined)
    is_unavailable = (
        prompts is not None and prompt is None and run.has_other_parts and not run.has_results
    )
    return Opening(
        model=identifier(body.get("model")),
        streaming=body.get("stream") is True,
        background=body.get("background") is True,
        prompt=prompt,
        prompt_unavailable="non_text" if is_unavailable else None,
        answered_calls=run.answers,
        previous_response_id=identifier(body.get("previous_response_id")),
        session_hints={
            name: hint[:_HINT_CHARACTERS]
            for name, hint in hints.items()
            if isinstance(hint, str) and hint
        },
        tools=sum(len(list(elements(body.get(name)))) for name in tools),
        max_tokens=next((limit for name in limits if (limit := _limit(body.get(name)))), None),
    )


def elements(value: object) -> Iterator[object]:
    """Iterate over an array; over nothing where there is none."""
    return iter(value) if isinstance(value, list) else iter(())


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Iterate over the objects of an array."""
    return (element for element in elements(value) if isinstance(element, dict))


def texts_of(content: object, kinds: frozenset[str]) -> tuple[str, ...]:
    """Read the texts of a message: a string, or the parts of these kinds."""
    if isinstance(content, str):
        return (content,) if content else ()
    return tuple(
        text
        for part in objects(content)
        if part_kind(part) in kinds and isinstance(text := part.get("text"), str) and text
    )


def part_kind(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    return kind if isinstance(kind, str) else ""


def size_of(value: object) -> int:
    """Count the UTF-8 bytes of the text in a tool result: a string, or what parts call text."""
    if isinstance(value, str):
        return len(value.encode())
    return sum(
        len(text.encode())
        for part in objects(value)
        for name in ("text", "stdout", "stderr")
        if isinstance(text := part.get(name), str)
    )


def _limit(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
