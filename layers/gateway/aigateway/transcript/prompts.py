"""What client programs put around the user's words: data with a version, and how it is cut out.

Seen on the wire: Claude Code 2.1.330, Codex 0.169.0, Kilo CLI 7.7.7, Copilot CLI 1.0.102.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

FILTER_VERSION = 1


@final
@dataclass(frozen=True, slots=True)
class PromptFilter:
    """What one client program adds: segments from an opening to the next closing text.

    ``version`` numbers the table that the segments are from.
    """

    version: int
    segments: tuple[tuple[str, str], ...]


def _tagged(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"<{name}>", f"</{name}>") for name in names)


_AGENTS_FILE = ("# AGENTS.md instructions", "</INSTRUCTIONS>")

_SEGMENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Claude Code": _tagged("system-reminder", "command-message"),
    "Codex": (
        _AGENTS_FILE,
        *_tagged(
            "environment_context",
            "user_instructions",
            "permissions instructions",
            "skills_instructions",
            "subagent_notification",
        ),
    ),
    "OpenCode": _tagged("system-reminder"),
    "Kilo Code": _tagged("environment_details", "system-reminder"),
    "Roo Code": _tagged("environment_details"),
    "GitHub Copilot (CLI)": _tagged("current_datetime", "reminder"),
    "GitHub Copilot (VS Code)": _tagged("current_datetime", "reminder"),
}


def filter_for(client: str) -> PromptFilter:
    """Give the filter of a client by its recorded name; for any other name nothing is cut."""
    return PromptFilter(FILTER_VERSION, _SEGMENTS.get(client, ()))


def without_segments(text: str, prompts: PromptFilter) -> str:
    """Cut out complete segments, with the white space next to them.

    One newline stays between two texts that are kept. An opening without its closing is left
    alone: a human may write about it.
    """
    for opening, closing in prompts.segments:
        text = _without(text, opening, closing)
    return text


def _without(text: str, opening: str, closing: str) -> str:
    kept: list[str] = []
    at = 0
    while (start := text.find(opening, at)) >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        kept.append(text[at:start].lstrip() if kept else text[at:start])
        at = end + len(closing)
    if not at:
        return text
    edges = [piece.rstrip() for piece in kept]
    return "\n".join(piece for piece in (*edges, text[at:].lstrip()) if piece)
