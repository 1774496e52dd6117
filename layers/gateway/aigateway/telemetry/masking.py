"""Takes credentials out of a finished JSON line, whatever quoted them and however deep.

The line is what leaves, so nothing is overlooked that a walk over values might miss: a stack
trace repeats an exception's text, and a text may be JSON in which another one is quoted. What is
replaced lies within one string of the line, so the line stays JSON.

A quotation mark is written behind no backslash, in JSON within a string behind one, in JSON within
that behind three, and so on (RFC 8259 section 7, applied again and again).
"""

import json
import re
from collections.abc import Generator, Iterator

from aigateway.wire.masking import BEARER, FORMS, NO_SIGN_IN, SHOWN, SIGN_IN

HIDDEN = "***"

NAMED = re.compile(
    rb"authorization|api[-_]?key|cookie|session[-_]?token|security-token|gateway-token"
    rb"|governance-token|secret_?access_?key"
)
"""Ends of the names whose values are credentials: of headers, and of the keys of AWS."""

MEMBER = re.compile(r"(?P<slashes>\\*)\"\s*:\s*(?P<list>\[\s*)?(?P=slashes)\"")
"""Behind the name of a member: its value, or the first of a list of values, follows."""

SPELLED = re.compile(
    r"(?P<link>',\s*|'?\s*[:=]\s*)b?(?P<quote>')[^'\"\\]*'"
    r"|(?P<colon>'?\s*[:=]\s*)(?:[^\"\\]|(?<==)\\(?:\\\\)*\"[^\"\\]*\\(?:\\\\)*\")+"
)
"""The rest of a header as text, to the end of its line, or as Python shows it."""

MARKED = re.compile(rb"aigw_|sk-|akia|asia|gh[pousr]_|github_pat_|aiza|eyj|bearer ")
FREE = re.compile(
    r"(?:\b|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4}))"
    rf"(?:(?P<scheme>Bearer\ ){BEARER}|{FORMS}|{SIGN_IN}|(?P<word>{NO_SIGN_IN}))",
    re.IGNORECASE,
)
"""Keys anywhere. The letter of an escaped line break stands before a word without being of it."""


def masked_line(line: str) -> str:
    """Return a line of JSON without credentials; what was masked before stays as it is."""
    line = "".join(_without_named(line))
    return "".join(_without_free(line))


def masked_text(text: str) -> str:
    """Return a text as a line that holds it would show it."""
    masked: str = json.loads(masked_line(json.dumps(text, ensure_ascii=False)))
    return masked


def _lower(line: str) -> bytes:
    """Return its letters in lower case, each character in one byte: much faster to search."""
    return line.encode("ascii", "replace").lower()


def _without_named(line: str) -> Iterator[str]:
    at = 0
    for name in NAMED.finditer(_lower(line)):
        if name.start() < at:
            continue
        if member := MEMBER.match(line, name.end()):
            yield line[at : member.end()]
            at = yield from _without_values(line, member)
        elif spelled := SPELLED.match(line, name.end()):
            quote = spelled["quote"] or ""
            yield line[at : name.end()] + (spelled["link"] or spelled["colon"])
            yield f"{quote}{HIDDEN}{quote}"
            at = spelled.end()
    yield line[at:]


def _without_values(line: str, member: re.Match[str]) -> Generator[str, None, int]:
    """Hide the value of a member, or each in its list; return where the last one ends."""
    depth = len(member["slashes"])
    at = _end(line, member.end(), depth)
    yield HIDDEN if at > member.end() else ""
    while member["list"] is not None and (more := _next(line, at, depth)) is not None:
        yield line[at:more]
        at = _end(line, more, depth)
        yield HIDDEN
    return at


def _without_free(line: str) -> Iterator[str]:
    at = unsigned = 0
    for mark in MARKED.finditer(_lower(line)):
        begin = mark.start()
        if begin < at or (begin < unsigned and mark.group() == b"eyj"):
            continue
        found = FREE.match(line, begin)
        if found is not None and found["word"] is not None:
            unsigned = found.end()
        elif found is not None:
            shown = begin + len(found["scheme"] or "") + SHOWN
            yield f"{line[at:shown]}..."
            at = found.end()
    yield line[at:]


def _end(line: str, start: int, depth: int) -> int:
    """Return where a string ends that is quoted behind ``depth`` backslashes.

    Of a text that was cut off it is where the string ends that holds it.
    """
    unit = 2 * (depth + 1)
    quote = line.find('"', start)
    while quote >= 0:
        first = quote
        while first > start and line[first - 1] == "\\":
            first -= 1
        if (quote - first) % unit <= depth:
            return first + (quote - first) // unit * unit
        quote = line.find('"', quote + 1)
    return len(line)


def _next(line: str, at: int, depth: int) -> int | None:
    """Return where the next string of a list begins."""
    mark = re.escape("\\" * depth + '"')
    found = re.compile(rf"{mark}\s*,\s*{mark}").match(line, at)
    return None if found is None else found.end()
