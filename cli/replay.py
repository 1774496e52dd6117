"""A recorded response through the readers: what the gateway would have recorded of it."""

import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from aigateway.clock import SystemClock
from aigateway.errors import Misheard
from aigateway.relay.scribe import Scribe
from aigateway.transcript.facts import Dialect, Fact, Thought, TokenUsage, ToolUsage
from aigateway.wire.inflate import inflater_for
from aigateway.wire.messages import Headers, ResponseHead, value, values
from cli.figures import size
from cli.ledger import Mistake
from cli.output import Output
from cli.terminal import Line, Span, Style

STANDARD_INPUT = "-"
OK, FIRST_FINAL_STATUS = 200, 200
STREAM_STARTS = (b"event:", b"data:", b"id:", b"retry:", b":")
TELLING = (
    (Dialect.RESPONSES, re.compile(rb'"type"\s*:\s*"response\.|"object"\s*:\s*"response[".]')),
    (Dialect.CHAT, re.compile(rb'"object"\s*:\s*"chat\.completion')),
    (Dialect.MESSAGES, re.compile(rb'"type"\s*:\s*"message')),
)
"""What tells a dialect; the first that is found near the beginning counts."""
BEGINNING_BYTES = 64 * 1024
STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})(?: .*)?")
HEAD_END = re.compile(rb"\r?\n\r?\n")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
MARGIN = Span("  ")


@final
@dataclass(frozen=True, slots=True)
class Recorded:
    """A response as it was kept: ``head`` is ``None`` where there is only the body."""

    head: ResponseHead | None
    body: bytes


def replay(wanted: Namespace, output: Output) -> None:
    """Print the facts of a file. Raises ``Mistake`` where it is not understood to its end."""
    recorded = recorded_in(_content(wanted.file))
    head = _head(recorded, wanted)
    beginning = _beginning(head, recorded.body)
    dialect = Dialect(wanted.dialect) if wanted.dialect else _dialect_of(beginning)
    streaming = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(STREAM_STARTS)
    scribe = Scribe(head, dialect, streaming=streaming, clock=SystemClock())
    scribe.hear(recorded.body)
    scribe.end(cut=wanted.cut)
    if wanted.json:
        output.document(_document(head, dialect, scribe))
    else:
        output.lines(_lines(head, dialect, scribe))
    if scribe.deaf is not None:
        raise Mistake(f"the rest was not understood: {scribe.deaf}")


def recorded_in(content: bytes) -> Recorded:
    """Take a file apart. Of several heads, as after a ``100 Continue``, the last one counts."""
    head: ResponseHead | None = None
    while (found := STATUS_LINE.match(content)) is not None:
        end = HEAD_END.search(content)
        lines = content[: end.start() if end else len(content)].splitlines()[1:]
        pairs = (line.partition(b":") for line in lines)
        headers = tuple((name.strip().lower(), text.strip()) for name, _, text in pairs)
        head = ResponseHead(int(found[1]), headers)
        content = content[end.end() :] if end else b""
        if head.status >= FIRST_FINAL_STATUS:
            break
    if head is not None and b"chunked" in (value(head.headers, b"transfer-encoding") or b""):
        content = _joined(content)
    return Recorded(head, content)


def _joined(content: bytes) -> bytes:
    """Undo the chunked coding (RFC 9112 7.1). What is not in chunks is taken as it is.

    Some programs write the head as it came and the body already joined.
    """
    pieces: list[bytes] = []
    at = 0
    while (found := CHUNK.match(content, at)) is not None:
        start, length = found.end(), int(found[1], 16)
        if not length:
            return b"".join(pieces)
        pieces.append(content[start : start + length])
        at = start + length + 2
    return b"".join(pieces) or content


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise Mistake(f"{file} cannot be read: {error.strerror}") from error


def _head(recorded: Recorded, wanted: Namespace) -> ResponseHead:
    """Return the head, with what the command says in place of what the file says."""
    found = recorded.head or ResponseHead(OK, ())
    headers = found.headers
    if wanted.coding is not None:
        others = tuple(pair for pair in headers if pair[0] != b"content-encoding")
        headers = (*others, (b"content-encoding", wanted.coding.encode()))
    return ResponseHead(found.status if wanted.status is None else wanted.status, headers)


def _codings(headers: Headers) -> bytes:
    return b",".join(values(headers, b"content-encoding"))


def _beginning(head: ResponseHead, body: bytes) -> bytes:
    """Return the first part of the body, decoded as far as it can be."""
    with suppress(Misheard):
        return inflater_for(_codings(head.headers)).feed(body[:BEGINNING_BYTES])
    return b""


def _dialect_of(beginning: bytes) -> Dialect:
    found = [
        (told.start(), dialect)
        for dialect, words in TELLING
        if (told := words.search(beginning)) is not None
    ]
    if not found:
        raise Mistake("the dialect is not told by the response: add --dialect", 2)
    return min(found)[1]


def _facts(scribe: Scribe) -> Iterator[Fact]:
    yield from ([scribe.answered] if scribe.answered else [])
    yield from (heard.fact for heard in scribe.rows)
    yield from ([scribe.ended] if scribe.ended else [])


def _document(head: ResponseHead, dialect: Dialect, scribe: Scribe) -> dict[str, Any]:
    return {
        "dialect": dialect,
        "status": head.status,
        "content_encoding": _codings(head.headers).decode("latin-1") or "identity",
        "bytes": scribe.heard_bytes,
        "deaf": scribe.deaf,
        "facts": [{"fact": type(fact).__name__, **asdict(fact)} for fact in _facts(scribe)],
    }


def _lines(head: ResponseHead, dialect: Dialect, scribe: Scribe) -> Iterator[Line]:
    about = f"{dialect} · status {head.status} · {size(scribe.heard_bytes)}"
    yield Line((Span(about, "strong"),))
    for fact in _facts(scribe):
        yield Line((Span(type(fact).__name__, _style(fact)),))
        for name, member in asdict(fact).items():
            if member not in (None, {}, ""):
                yield Line((Span(f"{name}: ", "faint"), Span(str(member))), MARGIN)


def _style(fact: Fact) -> Style:
    if isinstance(fact, ToolUsage):
        return "tool"
    if isinstance(fact, Thought):
        return "thought"
    return "good" if isinstance(fact, TokenUsage) else "user"
