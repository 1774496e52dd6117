"""Responses of OpenAI Responses (dialect ``responses``), streaming and blocking.

In a stream each output item is added, filled by deltas, and done; the terminal event carries
the whole response again. What an item's own end event told is not told twice.
"""

from collections.abc import Iterable, Mapping
from typing import Any, final

from aigateway.transcript.endings import cut as cut_off
from aigateway.transcript.endings import failed, not_a_response
from aigateway.transcript.events import read_body, read_event
from aigateway.transcript.facts import Dialect, Ended, Fact
from aigateway.transcript.notebook import Notebook, identifier
from aigateway.transcript.responses_output import Output
from aigateway.transcript.tokens import Tally, counts_of, numbers_within, raw_usage
from aigateway.wire.frames import Frame
from aigateway.wire.jsontext import JsonText

_BEGINNINGS = frozenset({"response.created", "response.queued"})
_TERMINALS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
_SKIPPED_EVENTS = frozenset(
    {
        "response.in_progress",
        "response.output_text.annotation.added",
        "response.content_part.added",
        "response.content_part.done",
        "response.image_generation_call.partial_image",
        "response.audio.delta",
        "response.audio.transcript.delta",
        "response.refusal.delta",
        "response.code_interpreter_call_code.delta",
        "keepalive",
    }
)
_COUNTS: Mapping[tuple[str, ...], str] = {
    ("input_tokens",): "input",
    ("output_tokens",): "output",
    ("input_tokens_details", "cached_tokens"): "cache_read",
    ("input_tokens_details", "cache_write_tokens"): "cache_write",
    ("output_tokens_details", "reasoning_tokens"): "output_reasoning",
    ("total_tokens",): "total_tokens",
}
_WRITES = "cache_write_tokens_details"


@final
class ResponsesReader:
    """Reads one response with a status below 300."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._notebook = Notebook()
        self._output = Output(self._notebook)
        self._tally: Tally | None = None
        self._ended: Ended | None = None

    def read(self, frame: Frame) -> Iterable[Fact]:
        if frame.event is None:
            self._read_body(frame.data)
        elif not self._is_skipped(frame):
            event = read_event(frame, self._notebook)
            if event is not None:
                self._read_event(event, frame)
        return self._notebook.told()

    def end(self, *, cut: bool) -> Iterable[Fact]:  # noqa: ARG002 - only the terminal event counts
        ended = self._ended or cut_off(self._status)
        self._output.close(ended.stop_reason)
        usage = [] if self._tally is None else self._tally.usage(self._notebook, partial=False)
        return (*self._notebook.told(), *usage, *self._notebook.answered(), ended)

    def _is_skipped(self, frame: Frame) -> bool:
        """Answer text and the events about it are most of a stream, and never parsed."""
        if frame.event in ("response.output_text.delta", "response.output_text.done"):
            return not self._output.hears_commentary
        return frame.event in _SKIPPED_EVENTS

    def _read_event(self, event: Mapping[str, Any], frame: Frame) -> None:
        kind = event.get("type") or frame.event
        if kind in ("error", "response.error"):
            self._fail(event.get("error") or event)
        elif not isinstance(kind, str):
            return
        elif kind in _BEGINNINGS or kind in _TERMINALS:
            response = event.get("response")
            if isinstance(response, dict):
                self._notebook.identify(response.get("id"), response.get("model"))
                if kind in _TERMINALS:
                    status = identifier(response.get("status")) or kind.removeprefix("response.")
                    text = JsonText.of(frame.data).members()["response"]
                    self._read_response(response, status, text)
        else:
            self._output.hear(kind, event, frame.data)

    def _fail(self, error: object) -> None:
        self._ended = self._ended or failed(error, self._status, Dialect.RESPONSES)

    def _read_body(self, data: bytes) -> None:
        body = read_body(data)
        if body is None:
            self._ended = not_a_response(self._status)
        elif _is_response(body):
            self._notebook.identify(body.get("id"), body.get("model"))
            status = identifier(body.get("status")) or "completed"
            self._read_response(body, status, JsonText.of(data))
        elif body.get("error"):
            self._fail(body["error"])
        else:
            self._ended = not_a_response(self._status)

    def _read_response(self, response: Mapping[str, Any], status: str, text: JsonText) -> None:
        self._output.complete(response.get("output"), text)
        self._hear_usage(response, text)
        self._ended = self._ended or self._ending(response, status)

    def _ending(self, response: Mapping[str, Any], status: str) -> Ended:
        if status in ("completed", "incomplete"):
            details = response.get("incomplete_details")
            reason = identifier(details.get("reason")) if isinstance(details, dict) else None
            is_cut_short = status == "incomplete" and reason is not None
            stop_reason = f"{status}:{reason}" if is_cut_short else status
            return Ended("completed", self._status, None, None, stop_reason)
        return failed(response.get("error"), self._status, Dialect.RESPONSES, status)

    def _hear_usage(self, response: Mapping[str, Any], text: JsonText) -> None:
        usage = response.get("usage")
        if not isinstance(usage, dict):
            return
        counts = counts_of(usage, _COUNTS)
        counts |= counts_of(response, {("service_tier",): "service_tier"})
        details = usage.get("input_tokens_details")
        writes = details.get(_WRITES) if isinstance(details, dict) else None
        counts |= numbers_within(usage.get(_WRITES) or writes, _WRITES)
        counts |= numbers_within(response.get("tool_usage"), "tool_usage")
        self._tally = Tally(counts, raw_usage(text, "usage"), input_includes_cache=True)


def _is_response(body: Mapping[str, Any]) -> bool:
    kind = body.get("object")
    if kind is None:
        return isinstance(body.get("output"), list)
    return kind in ("response", "response.compaction")
