"""Prometheus' remote write 1.0: the message, and the door of cramjam, which compresses it.

Source: prometheus.io, "Prometheus Remote-Write 1.0 specification"; developers.google.com,
"Protocol Buffers: Encoding"; google/snappy, format_description.txt (the block format: a server
refuses the framed one). The server checks neither the order of labels nor their names: this
module keeps to ``Series``, which does.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from aigateway.telemetry.series import Labels

HEADERS = (
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
)
STALE = (0x7FF0000000000002).to_bytes(8, "little")
"""The one NaN that ends a series (Prometheus model/value/value.go, StaleNaN); no other does."""

LITERAL_LIMIT = 65_536
LENGTH_INLINE, LENGTH_BYTE = 60, 256
SEVEN_BITS, MORE = 0x7F, 0x80
VARINT, FIXED64, LENGTH_DELIMITED = 0, 1, 2


@final
@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series; ``None`` ends the series. ``labels`` hold ``__name__``."""

    labels: Labels
    value: float | None
    at_ms: int


def message(samples: Iterable[Sample]) -> bytes:
    """Encode a ``WriteRequest`` with a ``TimeSeries`` of one sample each."""
    known: dict[tuple[str, str], bytes] = {}
    return b"".join([_member(1, _time_series(sample, known)) for sample in samples])


def _time_series(sample: Sample, known: dict[tuple[str, str], bytes]) -> bytes:
    """Encode one series; ``known`` are labels that were encoded before, most of them many times."""
    parts = []
    for pair in sample.labels:
        if pair not in known:
            known[pair] = _label(*pair)
        parts.append(known[pair])
    value = STALE if sample.value is None else struct.pack("<d", sample.value)
    at = _varint(2 << 3 | VARINT) + _varint(sample.at_ms)
    parts.append(_member(2, _varint(1 << 3 | FIXED64) + value + at))
    return b"".join(parts)


def _label(name: str, value: str) -> bytes:
    return _member(1, _member(1, name.encode()) + _member(2, value.encode()))


def _member(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Encode a number that is not negative."""
    if value <= SEVEN_BITS:
        return bytes((value,))
    encoded = bytearray()
    while value > SEVEN_BITS:
        encoded.append(value & SEVEN_BITS | MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def compressed(content: bytes) -> bytes:
    """Compress into snappy's block format; without cramjam only its form, not its size."""
    try:
        import cramjam  # noqa: PLC0415 - optional, and only where something is pushed
    except ImportError:
        return literal_only(content)
    return bytes(cramjam.snappy.compress_raw(content))


def literal_only(content: bytes) -> bytes:
    """Put bytes into snappy's block format without compressing them."""
    chunks = (content[at : at + LITERAL_LIMIT] for at in range(0, len(content), LITERAL_LIMIT))
    return _varint(len(content)) + b"".join(_tag(len(chunk) - 1) + chunk for chunk in chunks)


def _tag(less_one: int) -> bytes:
    """Return the tag of a literal; its length less one stands in the tag, or behind it."""
    if less_one < LENGTH_INLINE:
        return bytes((less_one << 2,))
    if less_one < LENGTH_BYTE:
        return bytes((60 << 2, less_one))
    return bytes((61 << 2,)) + less_one.to_bytes(2, "little")
