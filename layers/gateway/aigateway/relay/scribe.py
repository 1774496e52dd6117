"""Hears the copy of a response and writes down its facts. Never raises."""

import logging
from collections.abc import Callable
from typing import final

from aigateway.clock import Clock
from aigateway.errors import Misheard
from aigateway.interception import Heard
from aigateway.transcript.facts import (
    Answered,
    Dialect,
    Ended,
    Fact,
    Thought,
    TokenUsage,
    ToolUsage,
)
from aigateway.transcript.reader import Reader, reader_for
from aigateway.wire.frames import Frame
from aigateway.wire.inflate import inflater_for
from aigateway.wire.messages import ResponseHead, text, value, values
from aigateway.wire.sse import framer_for

logger = logging.getLogger(__name__)

Readers = Callable[[Dialect, int], Reader]


@final
class Scribe:
    """Listens to one response.

    ``rows`` are the facts that become rows, in order; ``answered`` and ``ended`` the others,
    the last of each. ``deaf`` is the reason why it stopped listening, if it did: what was heard
    until then stays.
    """

    def __init__(
        self,
        head: ResponseHead,
        dialect: Dialect,
        *,
        streaming: bool,
        clock: Clock,
        readers: Readers = reader_for,
    ) -> None:
        self.rows: list[Heard] = []
        self.answered: Answered | None = None
        self.ended: Ended | None = None
        self.deaf: str | None = None
        self.heard_bytes = 0
        self._clock = clock
        try:
            self._inflater = inflater_for(b",".join(values(head.headers, b"content-encoding")))
            self._framer = framer_for(
                value(head.headers, b"content-type"),
                streaming=streaming,
            )
            self._reader = readers(dialect, head.status)
        except Misheard as misheard:
            self.deaf = misheard.reason
        except Exception as bug:  # noqa: BLE001 - a reader's bug may cost facts, never a response
            self._go_deaf(bug)

    def hear(self, chunk: bytes) -> None:
        """Hear a chunk as it came from the provider."""
        self.heard_bytes += len(chunk)
        if self.deaf is not None:
            return
        try:
            self._take(self._framer.feed(self._inflater.feed(chunk)))
        except Misheard as misheard:
            self.deaf = misheard.reason
        except Exception as bug:  # noqa: BLE001 - a reader's bug may cost facts, never a response
            self._go_deaf(bug)

    def end(self, *, cut: bool) -> None:
        """Hear that the body is over, or broke off."""
        if hasattr(self, "_reader"):
            try:
                self._finish(cut=cut)
            except Misheard as misheard:
                self.deaf = self.deaf or misheard.reason
            except Exception as bug:  # noqa: BLE001 - a reader's bug may cost facts, never a response
                self._go_deaf(bug)

    def _finish(self, *, cut: bool) -> None:
        if self.deaf is None:
            try:
                tail = self._framer.feed(self._inflater.end())
                self._take(tail + ([] if cut else self._framer.end()))
            except Misheard as misheard:
                if not cut:
                    self.deaf = misheard.reason
        for fact in self._reader.end(cut=cut or self.deaf is not None):
            self._note(fact)

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            for fact in self._reader.read(frame):
                self._note(fact)

    def _note(self, fact: Fact) -> None:
        if isinstance(fact, Answered):
            self.answered = fact
        elif isinstance(fact, Ended):
            self.ended = fact
        elif isinstance(fact, TokenUsage | ToolUsage | Thought):
            self.rows.append(Heard(len(self.rows), self._clock.now(), fact))

    def _go_deaf(self, bug: Exception) -> None:
        self.deaf = f"bug:{type(bug).__name__}"
        logger.error("the scribe failed", extra={"reason": self.deaf})


def provider_request_id(head: ResponseHead) -> str | None:
    """Return the id under which the provider knows the request."""
    names = (b"request-id", b"x-request-id", b"apim-request-id", b"x-amzn-requestid")
    return next((found[:256] for name in names if (found := text(head.headers, name))), None)
