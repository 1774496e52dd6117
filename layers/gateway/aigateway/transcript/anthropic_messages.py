"""Responses of Anthropic Messages (dialect ``messages``), streaming and blocking.

A stream is ``message_start``, then blocks that each have a start, deltas and a stop, then
``message_delta`` with the stop reason, then ``message_stop``. Any of them may be missing or
unknown. (platform.claude.com, Streaming Messages, read 2026-07.)
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, final

from aigateway.transcript.anthropic_blocks import TOOL_USES, Block
from aigateway.transcript.endings import cut as cut_off
from aigateway.transcript.endings import failed, not_a_response
from aigateway.transcript.events import read_body, read_event
from aigateway.transcript.facts import Dialect, Ended, Fact
from aigateway.transcript.notebook import Notebook, identifier
from aigateway.transcript.tokens import Tally, counts_of, raw_usage
from aigateway.wire.frames import Frame
from aigateway.wire.jsontext import JsonText

_SKIPPED_EVENTS = frozenset({"ping"})
_TEXT_DELTA = b'"type":"text_delta"'
_OTHER_DELTAS = (b"input_json_delta", b"thinking_delta")

_COUNTS: Mapping[tuple[str, ...], str] = {
    ("input_tokens",): "input",
    ("output_tokens",): "output",
    ("cache_read_input_tokens",): "cache_read",
    ("cache_creation_input_tokens",): "cache_write",
    ("cache_creation", "ephemeral_5m_input_tokens"): "cache_ephemeral_5m_input",
    ("cache_creation", "ephemeral_1h_input_tokens"): "cache_ephemeral_1h_input",
    ("server_tool_use", "web_search_requests"): "web_search_requests",
    ("server_tool_use", "web_fetch_requests"): "web_fetch_requests",
    ("output_tokens_details", "thinking_tokens"): "output_thinking",
    ("service_tier",): "service_tier",
    ("speed",): "speed",
    ("inference_geo",): "inference_geo",
}


@final
class MessagesReader:
    """Reads one response with a status below 300."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._notebook = Notebook()
        self._open: dict[object, Block] = {}
        self._held: list[tuple[int, Callable[[str | None], Fact]]] = []
        self._counts: dict[str, int | str] = {}
        self._usage_in: tuple[bytes, tuple[str, ...]] | None = None
        self._iterations: list[Tally] = []
        self._stop_reason: str | None = None
        self._ended: Ended | None = None

    def read(self, frame: Frame) -> Iterable[Fact]:
        if frame.event is None:
            self._read_body(frame.data)
        elif not _is_skipped(frame):
            event = read_event(frame, self._notebook)
            if event is not None:
                self._read_event(event.get("type") or frame.event, event, frame.data)
        return self._notebook.told()

    def end(self, *, cut: bool) -> Iterable[Fact]:  # noqa: ARG002 - only the terminal event counts
        for block in self._open.values():
            self._close(block, is_finished=False)
        self._open.clear()
        self._release()
        ended = self._ended or cut_off(self._status, self._stop_reason)
        return (
            *self._notebook.told(),
            *self._usage(partial=ended.outcome != "completed"),
            *self._notebook.answered(),
            ended,
        )

    def _read_event(self, kind: object, event: Mapping[str, Any], data: bytes) -> None:
        if kind == "message_start":
            self._read_start(event.get("message"), data)
        elif kind == "message_delta":
            self._hear_usage(event.get("usage"), data, "usage")
            self._hear_stop_reason(event.get("delta"))
        elif kind == "message_stop":
            ended = Ended("completed", self._status, None, None, self._stop_reason)
            self._ended = self._ended or ended
        elif kind == "error":
            error = event.get("error") or event
            self._ended = self._ended or failed(
                error, self._status, Dialect.MESSAGES, self._stop_reason
            )
        else:
            self._read_block_event(kind, event, data)

    def _read_block_event(self, kind: object, event: Mapping[str, Any], data: bytes) -> None:
        if kind == "content_block_start":
            self._begin(event, data)
        elif kind == "content_block_delta":
            block, delta = self._open.get(_index(event)), event.get("delta")
            if block is not None and isinstance(delta, dict):
                block.hear(delta)
        elif kind == "content_block_stop":
            stopped = self._open.pop(_index(event), None)
            if stopped is not None:
                self._close(stopped, is_finished=True)

    def _read_start(self, message: object, data: bytes) -> None:
        if isinstance(message, dict):
            self._notebook.identify(message.get("id"), message.get("model"))
            self._hear_usage(message.get("usage"), data, "message", "usage")
            self._hear_stop_reason(message)

    def _begin(self, event: Mapping[str, Any], data: bytes) -> None:
        index, content = _index(event), event.get("content_block")
        if not isinstance(content, dict):
            return
        before = self._open.pop(index, None)
        if before is not None:
            self._close(before, is_finished=True)
        is_tool = identifier(content.get("type")) in TOOL_USES
        first_input = JsonText.of(data).at("content_block", "input") if is_tool else None
        self._open[index] = Block(self._notebook, content, first_input)

    def _close(self, block: Block, *, is_finished: bool) -> None:
        call = block.call(is_finished=is_finished)
        if call is None:
            self._notebook.fill(block.place, block.thoughts(is_finished=is_finished))
        elif self._stop_reason is None and call.waits_for_stop_reason():
            self._held.append((block.place, partial(call.usage, self._notebook)))
        else:
            self._notebook.fill(block.place, [call.usage(self._notebook, self._stop_reason)])

    def _hear_stop_reason(self, holder: object) -> None:
        if not isinstance(holder, dict):
            return
        self._stop_reason = identifier(holder.get("stop_reason")) or self._stop_reason
        if self._stop_reason is not None:
            self._release()

    def _release(self) -> None:
        for place, usage in self._held:
            self._notebook.fill(place, [usage(self._stop_reason)])
        self._held.clear()

    def _hear_usage(self, usage: object, data: bytes, *path: str) -> None:
        """Take the last report of each count; a 0 never replaces one."""
        if not isinstance(usage, dict):
            return
        counts = counts_of(usage, _COUNTS)
        said = {name: value for name, value in counts.items() if value}
        self._counts.update(said)
        if self._usage_in is None or any(isinstance(value, int) for value in said.values()):
            self._usage_in = (data, path)
        iterations = usage.get("iterations")
        if isinstance(iterations, list):
            self._iterations = [
                _iteration(entry, raw_usage(JsonText.of(data), *path, "iterations", position))
                for position, entry in enumerate(iterations[:64])
                if isinstance(entry, dict) and entry.get("type") == "compaction"
            ]

    def _usage(self, *, partial: bool) -> list[Fact]:
        if self._usage_in is None:
            return []
        data, path = self._usage_in
        tallies = [
            Tally(self._counts, raw_usage(JsonText.of(data), *path), input_includes_cache=False)
        ]
        tallies += self._iterations
        return [fact for tally in tallies for fact in tally.usage(self._notebook, partial=partial)]

    def _read_body(self, data: bytes) -> None:
        body = read_body(data)
        if body is not None and body.get("type") == "error":
            self._ended = failed(body.get("error"), self._status, Dialect.MESSAGES)
            return
        if body is None or not _is_message(body):
            self._ended = not_a_response(self._status)
            return
        self._stop_reason = identifier(body.get("stop_reason"))
        self._ended = Ended("completed", self._status, None, None, self._stop_reason)
        self._read_start(body, data)
        self._hear_usage(body.get("usage"), data, "usage")
        self._read_blocks(body["content"], data)

    def _read_blocks(self, content: list[object], data: bytes) -> None:
        texts: list[JsonText] | None = None
        for position, block in enumerate(content):
            if not isinstance(block, dict):
                continue
            first_input = None
            if identifier(block.get("type")) in TOOL_USES:
                if texts is None:
                    found = JsonText.of(data).at("content")
                    texts = [] if found is None else found.elements()
                first_input = texts[position].at("input")
            self._close(Block(self._notebook, block, first_input), is_finished=True)


def _is_message(body: Mapping[str, Any]) -> bool:
    return body.get("type", "message") == "message" and isinstance(body.get("content"), list)


def _index(event: Mapping[str, Any]) -> object:
    index = event.get("index")
    return index if isinstance(index, int | str) else None


def _is_skipped(frame: Frame) -> bool:
    """Most events of a stream are pings and answer text: known by name or bytes, never parsed.

    Within a JSON string the quotes around ``type`` are escaped, so these bytes are a member.
    """
    if frame.event == "content_block_delta":
        return _TEXT_DELTA in frame.data and not any(other in frame.data for other in _OTHER_DELTAS)
    return frame.event in _SKIPPED_EVENTS


def _iteration(entry: Mapping[str, Any], raw: str) -> Tally:
    counts = counts_of(entry, _COUNTS) | {"iteration": "compaction"}
    return Tally(counts, raw, input_includes_cache=False)
