"""Content codings of an observed copy: identity, gzip, deflate, br, zstd (RFC 9110 section 8.4).

The door of brotli and zstandard. Each is optional: a coding without its decoder is not among
``readable_codings()``.
"""

import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Protocol, final

from aigateway.errors import Misheard

DECODED_LIMIT_BYTES = 64 * 1024 * 1024
RATIO_LIMIT = 200
RATIO_FLOOR_BYTES = 1024 * 1024
"""Up to here no ratio is taken: a short repetitive body compresses better than ``RATIO_LIMIT``."""

_PIECE_BYTES = 64 * 1024
_CODINGS_LIMIT = 4
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""RFC 9659: a zstd content coding needs no larger window; a larger one is refused unread."""


class Inflater(Protocol):
    """Undoes the content codings of one body, whatever the chunk boundaries."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what ``chunk`` made readable, as early as the coding allows.

        Raises ``Misheard``: ``broken_encoding``, or ``decoded_too_large`` beyond
        ``DECODED_LIMIT_BYTES`` or beyond ``RATIO_LIMIT`` times what was fed so far. What was
        decoded before the fault is returned first; then the next call raises.
        """

    def end(self) -> bytes:
        """Return the rest. A body that broke off is not a fault here: its bytes were given."""


class _Coding(Protocol):
    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield decoded pieces of about ``_PIECE_BYTES``; raise ``Misheard`` when broken."""

    def is_whole(self) -> bool:
        """Whether the body may end here."""


@final
class _Identity:
    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def end(self) -> bytes:
        return b""

    def is_whole(self) -> bool:
        return True


@final
class _Capped:
    """One coding, and the most that it may have made."""

    def __init__(self, coding: _Coding) -> None:
        self._coding = coding
        self._made = 0
        self._fault: Misheard | None = None

    def feed(self, chunk: bytes, most: int) -> bytes:
        if self._fault is not None:
            raise self._fault
        decoded: list[bytes] = []
        try:
            for piece in self._coding.pieces(chunk):
                self._made += len(piece)
                if self._made > most:
                    raise Misheard("decoded_too_large")  # noqa: TRY301 - kept like a broken one
                decoded.append(piece)
        except Misheard as fault:
            self._fault = fault
            if not any(decoded):
                raise
        return b"".join(decoded)

    def end(self) -> bytes:
        if self._fault is not None:
            raise self._fault
        return b""

    def is_whole(self) -> bool:
        return self._fault is None and self._coding.is_whole()


@final
class _Chain:
    """Several codings, the last one applied undone first; the limits are those of the body."""

    def __init__(self, layers: list[_Capped]) -> None:
        self._layers = layers
        self._fed = 0

    def feed(self, chunk: bytes) -> bytes:
        self._fed += len(chunk)
        most = min(DECODED_LIMIT_BYTES, max(RATIO_FLOOR_BYTES, RATIO_LIMIT * self._fed))
        for layer in self._layers:
            chunk = layer.feed(chunk, most)
        return chunk

    def end(self) -> bytes:
        for layer in self._layers:
            layer.end()
        return b""

    def is_whole(self) -> bool:
        return all(layer.is_whole() for layer in self._layers)


@final
class _Gzip:
    """RFC 1952: one or more members; bytes behind them that begin no member are ignored."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False
        self._over = False

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        while chunk and not self._over:
            if self._member.eof:
                if not chunk.startswith(b"\x1f"):
                    self._over = True
                    return
                self._member = zlib.decompressobj(wbits=31)
            self._begun = True
            yield from _zlib_pieces(self._member, chunk)
            chunk = self._member.unused_data

    def is_whole(self) -> bool:
        return self._member.eof or not self._begun


@final
class _Deflate:
    """``deflate`` is the zlib format (RFC 9110 8.4.1.2); some servers send it raw (RFC 1951)."""

    def __init__(self) -> None:
        self._head = b""
        self._stream: zlib._Decompress | None = None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._head += chunk
            if len(self._head) < 2:  # noqa: PLR2004 - the zlib header has two bytes
                return
            chunk, self._head = self._head, b""
            self._stream = zlib.decompressobj(wbits=15 if _is_zlib(chunk) else -15)
        if not self._stream.eof:
            yield from _zlib_pieces(self._stream, chunk)

    def is_whole(self) -> bool:
        return self._stream.eof if self._stream is not None else not self._head


def _is_zlib(head: bytes) -> bool:
    """RFC 1950 section 2.2: method 8 in the low bits, the first two bytes a multiple of 31."""
    return head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0  # noqa: PLR2004


def _zlib_pieces(stream: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = stream.decompress(chunk, _PIECE_BYTES)
        except zlib.error as error:
            raise Misheard("broken_encoding") from error
        yield piece
        chunk = stream.unconsumed_tail
        if stream.eof or (not chunk and len(piece) < _PIECE_BYTES):
            return


@final
class _Brotli:
    """RFC 7932."""

    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped]  # noqa: PLC0415 - optional; ships no types

        self._stream = brotli.Decompressor()
        self._error: type[Exception] = brotli.error
        self._begun = False

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(chunk)
        while not self._stream.is_finished():
            try:
                piece: bytes = self._stream.process(chunk, output_buffer_limit=_PIECE_BYTES)
            except self._error as error:
                raise Misheard("broken_encoding") from error
            yield piece
            chunk = b""
            if self._stream.can_accept_more_data():
                return

    def is_whole(self) -> bool:
        return not self._begun or bool(self._stream.is_finished())


@final
class _Sink:
    """Takes decoded pieces from the library; the limit ends a bomb inside its own call.

    An object of its own: the library's stream keeps its sink alive and is no part of Python's
    garbage collection, so a sink that knew the stream would never be freed.
    """

    def __init__(self) -> None:
        self.made: list[bytes] = []
        self.room = 0

    def write(self, piece: bytes) -> int:
        self.room -= len(piece)
        if self.room < 0:
            raise Misheard("decoded_too_large")
        self.made.append(bytes(piece))
        return len(piece)


@final
class _Zstd:
    """RFC 8878: one or more frames.

    The library cannot say whether a frame is complete, so a body that broke off passes as whole.
    """

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - optional

        self._sink = _Sink()
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._stream = decompressor.stream_writer(
            self._sink,  # type: ignore[arg-type] # of a file it needs no more than ``write``
            write_size=_PIECE_BYTES,
        )
        self._error: type[Exception] = zstandard.ZstdError

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        sink = self._sink
        sink.made = []
        sink.room = max(RATIO_FLOOR_BYTES, RATIO_LIMIT * len(chunk)) + _PIECE_BYTES
        fault: Misheard | None = None
        try:
            self._stream.write(chunk)
        except self._error:
            fault = Misheard("broken_encoding")
        except Misheard as beyond:
            fault = beyond
        yield from sink.made
        sink.made = []
        if fault is not None:
            raise fault

    def is_whole(self) -> bool:
        return True


_CODINGS: dict[bytes, tuple[Callable[[], _Coding], str | None]] = {
    b"gzip": (_Gzip, None),
    b"x-gzip": (_Gzip, None),
    b"deflate": (_Deflate, None),
    b"br": (_Brotli, "brotli"),
    b"zstd": (_Zstd, "zstandard"),
}


def readable_codings() -> frozenset[bytes]:
    """Name the codings that can be undone here; the rest must not be asked for."""
    return frozenset({b"identity"} | {name for name in _CODINGS if _is_readable(name)})


def inflater_for(content_encoding: bytes | None) -> Inflater:
    """Build for a ``Content-Encoding`` value; repeated headers are joined with commas first.

    Raises ``Misheard("unknown_encoding")``, also for more than four codings on one body.
    """
    return _inflater(content_encoding)


def inflated(body: bytes, content_encoding: bytes | None) -> bytes:
    """Undo the codings of a whole body. Raises ``Misheard``, also when the body broke off."""
    inflater = _inflater(content_encoding)
    decoded = inflater.feed(body)
    decoded += inflater.end()
    if not inflater.is_whole():
        raise Misheard("broken_encoding")
    return decoded


def _is_readable(coding: bytes) -> bool:
    if coding not in _CODINGS:
        return False
    _, library = _CODINGS[coding]
    return library is None or find_spec(library) is not None


def _inflater(content_encoding: bytes | None) -> _Identity | _Chain:
    names = [name.strip().lower() for name in (content_encoding or b"").split(b",")]
    names = [name for name in names if name not in {b"", b"identity"}]
    if len(names) > _CODINGS_LIMIT or not all(_is_readable(name) for name in names):
        raise Misheard("unknown_encoding")
    if not names:
        return _Identity()
    return _Chain([_Capped(_CODINGS[name][0]()) for name in reversed(names)])
