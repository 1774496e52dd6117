"""One choice of a Chat Completions response: its reasoning and its tool calls.

A stream brings both in fragments. Fragments of a call belong together by tool index; but a new
id on an index that is in use begins a new call (Gemini's endpoint sends index 0 for all).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

from aigateway.transcript.calls import Call
from aigateway.transcript.facts import Thought
from aigateway.transcript.notebook import THOUGHT_LIMIT_BYTES, Notebook, Text, cut_to, identifier
from aigateway.wire.jsontext import JsonText

_LEGACY = "function_call"

Source = Callable[..., JsonText | None]
"""Finds the provider's own text of a member, by its path within the message or delta."""


@final
class _PendingCall:
    def __init__(self, notebook: Notebook) -> None:
        self.place = notebook.place()
        self.call_id: str | None = None
        self.name: str | None = None
        self.input = Text(notebook)
        self.is_free_text = False

    def hear(self, function: object, member: str, source: Source, *path: str | int) -> None:
        if not isinstance(function, dict):
            return
        self.name = self.name or identifier(function.get("name"))
        arguments = function.get(member)
        if isinstance(arguments, dict | list):
            arguments = str(source(*path, member) or "")
        self.input.add(arguments)

    def finished(self, *, is_finished: bool) -> Call:
        return Call(
            call_id=self.call_id,
            name=self.name or "",
            input=str(self.input),
            is_free_text=self.is_free_text,
            is_finished=is_finished,
        )


@final
class Choice:
    """Collects one choice; ``finish_reason`` is ``None`` until it came."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._calls: list[_PendingCall] = []
        self._by_index: dict[object, _PendingCall] = {}
        self._thought: tuple[int, str, Text] | None = None
        self.finish_reason: str | None = None

    def hear(self, message: Mapping[str, Any], source: Source) -> None:
        """Read a ``delta``, or the whole ``message`` of a blocking response."""
        self._hear_thought(message)
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            for position, call in enumerate(calls):
                if isinstance(call, dict):
                    self._hear_call(call, position, source)
        legacy = message.get(_LEGACY)
        if isinstance(legacy, dict):
            self._pending(_LEGACY, None).hear(legacy, "arguments", source, _LEGACY)

    def close(self, *, is_done: bool) -> None:
        """Make facts of all that was collected. Without a finish reason it may be incomplete."""
        is_finished = is_done or self.finish_reason is not None
        if self._thought is not None:
            place, _, text = self._thought
            whole = str(text)
            stored = cut_to(whole, THOUGHT_LIMIT_BYTES)
            truncated = not is_finished or text.is_cut or stored is not whole
            thought = Thought(self._notebook.response_id, "reasoning_content", stored, truncated)
            self._notebook.fill(place, [thought])
            self._thought = None
        for pending in self._calls:
            call = pending.finished(is_finished=is_finished)
            usage = call.usage(self._notebook, self.finish_reason)
            self._notebook.fill(pending.place, [usage])
        self._calls.clear()
        self._by_index.clear()

    def _hear_call(self, call: Mapping[str, Any], position: int, source: Source) -> None:
        index = call.get("index")
        key = index if isinstance(index, int) else position
        pending = self._pending(key, identifier(call.get("id")))
        for member, arguments in (("function", "arguments"), ("custom", "input")):
            if isinstance(call.get(member), dict):
                path = ("tool_calls", position, member)
                pending.hear(call[member], arguments, source, *path)
                pending.is_free_text = member == "custom"

    def _pending(self, key: object, call_id: str | None) -> _PendingCall:
        pending = self._by_index.get(key)
        is_other = (
            pending is not None and call_id is not None and pending.call_id not in {None, call_id}
        )
        if pending is None or is_other:
            pending = _PendingCall(self._notebook)
            self._by_index[key] = pending
            self._calls.append(pending)
        pending.call_id = pending.call_id or call_id
        return pending

    def _hear_thought(self, message: Mapping[str, Any]) -> None:
        """Follow the first kind of reasoning that is not empty; some servers send two."""
        for kind, piece in _reasoning(message):
            if self._thought is None:
                self._thought = (
                    self._notebook.place(),
                    kind,
                    Text(self._notebook, THOUGHT_LIMIT_BYTES),
                )
            if self._thought[1] == kind:
                self._thought[2].add(piece)


def _reasoning(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("reasoning_content", "reasoning"):
        piece = message.get(kind)
        if isinstance(piece, str) and piece:
            yield kind, piece
    details = message.get("reasoning_details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            piece = detail.get("text") or detail.get("summary")
            if isinstance(piece, str) and piece:
                yield "reasoning_details", piece
