"""Responses of OpenAI Chat Completions (dialect ``chat``), streaming and blocking.

A stream is chunks without event names, then ``[DONE]``. Compatible servers differ in where
they put usage, reasoning and errors, and in how they number tool calls; all of it is read.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

from aigateway.transcript.chat_choices import Choice
from aigateway.transcript.endings import cut as cut_off
from aigateway.transcript.endings import failed, not_a_response
from aigateway.transcript.events import read_body, read_event
from aigateway.transcript.facts import Dialect, Ended, Fact
from aigateway.transcript.notebook import Notebook, identifier
from aigateway.transcript.tokens import Tally, counts_of, raw_usage, word
from aigateway.wire.frames import Frame
from aigateway.wire.jsontext import JsonText

CHOICE_BYTES = 1024
"""What a choice costs of the memory for one response, before it says anything."""

_DONE = b"[DONE]"

_PROMPT = "prompt_tokens_details"
_COMPLETION = "completion_tokens_details"
_COUNTS: Mapping[tuple[str, ...], str] = {
    ("prompt_tokens",): "input",
    ("completion_tokens",): "output",
    (_PROMPT, "cached_tokens"): "cache_read",
    ("prompt_cache_hit_tokens",): "cache_read",
    (_PROMPT, "cache_write_tokens"): "cache_write",
    (_PROMPT, "cache_creation_input_tokens"): "cache_write",
    ("cache_creation_input_tokens",): "cache_write",
    (_PROMPT, "audio_tokens"): "prompt_audio",
    (_PROMPT, "text_tokens"): "prompt_text",
    (_PROMPT, "image_tokens"): "prompt_image",
    (_COMPLETION, "reasoning_tokens"): "completion_reasoning",
    (_COMPLETION, "audio_tokens"): "completion_audio",
    (_COMPLETION, "text_tokens"): "completion_text",
    (_COMPLETION, "image_tokens"): "completion_image",
    (_COMPLETION, "accepted_prediction_tokens"): "completion_accepted_prediction",
    (_COMPLETION, "rejected_prediction_tokens"): "completion_rejected_prediction",
    ("service_tier",): "service_tier",
}
_TOTALS = ("input", "output", "cache_read", "cache_write")


@final
class ChatReader:
    """Reads one response with a status below 300."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._notebook = Notebook()
        self._choices: dict[int, Choice] = {}
        self._counts: dict[str, int | str] = {}
        self._service_tier: str | None = None
        self._usage_in: tuple[bytes, tuple[str | int, ...]] | None = None
        self._is_done = False
        self._ended: Ended | None = None

    def read(self, frame: Frame) -> Iterable[Fact]:
        if frame.event is None:
            self._read_body(frame.data)
        elif frame.data.strip() == _DONE:
            self._is_done = True
            self._close_choices()
        else:
            chunk = read_event(frame, self._notebook)
            if chunk is not None:
                self._read_chunk(chunk, frame)
        return self._notebook.told()

    def end(self, *, cut: bool) -> Iterable[Fact]:  # noqa: ARG002 - only the terminal event counts
        self._close_choices()
        ended = self._ended
        if ended is None:
            is_over = self._is_done or self._is_finished()
            stop_reason = self._stop_reason()
            ended = (
                Ended("completed", self._status, None, None, stop_reason)
                if is_over
                else cut_off(self._status, stop_reason)
            )
        return (
            *self._notebook.told(),
            *self._usage(partial=ended.outcome != "completed"),
            *self._notebook.answered(),
            ended,
        )

    def _is_finished(self) -> bool:
        choices = self._choices.values()
        return bool(choices) and all(choice.finish_reason is not None for choice in choices)

    def _stop_reason(self) -> str | None:
        if not self._choices:
            return None
        return self._choices[min(self._choices)].finish_reason

    def _read_chunk(self, chunk: Mapping[str, Any], frame: Frame) -> None:
        error = chunk.get("error") or (chunk if frame.event == "error" else None)
        if error is not None:
            stop_reason = self._stop_reason()
            self._ended = self._ended or failed(error, self._status, Dialect.CHAT, stop_reason)
            return
        self._identify(chunk)
        for position, choice in _objects(chunk.get("choices")):
            self._hear_choice(choice, position, "delta", frame.data)
            self._hear_usage(choice.get("usage"), frame.data, "choices", position, "usage")
        groq = chunk.get("x_groq")
        if isinstance(groq, dict):
            self._hear_usage(groq.get("usage"), frame.data, "x_groq", "usage")
        self._hear_usage(chunk.get("usage"), frame.data, "usage")

    def _identify(self, holder: Mapping[str, Any]) -> None:
        self._notebook.identify(holder.get("id"), holder.get("model"))
        self._service_tier = word(holder.get("service_tier")) or self._service_tier

    def _hear_choice(self, heard: Mapping[str, Any], position: int, name: str, data: bytes) -> None:
        index = heard.get("index")
        key = index if isinstance(index, int) else position
        choice = self._choices.get(key)
        if choice is None:
            self._notebook.spend(CHOICE_BYTES)
            choice = self._choices[key] = Choice(self._notebook)
        message = heard.get(name)
        if isinstance(message, dict):

            def source(*path: str | int) -> JsonText | None:
                return JsonText.of(data).at("choices", position, name, *path)

            choice.hear(message, source)
        choice.finish_reason = identifier(heard.get("finish_reason")) or choice.finish_reason

    def _close_choices(self) -> None:
        for choice in self._choices.values():
            choice.close(is_done=self._is_done)

    def _hear_usage(self, usage: object, data: bytes, *path: str | int) -> None:
        """Take the last report that counts anything; what it lacks stays from earlier ones."""
        if not isinstance(usage, dict):
            return
        counts = counts_of(usage, _COUNTS)
        if any(counts.get(name) for name in _TOTALS) or self._usage_in is None:
            self._counts.update(counts)
            self._usage_in = (data, path)

    def _usage(self, *, partial: bool) -> list[Fact]:
        if self._usage_in is None:
            return []
        data, path = self._usage_in
        tier = {"service_tier": self._service_tier} if self._service_tier else {}
        tally = Tally(
            tier | self._counts, raw_usage(JsonText.of(data), *path), input_includes_cache=True
        )
        return tally.usage(self._notebook, partial=partial)

    def _read_body(self, data: bytes) -> None:
        body = read_body(data)
        if body is not None and body.get("error"):
            self._ended = failed(body["error"], self._status, Dialect.CHAT)
            return
        if body is None or not isinstance(body.get("choices"), list):
            self._ended = not_a_response(self._status)
            return
        self._identify(body)
        for position, choice in _objects(body["choices"]):
            self._hear_choice(choice, position, "message", data)
        self._hear_usage(body.get("usage"), data, "usage")
        self._is_done = True
        self._close_choices()


def _objects(value: object) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for position, element in enumerate(value if isinstance(value, list) else ()):
        if isinstance(element, dict):
            yield position, element
