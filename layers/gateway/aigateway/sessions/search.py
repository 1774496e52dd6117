"""The search text ``q``: elements ``key:value`` between blanks.

A value with blanks or colons stands in double quotes. Keys ignore case. An element without a
colon is a bare word, which some lists understand.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

FIELD = "q"
KEYS = frozenset(
    {
        "client",
        "initiator",
        "model",
        "provider",
        "provider_name",
        "session_id",
        "started_after",
        "started_before",
    }
)
PIECE = re.compile(r'"[^"]*"|[^\s":]+|:|\s+')


@final
@dataclass(frozen=True, slots=True)
class Fault:
    field: str
    detail: str


NO_KEY = Fault(FIELD, "no search key specified")
UNENDED = Fault(FIELD, "A double quote has no second one.")
MALFORMED = Fault(
    FIELD, "Expected key:value; a value with blanks or colons stands in double quotes."
)
ONE_PREFIX = Fault(FIELD, "Expected one beginning of a name.")


def pairs(text: str, bare: str | None) -> tuple[list[tuple[str, str]], list[Fault]]:
    """Return keys, in lower case, with their values, and what could not be read.

    ``bare`` is the key that a bare word is a value of; ``None``: there is no such.
    """
    found: list[tuple[str, str]] = []
    faults: list[Fault] = []
    for element in _elements(text):
        key, value = (bare, element[0]) if len(element) == 1 else (element[0].lower(), element[-1])
        if key is None:
            faults.append(NO_KEY)
        elif len(element) > 2 or not key or not value:  # noqa: PLR2004 - key and value
            faults.append(MALFORMED)
        elif key not in KEYS:
            faults.append(Fault(FIELD, f"Unknown search key: expected {', '.join(sorted(KEYS))}."))
        else:
            found.append((key, value))
    if text.count('"') % 2:
        faults = [UNENDED]
    return found, list(dict.fromkeys(faults))


def prefix(text: str, keys: tuple[str, ...]) -> tuple[str, list[Fault]]:
    """Return the beginning of a name: bare, or the value of one of ``keys``."""
    elements = list(_elements(text))
    if text.count('"') % 2:
        return "", [UNENDED]
    if all(len(element) == 1 for element in elements):
        return " ".join(word for (word,) in elements), []
    if len(elements) > 1:
        return "", [ONE_PREFIX]
    key, *values = elements[0]
    if len(values) > 1 or not values[0]:
        return "", [MALFORMED]
    if key.lower() not in keys:
        return "", [Fault(FIELD, f"Unknown search key: expected {', '.join(keys)}.")]
    return values[0], []


def _elements(text: str) -> Iterator[list[str]]:
    """Yield each element in its parts between unquoted colons, the quotes taken off."""
    parts: list[str] = []
    for piece in PIECE.findall(text):
        if piece.isspace():
            if parts:
                yield parts
            parts = []
        elif piece == ":":
            parts += [""] if parts else ["", ""]
        else:
            parts = parts or [""]
            parts[-1] += piece[1:-1] if piece.startswith('"') else piece
    if parts:
        yield parts
