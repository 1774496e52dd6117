"""Bodies as they travel: in a content coding, in chunks of any size."""

import zlib
from collections.abc import Iterable
from itertools import pairwise

import brotli  # type: ignore[import-untyped] # ships no types
import zstandard

CODINGS = (None, b"gzip", b"br", b"zstd")


def encoded(body: bytes, coding: bytes | None) -> bytes:
    if coding == b"gzip":
        packer = zlib.compressobj(wbits=31)
        return packer.compress(body) + packer.flush()
    if coding == b"br":
        return bytes(brotli.compress(body))
    if coding == b"zstd":
        return zstandard.ZstdCompressor().compress(body)
    return body


def sliced(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return [body[start:end] for start, end in pairwise(edges)]
