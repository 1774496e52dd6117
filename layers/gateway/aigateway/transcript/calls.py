"""Tool calls: when their input is JSON, text, or only a part; how much of it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from aigateway.transcript.facts import ToolUsage
from aigateway.transcript.notebook import Notebook, cut_to, identifier
from aigateway.wire.jsontext import is_json, mended

INPUT_LIMIT_BYTES = 256 * 1024
"""Stored of one input; a longer one carries ``truncated`` and ``input_bytes`` as metadata."""

_CUT_SHORT = frozenset({"max_tokens", "length", "model_context_window_exceeded"})


def is_cut_short(stop_reason: str | None) -> bool:
    """Whether the model was stopped at a limit, perhaps within a tool's input."""
    return stop_reason is not None and (
        stop_reason in _CUT_SHORT or stop_reason.startswith("incomplete")
    )


def called_from(sent: Mapping[str, Any]) -> dict[str, str]:
    """Say by which code a call was made, where the model did not make it directly."""
    caller = sent.get("caller")
    kind = identifier(caller.get("type")) if isinstance(caller, dict) else None
    return {} if kind is None or kind == "direct" else {"caller": kind}


@final
@dataclass(frozen=True, slots=True)
class Call:
    """A tool call whose input is complete, or as complete as it will get.

    ``is_free_text``: the tool takes no JSON. ``is_finished``: the provider ended it by itself.
    """

    call_id: str | None
    name: str
    input: str
    item_id: str | None = None
    server: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    executed_by: Literal["client", "provider"] = "client"
    is_free_text: bool = False
    is_finished: bool = True

    def waits_for_stop_reason(self) -> bool:
        """Whether only the stop reason tells cut-off JSON from text that never was JSON."""
        return self.is_finished and not self.is_free_text and not is_json(self.input)

    def usage(self, notebook: Notebook, stop_reason: str | None) -> ToolUsage:
        """Make the fact. Raises ``Misheard("facts_too_large")``."""
        notebook.spend(len(self.input))
        whole = mended(self.input)
        stored = cut_to(whole, INPUT_LIMIT_BYTES)
        metadata = dict(self.metadata)
        input_format = self._format(stop_reason)
        if input_format == "text" and not self.is_free_text:
            notebook.note("tool_inputs_not_json")
        if stored is not whole:
            metadata["truncated"] = "true"
            metadata["input_bytes"] = str(len(whole.encode()))
        return ToolUsage(
            response_id=notebook.response_id,
            call_id=self.call_id,
            item_id=self.item_id,
            name=self.name,
            server=self.server,
            metadata=metadata,
            input=stored,
            input_format=input_format,
            executed_by=self.executed_by,
        )

    def _format(self, stop_reason: str | None) -> Literal["json", "text", "partial"]:
        if self.is_free_text:
            return "text"
        if not self.is_finished:
            return "partial"
        if is_json(self.input):
            return "json"
        return "partial" if is_cut_short(stop_reason) else "text"
