"""What a provider's answer said that cannot be quite right: one warning each, no content."""

import logging

from aigateway.interception import Closed, Opened

logger = logging.getLogger(__name__)

DOUBTS = {
    "usage_clamped_input": "more input tokens were cached than there were",
    "usage_refused": "a token count cannot be true, so the usage is not recorded",
    "tool_inputs_not_json": "the input of a tool call is no JSON",
}
"""Notes about an answer that deserve a warning, and what it says."""

NUMBERS = ("usage_clamped_input", "usage_clamped_cached", "tool_inputs_not_json")


def warn_of(opened: Opened, closed: Closed) -> None:
    """Log a warning for each doubt, with the provider, the route and the numbers."""
    extra: dict[str, int | str] = {
        "interception_id": opened.id,
        "provider_name": opened.provider_name,
        "route": opened.route,
    }
    extra |= {name: closed.notes[name] for name in NUMBERS if name in closed.notes}
    for note, message in DOUBTS.items():
        if note in closed.notes:
            logger.warning(message, extra=extra)
