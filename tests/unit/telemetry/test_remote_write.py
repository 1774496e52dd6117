"""Messages of remote write and their compression, byte by byte."""

import math
import struct

import pytest

from aigateway.telemetry.remote_write import (
    STALE,
    Sample,
    compressed,
    literal_only,
    message,
)

LABELS = (("__name__", "up"), ("job", "x"))


def test_a_message_is_the_one_that_the_specification_describes() -> None:
    """Written by hand from the field numbers of ``WriteRequest``."""
    encoded = message([Sample(LABELS, 1.5, 300)])
    name = b"\x0a\x0e" + b"\x0a\x08__name__" + b"\x12\x02up"
    job = b"\x0a\x08" + b"\x0a\x03job" + b"\x12\x01x"
    sample = b"\x12\x0c" + b"\x09\x00\x00\x00\x00\x00\x00\xf8\x3f" + b"\x10\xac\x02"
    series = name + job + sample
    assert encoded == b"\x0a" + bytes((len(series),)) + series


def test_each_series_is_a_member_of_its_own_in_order() -> None:
    samples = [Sample(LABELS, float(number), number) for number in range(3)]
    assert message(samples) == b"".join(message([sample]) for sample in samples)
    assert message([]) == b""


def test_long_members_have_lengths_of_several_bytes() -> None:
    text = "ü" * 100
    encoded = message([Sample((("a", text),), 0.0, 0)])
    assert b"\x12\xc8\x01" + text.encode() in encoded


def test_a_time_of_today_takes_six_bytes() -> None:
    at_ms = 1_795_490_752_140
    encoded = message([Sample((), 0.0, at_ms)])
    number, shift = 0, 0
    for byte in encoded[-6:]:
        number |= (byte & 0x7F) << shift
        shift += 7
    assert number == at_ms
    assert encoded[-7] == 0x10


def test_the_end_of_a_series_is_one_certain_nan() -> None:
    encoded = message([Sample(LABELS, None, 300)])
    assert STALE == b"\x02\x00\x00\x00\x00\x00\xf0\x7f"
    assert STALE in encoded
    assert math.isnan(struct.unpack("<d", STALE)[0])
    assert struct.pack("<d", math.nan) != STALE


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x00"),
        (1, b"\x01\x00"),
        (60, b"\x3c\xec"),
        (61, b"\x3d\xf0\x3c"),
        (256, b"\x80\x02\xf0\xff"),
        (257, b"\x81\x02\xf4\x00\x01"),
        (65_536, b"\x80\x80\x04\xf4\xff\xff"),
    ],
)
def test_a_literal_stands_behind_its_length(size: int, head: bytes) -> None:
    content = bytes(number % 251 for number in range(size))
    assert literal_only(content) == head + content


def test_a_long_text_is_cut_into_literals() -> None:
    content = bytes(65_537)
    assert literal_only(content) == (
        b"\x81\x80\x04" + b"\xf4\xff\xff" + bytes(65_536) + b"\x00\x00"
    )


def test_without_the_library_the_form_is_the_same() -> None:
    """The library is optional: where it is missing, what is sent is larger and as good."""
    content = b"coder_ai_gateway_" * 50
    pytest.importorskip("cramjam", reason="it is optional, and not installed here")
    assert len(compressed(content)) < len(content) / 5
