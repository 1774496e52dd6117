"""Content blocks of Messages responses: which become tool calls, which thoughts."""

from collections.abc import Mapping
from typing import Any, final

from aigateway.transcript.calls import Call, called_from
from aigateway.transcript.facts import Fact, Thought
from aigateway.transcript.notebook import THOUGHT_LIMIT_BYTES, Notebook, Text, cut_to, identifier
from aigateway.wire.jsontext import JsonText

TOOL_USES = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})

_WITHOUT_FACT = frozenset(
    {"text", "compaction", "container_upload", "fallback", "mcp_tool_listing"}
)


@final
class Block:
    """A content block under way. ``first_input``: the input that a tool block began with."""

    def __init__(
        self, notebook: Notebook, block: Mapping[str, Any], first_input: JsonText | None
    ) -> None:
        self._notebook = notebook
        self._block = block
        self.place = notebook.place()
        self.kind = identifier(block.get("type"))
        is_thought = self.kind == "thinking"
        self.text = Text(notebook, THOUGHT_LIMIT_BYTES if is_thought else None)
        self._first_input = "" if first_input is None else str(first_input)
        if is_thought:
            self.text.add(block.get("thinking"))

    def hear(self, delta: Mapping[str, Any]) -> None:
        if self.kind in TOOL_USES:
            self.text.add(delta.get("partial_json"))
        elif self.kind == "thinking":
            self.text.add(delta.get("thinking"))

    def call(self, *, is_finished: bool) -> Call | None:
        """Return the tool call that this block is, if it is one."""
        if self.kind not in TOOL_USES:
            return None
        text = str(self.text)
        if not text and (is_finished or self._first_input != "{}"):
            text = self._first_input
        return Call(
            call_id=identifier(self._block.get("id")),
            name=identifier(self._block.get("name")) or "",
            input=text,
            server=identifier(self._block.get("server_name")),
            metadata=called_from(self._block),
            executed_by="client" if self.kind == "tool_use" else "provider",
            is_finished=is_finished,
        )

    def thoughts(self, *, is_finished: bool) -> list[Fact]:
        """Return the thought that this block is; count what has none to show."""
        kind = self.kind
        if kind == "thinking" and self.text:
            text = str(self.text)
            stored = cut_to(text, THOUGHT_LIMIT_BYTES)
            truncated = not is_finished or self.text.is_cut or stored is not text
            return [Thought(self._notebook.response_id, "thinking", stored, truncated)]
        if kind == "thinking" and is_finished:
            self._notebook.note("thinking_blocks_without_text")
        elif kind == "redacted_thinking":
            self._notebook.note("redacted_thinking_blocks")
        elif kind != "thinking" and not _is_known(kind):
            self._notebook.note("unknown_items")
        return []


def _is_known(kind: str | None) -> bool:
    return kind is not None and (kind in _WITHOUT_FACT or kind.endswith("tool_result"))
