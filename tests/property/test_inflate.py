"""Content codings: whatever was packed comes back, from any chunks; noise raises Misheard only."""

import zlib

import brotli  # type: ignore[import-untyped] # ships no types
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from aigateway.errors import Misheard
from aigateway.wire.inflate import inflated, inflater_for


def packed(body: bytes, coding: str, level: int) -> bytes:
    if coding == "br":
        return bytes(brotli.compress(body, quality=level))
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=level).compress(body)
    packer = zlib.compressobj(level=level, wbits={"gzip": 31, "deflate": -15}[coding])
    return packer.compress(body) + packer.flush()


codings = st.sampled_from(["gzip", "deflate", "br", "zstd"])


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    pattern=st.binary(max_size=400),
    times=st.integers(1, 2000),
    chain=st.lists(codings, max_size=3),
    level=st.integers(1, 9),
    step=st.integers(1, 5000),
)
def test_any_chain_of_codings_is_undone(
    pattern: bytes, times: int, chain: list[str], level: int, step: int
) -> None:
    sent = body = pattern * times
    for coding in chain:
        sent = packed(sent, coding, level)
    header = ", ".join(chain).encode()
    inflater = inflater_for(header)
    pieces = [inflater.feed(sent[at : at + step]) for at in range(0, len(sent), step)]
    assert b"".join(pieces) + inflater.end() == inflated(sent, header) == body


@settings(max_examples=120, deadline=None, derandomize=True)
@given(noise=st.binary(max_size=300), coding=codings, cut=st.integers(0, 300))
def test_noise_is_refused_or_read_but_never_a_fault_of_another_kind(
    noise: bytes, coding: str, cut: int
) -> None:
    inflater = inflater_for(coding.encode())
    try:
        inflater.feed(packed(noise, coding, 1)[:cut] + noise)
        inflater.feed(noise)
        inflater.end()
    except Misheard:
        return
