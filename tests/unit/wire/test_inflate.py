import gc
import sys
import zlib
from contextlib import suppress

import brotli  # type: ignore[import-untyped] # ships no types
import pytest
import zstandard

from aigateway.errors import Misheard
from aigateway.wire.inflate import (
    DECODED_LIMIT_BYTES,
    inflated,
    inflater_for,
    readable_codings,
)

TEXT = b'data: {"text": "hello"}\n\n' * 50


def packed(body: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(body) + packer.flush()


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


CODED = {
    b"identity": TEXT,
    b"": TEXT,
    b"gzip": packed(TEXT, 31),
    b"X-Gzip": packed(TEXT[:100], 31) + packed(TEXT[100:], 31),
    b"deflate": packed(TEXT, 15),
    b" Deflate ": packed(TEXT, -15),
    b"br": brotli.compress(TEXT),
    b"zstd": zstd(TEXT[:100]) + zstd(TEXT[100:]),
    b"zstd, identity, gzip": packed(zstd(TEXT), 31),
}


@pytest.mark.parametrize("coding", CODED)
def test_every_coding_reads_whole_and_byte_by_byte(coding: bytes) -> None:
    body = CODED[coding]
    inflater = inflater_for(coding)
    pieces = [inflater.feed(body[at : at + 1]) for at in range(len(body))]
    assert b"".join(pieces) + inflater.end() == inflated(body, coding) == TEXT


def test_no_coding_is_identity() -> None:
    assert inflated(TEXT, None) == TEXT


def test_what_was_flushed_is_readable_at_once() -> None:
    gzip = zlib.compressobj(wbits=31)
    assert (
        inflater_for(b"gzip").feed(gzip.compress(b"one") + gzip.flush(zlib.Z_SYNC_FLUSH)) == b"one"
    )
    br = brotli.Compressor()
    assert inflater_for(b"br").feed(br.process(b"one") + br.flush()) == b"one"
    zs = zstandard.ZstdCompressor().compressobj()
    flushed = zs.compress(b"one") + zs.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    assert inflater_for(b"zstd").feed(flushed) == b"one"


@pytest.mark.parametrize(
    "body",
    [
        (b"gzip", packed(bytes(100_000_000), 31)),
        (b"deflate", packed(bytes(100_000_000), 15)),
        (b"br", brotli.compress(bytes(100_000_000), quality=1)),
        (b"zstd", zstd(bytes(100_000_000))),
    ],
    ids=["gzip", "deflate", "br", "zstd"],
)
def test_a_bomb_is_refused_before_it_is_large(body: tuple[bytes, bytes]) -> None:
    coding, bomb = body
    inflater = inflater_for(coding)
    made = 0
    with pytest.raises(Misheard, match="decoded_too_large"):  # noqa: PT012 - after what was good
        for at in range(0, len(bomb), 1000):
            made += len(inflater.feed(bomb[at : at + 1000]))
        inflater.feed(b"more")
    assert made <= 200 * len(bomb) + 2 * 1024 * 1024
    assert made < DECODED_LIMIT_BYTES


def test_a_small_body_may_be_as_repetitive_as_it_likes() -> None:
    assert len(inflated(zstd(bytes(1_000_000)), b"zstd")) == 1_000_000


def test_a_bomb_in_a_bomb_is_measured_by_what_came() -> None:
    bomb = packed(packed(bytes(200 << 20), 31), 31)
    inflater = inflater_for(b"gzip, gzip")
    assert len(inflater.feed(bomb)) <= 1 << 20
    with pytest.raises(Misheard, match="decoded_too_large"):
        inflater.feed(b"")


@pytest.mark.parametrize(
    "coding", [b"compress", b"gzip, compress", b"x", b"gzip,gzip,gzip,gzip,gzip"]
)
def test_an_unknown_coding_is_refused(coding: bytes) -> None:
    with pytest.raises(Misheard, match="unknown_encoding"):
        inflater_for(coding)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_noise_is_broken(coding: bytes) -> None:
    noise = bytes(range(255, 0, -1)) * 40
    with pytest.raises(Misheard, match="broken_encoding"):
        inflated(noise, coding)


def test_a_fault_stays_and_what_came_before_it_is_given() -> None:
    gzip = zlib.compressobj(wbits=31)
    good = gzip.compress(b"one") + gzip.flush(zlib.Z_SYNC_FLUSH)
    inflater = inflater_for(b"gzip")
    assert inflater.feed(good) == b"one"
    for _ in range(2):
        with pytest.raises(Misheard, match="broken_encoding"):
            inflater.feed(b"\xff" * 100)
    with pytest.raises(Misheard, match="broken_encoding"):
        inflater.end()


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br"])
def test_a_body_that_broke_off_is_broken_as_a_whole_only(coding: bytes) -> None:
    half = CODED[coding][:-9]
    inflater = inflater_for(coding)
    assert TEXT.startswith(inflater.feed(half) + inflater.end())
    with pytest.raises(Misheard, match="broken_encoding"):
        inflated(half, coding)


def test_bytes_behind_a_gzip_member_are_ignored() -> None:
    assert inflated(packed(b"one", 31) + b"\0\0\0", b"gzip") == b"one"


def test_a_window_beyond_the_standard_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = packer.compress(bytes(1000)) + packer.flush()
    with pytest.raises(Misheard, match="broken_encoding"):
        inflated(body, b"zstd")


def test_a_coding_without_its_library_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert b"br" not in readable_codings()
    with pytest.raises(Misheard, match="unknown_encoding"):
        inflater_for(b"br")


def test_all_five_codings_are_readable_here() -> None:
    assert {b"identity", b"gzip", b"deflate", b"br", b"zstd"} <= readable_codings()


def living() -> int:
    gc.collect()
    return sum(type(kept).__module__ == inflater_for.__module__ for kept in gc.get_objects())


@pytest.mark.parametrize("coding", sorted(CODED))
def test_nothing_of_an_inflater_outlives_its_body(coding: bytes) -> None:
    before = living()
    for body in (CODED[coding], b"noise", CODED[coding][:3]):
        inflater = inflater_for(coding)
        with suppress(Misheard):
            inflater.feed(body)
        del inflater
    assert living() == before
