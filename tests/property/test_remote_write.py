"""What is encoded reads back the same, whatever it is; cramjam is the oracle where it is."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.telemetry.remote_write import STALE, Sample, compressed, literal_only, message

LABELS = some.dictionaries(some.text(max_size=20), some.text(max_size=200), max_size=5)
SAMPLES = some.builds(
    Sample,
    LABELS.map(lambda labels: tuple(sorted(labels.items()))),
    some.none() | some.floats(allow_nan=False),
    some.integers(0, 2**62),
)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def members(data: bytes) -> list[tuple[int, Any]]:
    """Read a protobuf message: field numbers and contents (developers.google.com, "Encoding")."""
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = data[at : at + 8], at + 8
        else:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        found.append((tag >> 3, value))
    return found


def sample_of(series: bytes) -> Sample:
    parts = members(series)
    labels = [dict(members(content)) for number, content in parts if number == 1]
    ((value, at_ms),) = [
        (dict(members(content))[1], dict(members(content))[2])
        for number, content in parts
        if number == 2
    ]
    pairs = tuple((label[1].decode(), label[2].decode()) for label in labels)
    return Sample(pairs, None if value == STALE else struct.unpack("<d", value)[0], at_ms)


def unpacked(data: bytes) -> bytes:
    """Read snappy's block format as far as literals go (google/snappy, format_description.txt)."""
    length, at = varint(data, 0)
    content = bytearray()
    while at < len(data):
        tag, at = data[at], at + 1
        assert tag & 3 == 0, "no literal"
        size = tag >> 2
        if size >= 60:
            extra = size - 59
            size, at = int.from_bytes(data[at : at + extra], "little"), at + extra
        content += data[at : at + size + 1]
        at += size + 1
    assert len(content) == length
    return bytes(content)


@given(some.lists(SAMPLES, max_size=8))
def test_messages_read_back_the_same(samples: list[Sample]) -> None:
    assert [sample_of(series) for _, series in members(message(samples))] == samples


@given(some.binary(max_size=400) | some.integers(0, 200_000).map(bytes))
def test_literals_read_back_the_same(content: bytes) -> None:
    assert unpacked(literal_only(content)) == content


@given(some.binary(max_size=400) | some.integers(0, 200_000).map(bytes))
def test_both_ways_of_compressing_read_back_the_same(content: bytes) -> None:
    cramjam = pytest.importorskip("cramjam", reason="it is optional, and not installed here")
    read = cramjam.snappy.decompress_raw
    assert bytes(read(literal_only(content))) == bytes(read(compressed(content))) == content
