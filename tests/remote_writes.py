"""What a remote write says, read back by rules of its own."""

import struct
from typing import Any

import cramjam

from aigateway.telemetry.remote_write import STALE, Sample


def samples_in(body: bytes) -> list[Sample]:
    """Return the samples of a request as it is sent."""
    content = bytes(cramjam.snappy.decompress_raw(body))
    return [sample_of(series) for _, series in members(content)]


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
