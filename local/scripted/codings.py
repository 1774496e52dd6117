"""Content codings: of requests, and of answers, flushed after every chunk as a service does."""

import zlib
from collections.abc import Iterable, Iterator

import brotli  # type: ignore[import-untyped]  # the package has no types
import zstandard

GZIP_BITS = 16 + zlib.MAX_WBITS


def encoded(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """``coding`` is gzip, deflate (the zlib format, RFC 9110 8.4.1.2), br or zstd; "" is none.

    The end mark of the coding follows the last chunk; whoever cuts the stream loses it.
    """
    match coding:
        case "gzip" | "deflate":
            bits = GZIP_BITS if coding == "gzip" else zlib.MAX_WBITS
            squeeze = zlib.compressobj(6, zlib.DEFLATED, bits)
            for chunk in chunks:
                yield squeeze.compress(chunk) + squeeze.flush(zlib.Z_SYNC_FLUSH)
            yield squeeze.flush()
        case "br":
            brotli_stream = brotli.Compressor(quality=4)
            for chunk in chunks:
                yield brotli_stream.process(chunk) + brotli_stream.flush()
            yield brotli_stream.finish()
        case "zstd":
            zstd_stream = zstandard.ZstdCompressor().compressobj()
            for chunk in chunks:
                head = zstd_stream.compress(chunk)
                yield head + zstd_stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            yield zstd_stream.flush()
        case _:
            yield from chunks


def decoded(body: bytes, coding: str) -> bytes:
    """A request's body; Codex sends some as zstd. Raises ``ValueError`` if it is not so coded."""
    try:
        match coding:
            case "gzip" | "deflate":
                return zlib.decompress(body, GZIP_BITS if coding == "gzip" else zlib.MAX_WBITS)
            case "br":
                return bytes(brotli.decompress(body))
            case "zstd":
                return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(body))
            case _:
                return body
    except (zlib.error, brotli.error, zstandard.ZstdError) as problem:
        raise ValueError(f"no {coding} body: {problem}") from problem
