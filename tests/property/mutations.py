"""Byte streams that no server should send: recordings damaged in many ways, and noise."""

import gzip
from random import Random

import brotli  # type: ignore[import-untyped] # ships no types
import zstandard

from tests.golden.recordings import RECORDINGS

SEEDS = tuple(recording.response for recording in RECORDINGS)
TOKENS = (
    *(b"\n\n", b"\r\n\r\n", b"\r", b"data: ", b"event: ", b"data: [DONE]\n\n", b"\xef\xbb\xbf"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"\\",
        b"\\u",
        b"\\ud800",
        b"null",
        b"NaN",
        b"1e999",
    ),
    *(b"-1", b"9" * 40, b"\x00", b"\xff\xfe", b"\xf0\x9f", b'{"type":"error"}', b'"index":-1'),
    *(b'"type":"message_start"', b'"type":"response.completed"', b'"content":[{}]', b"[" * 300),
    *(b'"tool_calls":[{"index":0}]', b'"usage":{"input_tokens":"x"}', b"event: error\n"),
)
LONGEST = 4096
"""A seed longer than this is used in part: what is looked for does not need length."""


def damaged(random: Random) -> bytes:
    """A recording, or noise, after one to five changes."""
    body = bytearray(_beginning(random))
    for _ in range(random.randint(1, 5)):
        at = random.randint(0, len(body))
        match random.randrange(7):
            case 0 if body:
                body[at % len(body)] ^= 1 << random.randrange(8)
            case 1:
                del body[at : at + random.randint(1, 64)]
            case 2:
                body[at:at] = random.choice(TOKENS)
            case 3:
                body[at:at] = body[at : at + random.randint(1, 200)] * random.randint(1, 3)
            case 4:
                other = random.choice(SEEDS)
                begin = random.randrange(len(other) + 1)
                body[at:] = other[begin : begin + LONGEST]
            case 5:
                body[at:at] = random.randbytes(random.randint(1, 16))
            case _:
                body[at : at + 1] = random.choice(TOKENS)
    return bytes(body)


def _beginning(random: Random) -> bytes:
    if random.randrange(8) == 0:
        return random.randbytes(random.randint(0, 200))
    seed = random.choice(SEEDS)
    return seed if len(seed) <= LONGEST else seed[: random.randint(1, LONGEST)]


def packed(random: Random, body: bytes) -> tuple[bytes | None, bytes]:
    """Mostly as it is; else in a coding, which may be damaged too, or not the one that is named."""
    match random.randrange(12):
        case 0:
            coding, body = b"gzip", gzip.compress(body, 1)
        case 1:
            coding, body = b"br", bytes(brotli.compress(body, quality=1))
        case 2:
            coding, body = b"zstd", zstandard.ZstdCompressor(level=1).compress(body)
        case 3:
            return random.choice((b"gzip", b"br, gzip", b"deflate", b"zstd", b"rot13", b"")), body
        case _:
            return None, body
    if random.randrange(3) == 0 and body:
        changed = bytearray(body)
        changed[random.randrange(len(body))] ^= 1 << random.randrange(8)
        body = bytes(changed)[: random.randint(1, len(body))]
    return coding, body


def in_chunks(random: Random, body: bytes) -> list[bytes]:
    if random.randrange(16) == 0:
        return [body[at : at + 1] for at in range(len(body))]
    edges = sorted(random.choices(range(len(body) + 1), k=random.randrange(6)))
    return [body[start:end] for start, end in zip([0, *edges], [*edges, len(body)], strict=True)]
