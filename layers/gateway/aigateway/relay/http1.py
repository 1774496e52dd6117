"""The door of httptools: HTTP/1.1 as bytes, a request's head out and a response in; no I/O."""

import re
from typing import final

import httptools

from aigateway.errors import UpstreamUnreachable
from aigateway.relay.upstream import SIZED_METHODS, UpstreamRequest
from aigateway.wire.messages import TARGET, Headers, ResponseHead, values

STRANGE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
FRAMING_LIMIT = 256 << 10
"""So many bytes may come without a byte of a body among them: a head, extensions, trailers."""

STATUSES = range(100, 600)
"""Others are invalid (RFC 9110 section 15), and not every host can pass them on."""


def head_of(request: UpstreamRequest) -> bytes:
    """Write the head: what there is, in its order; only Host and Content-Length are added.

    Raises ``UpstreamUnreachable`` for bytes that would end a line, or the head, too early.
    """
    start = (request.method.encode(), request.target, request.provider.base_url.host_header)
    lines = [b"%b %b HTTP/1.1\r\nHost: %b" % start]
    lines += [b"%b: %b" % header for header in request.headers]
    if request.body or request.method in SIZED_METHODS:
        lines.append(b"Content-Length: %d" % len(request.body))
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    ends = len(lines) + 1
    whole = head.count(b"\n") == ends and head.count(b"\r") == ends
    if not whole or STRANGE.search(head) or TARGET.fullmatch(request.target) is None:
        raise UpstreamUnreachable("the request holds a character out of place")
    return head


@final
class Response:
    """The response to one request, whatever the pieces it comes in.

    ``head`` is there once it is whole; 1xx heads before it only announce it (RFC 9110 section
    15.2). ``unread_bytes`` of the body wait to be taken. ``ended``: all of it has come, and
    ``persistent`` then says whether another request may follow. ``malformed``: what comes
    cannot be followed any further; what had come until then stays.

    ``bodiless``: there is no body, whatever the head promises (HEAD).
    """

    def __init__(self, *, bodiless: bool = False) -> None:
        self.head: ResponseHead | None = None
        self.unread_bytes = 0
        self.ended = False
        self.persistent = False
        self.malformed = False
        self._bodiless = bodiless
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._framing_bytes = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | memoryview) -> None:
        """Take what has come next; ``data`` is free for other use afterwards."""
        if self._parser is None:
            self.persistent = False
            return
        unread = self.unread_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break()
        self._framing_bytes = 0 if self.unread_bytes > unread else self._framing_bytes + len(data)
        if self._framing_bytes > FRAMING_LIMIT:
            self._break()
        if self.ended:
            self.let_go()

    def feed_end(self) -> None:
        """Take the end of the stream, which ends a body that has no other end."""
        if self.head is not None and _lasts_until_closed(self.head.headers):
            self.ended = True

    def take(self) -> bytes:
        """Return what waits of the body, in one piece."""
        chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self.unread_bytes = 0
        return chunk

    def let_go(self) -> None:
        """Part from the parser, which knows this object: nothing more will be read."""
        self._parser = None

    def _break(self) -> None:
        self.malformed = not self.ended
        self.persistent = False

    def on_message_begin(self) -> None:
        if self.ended:
            self.persistent = False

    def on_header(self, name: bytes, content: bytes) -> None:
        """Take a header, or leave a trailer. Blanks behind a value are no part of it."""
        if self.head is None:
            self._headers.append((name, content.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        if self.head is not None or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - where the final ones begin
            self._headers.clear()
            return
        headers = tuple(self._headers)
        if status not in STATUSES or not _is_framed_plainly(headers):
            raise ValueError
        self.head = ResponseHead(status, headers)
        if self._bodiless:
            self._end(self._parser)

    def on_body(self, chunk: bytes) -> None:
        if self.ended:
            self.persistent = False
        else:
            self._chunks.append(chunk)
            self.unread_bytes += len(chunk)

    def on_message_complete(self) -> None:
        if self.head is not None and not self.ended and self._parser is not None:
            self._end(self._parser)

    def _end(self, parser: httptools.HttpResponseParser) -> None:
        self.ended = True
        self.persistent = parser.should_keep_alive()


def _is_framed_plainly(headers: Headers) -> bool:
    """Tell whether the body is coded for its way at most as we would take it: chunked, once."""
    return [each.lower() for each in values(headers, b"transfer-encoding")] in ([], [b"chunked"])


def _lasts_until_closed(headers: Headers) -> bool:
    """Tell whether only the end of the stream ends the body (RFC 9112 section 6.3)."""
    return not values(headers, b"transfer-encoding") and not values(headers, b"content-length")
