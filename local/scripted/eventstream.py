"""Messages of an AWS event stream, encoded as the services send them."""

import zlib
from collections.abc import Mapping

STRING = 7
"""The type of a header whose value is text."""


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Encode one message whose headers are all texts."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    total = 16 + len(block) + len(payload)
    lengths = total.to_bytes(4, "big") + len(block).to_bytes(4, "big")
    whole = lengths + _crc(lengths) + block + payload
    return whole + _crc(whole)


def _header(name: str, value: str) -> bytes:
    named, text = name.encode(), value.encode()
    return bytes([len(named)]) + named + bytes([STRING]) + len(text).to_bytes(2, "big") + text


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")
