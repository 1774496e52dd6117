"""The output items of one Responses answer, from wherever they are told.

An item is *open* from its first event, *finished* by ``response.output_item.done`` or by the
terminal response, whichever comes first. Events and items are joined by output index, item id
and call id, because some servers change item ids between events and some count every item 0.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, final

from aigateway.transcript.facts import Fact, Thought
from aigateway.transcript.notebook import THOUGHT_LIMIT_BYTES, Notebook, Text, cut_to, identifier
from aigateway.transcript.responses_items import (
    CALLS,
    ThoughtSource,
    call_of,
    is_commentary,
    is_known,
    kind_of,
    thoughts_of,
)
from aigateway.wire.jsontext import JsonText, mended

_INPUTS = {
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.mcp_call_arguments": "arguments",
}
_PARTS: Mapping[str, tuple[ThoughtSource, str]] = {
    "response.reasoning_summary_text": ("reasoning_summary", "summary_index"),
    "response.reasoning_text": ("reasoning_text", "content_index"),
    "response.output_text": ("commentary", "content_index"),
}


@final
class _Item:
    def __init__(self, notebook: Notebook, sent: Mapping[str, Any], text: JsonText | None) -> None:
        self._notebook = notebook
        self.place = notebook.place()
        self.sent = sent
        self.text = text
        self.kind = kind_of(sent)
        self.item_id = identifier(sent.get("id"))
        self.call_id = identifier(sent.get("call_id"))
        self.is_finished = False
        self.input = Text(notebook)
        self.has_whole_input = False
        self._parts: dict[tuple[ThoughtSource, object], tuple[Text, bool]] = {}

    def hear_input(self, piece: object, *, is_whole: bool) -> None:
        if is_whole:
            self.has_whole_input = True
            if self.input:
                return
        self.input.add(piece)

    def hear_part(
        self, key: tuple[ThoughtSource, object], piece: object, *, is_whole: bool
    ) -> None:
        text, _ = self._parts.get(key) or (Text(self._notebook, THOUGHT_LIMIT_BYTES), False)
        if not (is_whole and text):
            text.add(piece)
        self._parts[key] = (text, is_whole)

    def heard_thoughts(self, *, is_finished: bool) -> list[Fact]:
        return [
            _thought(
                self._notebook, source, str(text), is_cut=text.is_cut or not (whole or is_finished)
            )
            for (source, _), (text, whole) in self._parts.items()
            if text
        ]


@final
class Output:
    """Turns items into facts, each once, in the order in which they began."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._items: list[_Item] = []
        self._by_index: dict[int, _Item] = {}
        self._by_id: dict[str, _Item] = {}
        self._by_call: dict[str, _Item] = {}
        self._held: list[tuple[int, Callable[[str | None], Fact]]] = []
        self._is_complete = False
        self.hears_commentary = False

    def hear(self, kind: str, event: Mapping[str, Any], data: bytes) -> None:
        """Read one event about an item, or about a part of it."""
        if self._is_complete:
            return
        name, _, stage = kind.rpartition(".")
        if name == "response.output_item":
            sent = event.get("item")
            if isinstance(sent, dict):
                self._hear_item(stage, sent, _index(event), data)
        elif stage in ("delta", "done"):
            item = self._found({}, _index(event), identifier(event.get("item_id")))
            if item is not None and not item.is_finished:
                _hear_piece(item, name, event, is_whole=stage == "done")

    def complete(self, output: object, text: JsonText) -> None:
        """Take the whole output: finish what is open, add what was never told."""
        if self._is_complete or not isinstance(output, list):
            return
        texts: list[JsonText] = []

        def text_at(position: int) -> JsonText | None:
            found = text.at("output")
            if not texts and found is not None:
                texts.extend(found.elements())
            return texts[position] if position < len(texts) else None

        joined: set[int] = set()
        for position, sent in enumerate(output):
            if not isinstance(sent, dict):
                continue
            item = self._found(sent, position, identifier(sent.get("id")))
            if item is None or item.place in joined:
                item = self._begin(sent, position, None)
            joined.add(item.place)
            if not item.is_finished:
                self._finish(item, sent, partial(text_at, position))
        self._is_complete = True

    def close(self, stop_reason: str | None) -> None:
        """Tell all that is still held or open; what is open stays unfinished."""
        for place, usage in self._held:
            self._notebook.fill(place, [usage(stop_reason)])
        self._held.clear()
        for item in self._items:
            if not item.is_finished:
                self._notebook.fill(item.place, self._unfinished(item, stop_reason))
        self._items.clear()

    def _hear_item(
        self, stage: str, sent: Mapping[str, Any], index: int | None, data: bytes
    ) -> None:
        item = self._found(sent, index, identifier(sent.get("id")))
        if item is not None and item.is_finished and not _is_same(item, sent):
            item = None
        if item is None:
            text = JsonText.of(data).at("item") if kind_of(sent) in CALLS else None
            item = self._begin(sent, index, text)
        if stage == "done" and not item.is_finished:
            self._finish(item, sent, lambda: JsonText.of(data).at("item"))

    def _begin(self, sent: Mapping[str, Any], index: int | None, text: JsonText | None) -> _Item:
        item = _Item(self._notebook, sent, text)
        self._items.append(item)
        if index is not None:
            self._by_index[index] = item
        if item.item_id is not None:
            self._by_id[item.item_id] = item
        if item.call_id is not None:
            self._by_call[item.call_id] = item
        self.hears_commentary = self.hears_commentary or is_commentary(sent)
        return item

    def _found(
        self, sent: Mapping[str, Any], index: int | None, item_id: str | None
    ) -> _Item | None:
        call_id = identifier(sent.get("call_id"))
        candidates = (
            self._by_index.get(-1 if index is None else index),
            self._by_id.get(item_id or ""),
            self._by_call.get(call_id or ""),
        )
        by_index, by_id, by_call = (
            item if item is not None and _may_be(item, sent, call_id) else None
            for item in candidates
        )
        if by_index is not None and (by_id is None or by_index.item_id == item_id):
            return by_index
        return by_id or by_call

    def _finish(
        self, item: _Item, sent: Mapping[str, Any], text: Callable[[], JsonText | None]
    ) -> None:
        item.is_finished = True
        if item.kind in CALLS:
            call = call_of(sent, text, heard=str(item.input))
            if call.waits_for_stop_reason():
                self._held.append((item.place, partial(call.usage, self._notebook)))
            else:
                self._notebook.fill(item.place, [call.usage(self._notebook, None)])
            return
        if not is_known(item.kind):
            self._notebook.note("unknown_items")
        facts: list[Fact] = [
            _thought(self._notebook, source, text_of, is_cut=False)
            for source, text_of in thoughts_of(sent)
        ]
        self._notebook.fill(item.place, facts or item.heard_thoughts(is_finished=True))

    def _unfinished(self, item: _Item, stop_reason: str | None) -> list[Fact]:
        if item.kind in CALLS:
            call = call_of(
                item.sent,
                lambda: item.text,
                heard=str(item.input),
                is_finished=item.has_whole_input,
            )
            return [call.usage(self._notebook, stop_reason)]
        return item.heard_thoughts(is_finished=False)


def _index(event: Mapping[str, Any]) -> int | None:
    index = event.get("output_index")
    return index if isinstance(index, int) and index >= 0 else None


def _hear_piece(item: _Item, name: str, event: Mapping[str, Any], *, is_whole: bool) -> None:
    if name in _INPUTS:
        piece = event.get(_INPUTS[name] if is_whole else "delta")
        item.hear_input(piece, is_whole=is_whole)
    elif name in _PARTS:
        source, member = _PARTS[name]
        number = event.get(member)
        key = (source, number if isinstance(number, int) else 0)
        if source != "commentary" or is_commentary(item.sent):
            item.hear_part(key, event.get("text" if is_whole else "delta"), is_whole=is_whole)


def _may_be(item: _Item, sent: Mapping[str, Any], call_id: str | None) -> bool:
    kind = kind_of(sent)
    return kind in {"", item.kind} and (
        call_id is None or item.call_id is None or call_id == item.call_id
    )


def _is_same(item: _Item, sent: Mapping[str, Any]) -> bool:
    """Whether a finished item is told again, and not another one with its index."""
    if item.call_id is not None or sent.get("call_id") is not None:
        return item.call_id == identifier(sent.get("call_id"))
    return item.item_id == identifier(sent.get("id"))


def _thought(notebook: Notebook, source: ThoughtSource, text: str, *, is_cut: bool) -> Thought:
    notebook.spend(len(text))
    whole = mended(text)
    stored = cut_to(whole, THOUGHT_LIMIT_BYTES)
    return Thought(notebook.response_id, source, stored, is_cut or stored is not whole)
