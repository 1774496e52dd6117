import struct
import zlib

import pytest

from aigateway.errors import EventStreamDamaged
from aigateway.wire.eventstream import (
    HEADERS_LIMIT_BYTES,
    PAYLOAD_LIMIT_BYTES,
    EventStreamDecoder,
)
from local.scripted.eventstream import message

CHUNK = {":message-type": "event", ":event-type": "chunk"}


def test_what_came_before_the_damage_is_given_first() -> None:
    decoder = EventStreamDecoder()
    good = message(CHUNK, b"one")
    (found,) = decoder.feed(good + b"\0" * 12)
    assert (found.payload, found.text(":event-type"), found.text(":other")) == (
        b"one",
        "chunk",
        None,
    )
    for _ in range(2):
        with pytest.raises(EventStreamDamaged, match="checksum of a prelude"):
            decoder.feed(good)
    with pytest.raises(EventStreamDamaged, match="checksum of a prelude"):
        decoder.end()


def test_an_end_within_a_message_is_a_fault() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(message(CHUNK, b"one")[:-1]) == []
    with pytest.raises(EventStreamDamaged, match="ended within"):
        decoder.end()


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        (15, 0),
        (20, 5),
        (16 + HEADERS_LIMIT_BYTES + 1, HEADERS_LIMIT_BYTES + 1),
        (16 + PAYLOAD_LIMIT_BYTES + 1, 0),
    ],
)
def test_i12_lengths_beyond_the_limits_are_refused_by_the_prelude_alone(
    total: int, headers: int
) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(EventStreamDamaged, match="longer than allowed, or shorter"):
        EventStreamDecoder().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))
