"""The one edit of chat streams: usage is asked for, and its extra chunk kept from the client.

A chat stream reports its tokens only on request (platform.openai.com, Chat Completions,
``stream_options``, read 2026-07). Where the client did not ask, the member is spliced into its
request, and of the answer the one chunk that comes for it alone is withheld. A client's own
wish, a compressed request, an answer that comes encoded all the same: nothing is touched.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

from aigateway.errors import Misheard
from aigateway.interception import Opened
from aigateway.relay.upstream import UpstreamRequest
from aigateway.transcript.facts import Dialect
from aigateway.wire.frames import FRAME_LIMIT_BYTES
from aigateway.wire.jsontext import loads
from aigateway.wire.messages import Headers, ResponseHead, value, values
from aigateway.wire.splice import with_nested_true
from aigateway.wire.sse import RawEvents, SseFramer, is_event_stream

MEANS_NOTHING = frozenset(
    {
        "id",
        "object",
        "created",
        "model",
        "provider",
        "system_fingerprint",
        "service_tier",
        "obfuscation",
        "choices",
        "usage",
    }
)
"""What every chunk of a stream carries. Any other member, a content filter's or a moderation's
result say, is news for the client."""


def asking_for_usage(request: UpstreamRequest, opened: Opened) -> UpstreamRequest:
    """Return the request with ``include_usage`` in it, or as it is where the edit has no place.

    The answer must then come unencoded, so that it can be forwarded event by event.
    """
    if opened.dialect is not Dialect.CHAT or not opened.streaming:
        return request
    if not request.provider.inject_usage or _is_encoded(request.headers):
        return request
    body = with_nested_true(request.body, "stream_options", "include_usage")
    if body is None:
        return request
    kept = (pair for pair in request.headers if pair[0].lower() != b"accept-encoding")
    headers = (*kept, (b"accept-encoding", b"identity"))
    return replace(request, body=body, headers=headers, withholds_usage=True)


def _is_encoded(headers: Headers) -> bool:
    codings = b",".join(values(headers, b"content-encoding")).split(b",")
    return any(coding.strip().lower() not in (b"", b"identity") for coding in codings)


@final
class Withholding:
    """Forwards a stream event by event, without the chunk that nobody but us asked for.

    Where it does not apply bytes pass as they come; so they do behind an event over the limit.
    """

    def __init__(self, *, applies: bool = True, limit: int = FRAME_LIMIT_BYTES) -> None:
        self._limit = limit
        self._events = RawEvents() if applies else None
        self.withheld_bytes = 0

    def forward(self, chunk: bytes) -> bytes:
        """Take bytes of the provider, return those that the client gets now."""
        if self._events is None:
            return chunk
        kept = []
        for event in self._events.feed(chunk):
            if is_extra_chunk(event):
                self.withheld_bytes += len(event)
            else:
                kept.append(event)
        if self._events.size > self._limit:
            kept.append(self._events.rest())
            self._events = None
        return b"".join(kept)

    def rest(self) -> bytes:
        """Return an event that the end of the stream, or a cut, left unfinished."""
        return b"" if self._events is None else self._events.rest()


def withholding_for(request: UpstreamRequest, head: ResponseHead) -> Withholding:
    """Return what forwards this answer to that request."""
    is_stream = is_event_stream(value(head.headers, b"content-type"), streaming=True)
    is_readable = is_stream and not _is_encoded(head.headers)
    return Withholding(applies=request.withholds_usage and is_readable)


def is_extra_chunk(event: bytes) -> bool:
    """Whether an event says how many tokens there were, and nothing else."""
    if b"usage" not in event:
        return False
    try:
        frames = SseFramer().feed(event)
        chunk = loads(frames[0].data) if len(frames) == 1 and not frames[0].event else None
    except Misheard:
        return False
    return isinstance(chunk, dict) and _is_usage_alone(chunk)


def _is_usage_alone(chunk: Mapping[str, Any]) -> bool:
    said = {name for name, member in chunk.items() if member not in (None, "", [], {})}
    return (
        chunk.get("choices") == []
        and isinstance(chunk.get("usage"), dict)
        and said <= MEANS_NOTHING
    )
