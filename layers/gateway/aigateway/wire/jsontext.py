"""Reading JSON (RFC 8259): values for us, and a provider's own text where we keep that.

A member such as a tool's input is kept as the text that the provider wrote. Encoding it again
would reorder, round or escape what is in it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, final

from aigateway.errors import Misheard

DEPTH_LIMIT = 256

_BOM = "\ufeff"
_LONG_INTEGER_DIGITS = 4_000
"""CPython refuses to convert integers of more than 4,300 digits (documentation of ``int``)."""

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SPACE = re.compile(r"[ \t\n\r]*")


def loads(data: bytes, *, torn: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    """Read one JSON text in UTF-8. The last of equal keys wins; huge numbers become floats.

    Invalid UTF-8 and halves of surrogate pairs are replaced, so that every string can be
    stored. With ``torn`` they are kept, for a character that was cut between two fragments:
    join the fragments, then call ``mended``.

    Raises ``Misheard``: ``not_json``, also for NaN and Infinity; ``too_deep`` beyond
    ``DEPTH_LIMIT`` arrays and objects within each other.
    """
    text = data.decode("utf-8", "surrogateescape" if torn else "replace").removeprefix(_BOM)
    if not torn and _HALF.search(text):
        text = _ESCAPE.sub(_without_half, text)
    try:
        value = _decoded(text)
    except RecursionError as error:
        raise Misheard("too_deep") from error
    except ValueError as error:
        raise Misheard("not_json") from error
    if text.count("[") + text.count("{") > DEPTH_LIMIT and _is_too_deep(value):
        raise Misheard("too_deep")
    return value


def is_json(text: str) -> bool:
    """Whether ``text`` is one JSON value within the limits of ``loads``."""
    try:
        loads(text.encode("utf-8", "surrogatepass"), torn=True)
    except Misheard:
        return False
    return True


def mended(text: str) -> str:
    """Join the halves of characters that ``loads(torn=True)`` kept; replace what is left over."""
    if text.isascii() or not _is_torn(text):
        return text
    paired = _PAIR.sub(_joined, text)
    raw = b"".join(_bytes_of(character) for character in paired)
    return raw.decode("utf-8", "replace")


def _is_torn(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _joined(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16", "surrogatepass").decode("utf-16")


def _bytes_of(character: str) -> bytes:
    try:
        return character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "\ufffd".encode()


def _without_half(escape: re.Match[str]) -> str:
    return escape.group() if escape["half"] is None else "\\ufffd"


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONG_INTEGER_DIGITS else float(digits)


_QUICK = json.JSONDecoder(parse_constant=_refused)
_PATIENT = json.JSONDecoder(parse_constant=_refused, parse_int=_integer)


def _decoded(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return _QUICK.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _PATIENT.decode(text)


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [
            child
            for container in level
            if isinstance(container, dict | list)
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


@final
@dataclass(frozen=True, slots=True)
class JsonText:
    """A value within a JSON text: the characters from ``start`` to ``end``, as they were sent.

    Only for a text that ``loads`` accepted: its limits hold here too.
    """

    text: str
    start: int
    end: int

    @classmethod
    def of(cls, data: bytes) -> "JsonText":
        """Take the whole of ``data``, halves of characters included (``loads(torn=True)``)."""
        text = data.decode("utf-8", "surrogateescape").removeprefix(_BOM)
        return cls(text, *_span(text, 0))

    @classmethod
    def of_bytes(cls, data: bytes) -> "JsonText":
        """Take ``data`` with one character a byte: its positions are those of the bytes.

        Text beyond ASCII is not readable that way, structure and plain names are.
        """
        text = data.decode("latin-1")
        return cls(text, *_span(text, len(_BOM.encode()) if data.startswith(_BOM.encode()) else 0))

    def __str__(self) -> str:
        return self.text[self.start : self.end]

    def at(self, *path: str | int) -> "JsonText | None":
        """Follow member names and array positions; ``None`` where one is missing."""
        found: JsonText | None = self
        for step in path:
            if found is None:
                return None
            if isinstance(step, str):
                found = found.members().get(step)
            else:
                elements = found.elements()
                found = elements[step] if step < len(elements) else None
        return found

    def members(self) -> "dict[str, JsonText]":
        """Return the members of an object, the last of equal names; empty for anything else."""
        return dict(self.named())

    def named(self) -> "Iterator[tuple[str, JsonText]]":
        """Yield the members of an object in their order, those of equal names each."""
        if not self.text.startswith("{", self.start):
            return
        at = _skipped(self.text, self.start + 1)
        while self.text[at] != "}":
            name, at = _PATIENT.raw_decode(self.text, at)
            start, at = _span(self.text, _skipped(self.text, at) + 1)
            yield name, JsonText(self.text, start, at)
            at = _after_comma(self.text, at)

    def elements(self) -> "list[JsonText]":
        """Return the elements of an array; empty for anything else."""
        found: list[JsonText] = []
        if not self.text.startswith("[", self.start):
            return found
        at = _skipped(self.text, self.start + 1)
        while self.text[at] != "]":
            start, at = _span(self.text, at)
            found.append(JsonText(self.text, start, at))
            at = _after_comma(self.text, at)
        return found


def _skipped(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space is not None else at


def _span(text: str, at: int) -> tuple[int, int]:
    start = _skipped(text, at)
    _, end = _PATIENT.raw_decode(text, start)
    return start, end


def _after_comma(text: str, at: int) -> int:
    at = _skipped(text, at)
    return _skipped(text, at + 1) if text[at] == "," else at
