"""Request bodies that are too deep, too wide, odd, or far larger than they look."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import zstandard

Made = Callable[[bytes], bytes]
Packer = Callable[[bytes], bytes]
DEEP = 100_000
LISTS = b"[" * DEEP + b"]" * DEEP
OBJECTS = b'{"a":' * DEEP + b"1" + b"}" * DEEP


@final
@dataclass(frozen=True, slots=True)
class Body:
    """``made`` makes it of a plain one; ``unavailable``: why the record then has no prompt."""

    made: Made
    unavailable: str | None = None
    coding: bytes = b"identity"


def beside(member: bytes) -> Made:
    """Return the plain body with a member more."""
    return lambda plain: plain[:-1] + b"," + member + b"}"


def bomb(*packers: Packer) -> Made:
    """Return the plain body behind 48 MiB of blanks, packed."""

    def made(plain: bytes) -> bytes:
        body = b" " * (48 << 20) + plain
        for pack in packers:
            body = pack(body)
        return body

    return made


def numbered() -> Made:
    return beside(b",".join(b'"x%d":%d' % (number, number) for number in range(200_000)))


BODIES: Mapping[str, Body] = {
    "deep lists": Body(beside(b'"x":' + LISTS), "too_deep"),
    "deep objects": Body(beside(b'"x":' + OBJECTS), "too_deep"),
    "deep tools": Body(beside(b'"tools":' + LISTS), "too_deep"),
    "deep options": Body(beside(b'"stream_options":' + OBJECTS), "too_deep"),
    "a wide object": Body(numbered()),
    "equal members": Body(beside(b",".join([b'"x":1'] * 200_000))),
    "a number of 100,000 digits": Body(beside(b'"max_tokens":' + b"9" * 100_000)),
    "a number without bounds": Body(beside(b'"max_tokens":1e999999')),
    "bytes that are no text": Body(beside(b'"x":"\xff\xfe\xc0\xaf"')),
    "halves of characters": Body(beside(b'"x":"\\ud800","\\udfff":1')),
    "a zero byte in a text": Body(beside(b'"user":"a\\u0000b"')),
    "a gzip bomb": Body(bomb(gzip.compress), "too_large", b"gzip"),
    "a zstd bomb": Body(bomb(zstandard.compress), "too_large", b"zstd"),
    "a bomb in a bomb": Body(bomb(gzip.compress, gzip.compress), "too_large", b"gzip, gzip"),
    "no gzip at all": Body(bytes, "content-encoding", b"gzip"),
    "five codings": Body(bytes, "content-encoding", b", ".join([b"gzip"] * 5)),
    "an unknown coding": Body(bytes, "content-encoding", b"rot13"),
}
"""Each asks for a stream, with one word of a prompt."""
