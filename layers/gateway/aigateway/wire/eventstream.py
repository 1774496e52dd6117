"""AWS event streams (``application/vnd.amazon.eventstream``): bytes to messages.

A message is a prelude (total length, length of the headers, CRC of these two), headers, a
payload, and a CRC over all before it; integers are big-endian, CRCs those of gzip. A header is a
name, a type and a value whose form the type tells. (Amazon Lex V2 Developer Guide, "Event stream
encoding"; smithy.io, "Amazon Event Stream Specification", read 2026-07.)
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from aigateway.errors import EventStreamDamaged

MEDIA_TYPE = b"application/vnd.amazon.eventstream"
HEADERS_LIMIT_BYTES = 128 * 1024
PAYLOAD_LIMIT_BYTES = 8 * 1024 * 1024
"""The encoding allows 24 MB; no event of a model comes near this."""

_PRELUDE = struct.Struct(">III")
_CRC_BYTES = 4
_FRAME_BYTES = _PRELUDE.size + _CRC_BYTES

HeaderValue = bool | int | bytes | str

_FIXED = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8}
"""Bytes of the signed integers: byte, short, integer, long, timestamp in milliseconds."""

_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_UUID_BYTES = 16


@final
@dataclass(frozen=True, slots=True)
class EventMessage:
    headers: Mapping[str, HeaderValue]
    payload: bytes

    def text(self, name: str) -> str | None:
        """Return a header that is a string."""
        found = self.headers.get(name)
        return found if isinstance(found, str) else None


@final
class EventStreamDecoder:
    """Cuts an event stream into messages, whatever the chunk boundaries.

    Raises ``EventStreamDamaged`` where a checksum, a length or a header is wrong: at once, or by
    the next call where messages came before it. Nothing after the damage is read.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._damage: EventStreamDamaged | None = None

    def feed(self, chunk: bytes) -> list[EventMessage]:
        self._raise_if_damaged()
        self._held += chunk
        messages: list[EventMessage] = []
        try:
            while (message := self._next()) is not None:
                messages.append(message)
        except EventStreamDamaged as damage:
            self._damage = damage
            self._held.clear()
            if not messages:
                raise
        return messages

    def end(self) -> None:
        """Raise ``EventStreamDamaged`` if the stream ended within a message, or was damaged."""
        self._raise_if_damaged()
        if self._held:
            raise EventStreamDamaged("the event stream ended within a message")

    def _raise_if_damaged(self) -> None:
        if self._damage is not None:
            raise self._damage

    def _next(self) -> EventMessage | None:
        held = self._held
        if len(held) < _PRELUDE.size:
            return None
        total, headers, crc = _PRELUDE.unpack_from(held)
        if zlib.crc32(held[: _PRELUDE.size - _CRC_BYTES]) != crc:
            raise EventStreamDamaged("the checksum of a prelude is wrong")
        payload = total - headers - _FRAME_BYTES
        if payload < 0 or headers > HEADERS_LIMIT_BYTES or payload > PAYLOAD_LIMIT_BYTES:
            raise EventStreamDamaged("a message is longer than allowed, or shorter than its parts")
        if len(held) < total:
            return None
        message = bytes(held[:total])
        del held[:total]
        if zlib.crc32(message[:-_CRC_BYTES]) != int.from_bytes(message[-_CRC_BYTES:], "big"):
            raise EventStreamDamaged("the checksum of a message is wrong")
        begins = _PRELUDE.size + headers
        return EventMessage(_headers(message[_PRELUDE.size : begins]), message[begins:-_CRC_BYTES])


@final
class _Cursor:
    """Takes pieces off the headers of one message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise EventStreamDamaged("a header is longer than its place")
        self._at += size
        return piece

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def string(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise EventStreamDamaged("a header is not UTF-8") from error


def _headers(data: bytes) -> dict[str, HeaderValue]:
    cursor = _Cursor(data)
    found: dict[str, HeaderValue] = {}
    while not cursor.is_at_end:
        name = cursor.string(cursor.number(1))
        if name in found:
            raise EventStreamDamaged("a header is there twice")
        found[name] = _value(cursor, cursor.number(1))
    return found


def _value(cursor: _Cursor, kind: int) -> HeaderValue:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE
    if kind in _FIXED:
        return cursor.number(_FIXED[kind], signed=True)
    if kind == _BYTES:
        return cursor.take(cursor.number(2))
    if kind == _STRING:
        return cursor.string(cursor.number(2))
    if kind == _UUID:
        return cursor.take(_UUID_BYTES)
    raise EventStreamDamaged("a header is of an unknown type")
