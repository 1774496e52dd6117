"""Which text of a request its user wrote: the trailing run of its conversation.

A request repeats the whole conversation. What is new is everything after the last output of
the model: the user's words, answers of tools, and what client programs add to both.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from aigateway.transcript.facts import AnsweredCall, Prompt, PromptKind
from aigateway.transcript.notebook import cut_to
from aigateway.transcript.prompts import PromptFilter, without_segments

PROMPT_LIMIT_BYTES = 1024 * 1024
"""Stored of one prompt; size and hash are of the whole."""


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """One message or item of a conversation, whatever its dialect.

    ``human``: a user's message. ``aside``: system, developer, approvals; it ends no run.
    ``result``: tool results. ``text_output``: the model's, nothing but text. ``output``: the
    model's, anything else.
    """

    kind: Literal["human", "aside", "result", "text_output", "output"]
    texts: tuple[str, ...] = ()
    answers: tuple[AnsweredCall, ...] = ()
    has_results: bool = False
    has_other_parts: bool = False


@final
@dataclass(frozen=True, slots=True)
class TrailingRun:
    """The turns after the model's last output; ``is_prefilled``: a text for it to go on with."""

    turns: tuple[Turn, ...]
    is_prefilled: bool

    @property
    def answers(self) -> tuple[AnsweredCall, ...]:
        return tuple(answer for turn in self.turns for answer in turn.answers)

    @property
    def has_results(self) -> bool:
        return any(turn.has_results for turn in self.turns)

    @property
    def has_other_parts(self) -> bool:
        """Whether a user sent images or files."""
        return any(turn.has_other_parts for turn in self.turns)


def trailing_run(turns: Sequence[Turn]) -> TrailingRun:
    """Cut the trailing run off a conversation."""
    heard = [turn for turn in turns if turn.kind != "aside"]
    is_prefilled = bool(heard) and heard[-1].kind == "text_output"
    if is_prefilled:
        heard.pop()
    start = len(heard)
    while start and heard[start - 1].kind in {"human", "result"}:
        start -= 1
    return TrailingRun(tuple(heard[start:]), is_prefilled)


def prompt_of(run: TrailingRun, prompts: PromptFilter, *, joined: bool) -> Prompt | None:
    """Take the user's words from a run: of the last message that has any left, the last part.

    ``joined``: all its parts, a newline between them. ``None`` where nothing is left.
    """
    cut_bytes = 0
    chosen = ""
    for turn in run.turns:
        kept = []
        for text in turn.texts:
            rest = without_segments(text, prompts)
            cut_bytes += _size(text) - _size(rest)
            if rest.strip():
                kept.append(rest)
        if kept:
            chosen = "\n".join(kept) if joined else kept[-1]
    if not chosen:
        return None
    kind: PromptKind = "prefill" if run.is_prefilled else "prompt"
    raw = chosen.encode()
    stored = cut_to(chosen, PROMPT_LIMIT_BYTES)
    return Prompt(
        text=stored,
        kind="interjection" if run.has_results else kind,
        role="user",
        cut_bytes=cut_bytes,
        filter_version=prompts.version if cut_bytes else None,
        bytes=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        truncated=len(stored) < len(chosen),
    )


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
