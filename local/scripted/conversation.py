"""Where a conversation stands: the human's last words, and the turns with tool calls since."""

from collections.abc import Iterable
from typing import Literal

Said = tuple[Literal["human", "result", "call", "other"], str]
"""One item of a conversation; the text is that of a human's message."""

INJECTED = (
    "<system-reminder>",
    "<environment_details>",
    "<subagent_notification>",
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md",
)
"""How texts begin that a client program writes in the user's name."""


def position(conversation: Iterable[Said]) -> tuple[str, int]:
    """The human's last message, and the turns with tool calls since.

    ``conversation`` is given from its end. Calls side by side are one turn; a result whose call
    the provider is to remember (``previous_response_id``) is one as well.
    """
    rounds, before, answered, prompt = 0, "", False, ""
    for kind, text in conversation:
        if kind == "human":
            prompt = text
            break
        rounds += kind == "call" and before != "call"
        answered = answered or kind == "result"
        before = before if kind == "other" else kind
    return prompt, max(rounds, int(answered))
