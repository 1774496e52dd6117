"""Event streams, against the decoder of botocore: any cuts, any damage."""

import struct
import zlib
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as some

from aigateway.errors import EventStreamDamaged
from aigateway.wire.eventstream import EventMessage, EventStreamDecoder, HeaderValue
from local.scripted.eventstream import message

KINDS = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}


def integers(kind: int) -> some.SearchStrategy[bytes]:
    bits = struct.calcsize(KINDS[kind]) * 8 - 1
    values = some.integers(-(2**bits), 2**bits - 1)
    return values.map(lambda value: bytes([kind]) + struct.pack(KINDS[kind], value))


def sized(kind: int) -> some.SearchStrategy[bytes]:
    content = some.binary(max_size=20) if kind == 6 else some.text(max_size=9).map(str.encode)
    return content.map(lambda data: bytes([kind]) + len(data).to_bytes(2, "big") + data)


VALUES = some.one_of(
    some.sampled_from([b"\x00", b"\x01"]),
    *(integers(kind) for kind in KINDS),
    sized(6),
    sized(7),
    some.binary(min_size=16, max_size=16).map(lambda data: b"\x09" + data),
)
NAMES = some.text(max_size=9)
HEADERS = some.dictionaries(NAMES, VALUES, max_size=4)


def encoded(headers: dict[str, bytes], payload: bytes) -> bytes:
    block = b"".join(
        bytes([len(name.encode())]) + name.encode() + value for name, value in headers.items()
    )
    lengths = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    whole = lengths + struct.pack(">I", zlib.crc32(lengths)) + block + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


MESSAGES = some.lists(some.builds(encoded, HEADERS, some.binary(max_size=60)), max_size=5)
CUTS = some.lists(some.integers(0, 400), max_size=8)


def sliced(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def by_botocore(data: bytes) -> list[tuple[dict[str, HeaderValue], bytes]]:
    buffer: Any = EventStreamBuffer()
    buffer.add_data(data)
    return [(found.headers, found.payload) for found in buffer]


def heard(pieces: Iterable[bytes]) -> tuple[list[EventMessage], bool]:
    """Decode pieces; whether the stream was whole."""
    decoder = EventStreamDecoder()
    messages: list[EventMessage] = []
    try:
        for piece in pieces:
            messages += decoder.feed(piece)
        decoder.end()
    except EventStreamDamaged:
        return messages, False
    return messages, True


@given(MESSAGES, CUTS)
def test_messages_are_those_of_botocore_wherever_the_chunks_are_cut(
    messages: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(messages)
    found, whole = heard(sliced(data, cuts))
    assert whole
    assert [(dict(each.headers), each.payload) for each in found] == by_botocore(data)
    assert heard(data[at : at + 1] for at in range(len(data))) == (found, True)


@given(MESSAGES, CUTS, some.integers(0, 10_000), some.integers(1, 255))
def test_a_changed_byte_costs_what_follows_and_nothing_before(
    messages: list[bytes], cuts: list[int], place: int, change: int
) -> None:
    data = bytearray(b"".join(messages))
    if not data:
        return
    at = place % len(data)
    data[at] ^= change
    intact = 0
    while sum(len(each) for each in messages[: intact + 1]) <= at:
        intact += 1
    found, whole = heard(sliced(bytes(data), cuts))
    assert not whole
    assert found == heard([b"".join(messages[:intact])])[0]


@given(some.binary(max_size=200), CUTS)
def test_any_bytes_are_messages_or_the_one_fault(data: bytes, cuts: list[int]) -> None:
    assert heard(sliced(data, cuts)) == heard([data])


@given(HEADERS, some.binary(max_size=60), some.integers(0, 200), some.binary(max_size=3))
def test_damage_under_right_checksums_is_the_one_fault_too(
    headers: dict[str, bytes], payload: bytes, place: int, put: bytes
) -> None:
    whole = bytearray(encoded(headers, payload))[:-4]
    at = 12 + place % max(len(whole) - 12, 1)
    whole[at : at + len(put)] = put
    whole[0:4] = struct.pack(">I", len(whole) + 4)
    whole[8:12] = struct.pack(">I", zlib.crc32(whole[:8]))
    heard([bytes(whole) + struct.pack(">I", zlib.crc32(whole))])


@given(some.dictionaries(NAMES, some.text(max_size=20), max_size=4), some.binary(max_size=60))
def test_the_scripted_encoder_makes_what_botocore_reads(
    headers: dict[str, str], payload: bytes
) -> None:
    assert by_botocore(message(headers, payload)) == [(headers, payload)]
