"""Looks for secrets in everything that a composition wrote, however it is packed."""

import base64
import binascii
import gzip
import json
import re
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

SQLITE = b"SQLite format 3\0"
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
DEEPEST = 6
ENDS = 6
"""Characters at both ends of a secret that a hint may show."""


def found_in(folder: Path, said: str, secrets: Mapping[str, str]) -> list[str]:
    """Return where a secret is: in a file below ``folder``, or in what was ``said``.

    ``secrets``: name to text. Files are unpacked: tables, JSON, base64, zlib and gzip.
    """
    places = [("what was said", said.encode())]
    places += [
        (str(path), path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    marks = {name: marks_of(secret) for name, secret in secrets.items()}
    return [
        f"{name} in {place}"
        for place, content in places
        for name, forms in marks.items()
        if any(form in layer for layer in layers_of(content, place) for form in forms)
    ]


def marks_of(secret: str) -> Sequence[bytes]:
    """Return what gives a secret away: its middle, plain and at each place within base64."""
    middle = secret[ENDS:-ENDS].encode()
    assert len(middle) >= ENDS, "a secret that a hint would show as a whole"
    packed = [base64.b64encode(bytes(shift) + middle)[4 if shift else 0 : -4] for shift in range(3)]
    return middle, *packed


def layers_of(content: bytes, place: str = "", depth: int = 0) -> Iterator[bytes]:
    """Yield the content, and whatever is packed in it."""
    yield content
    if depth == DEEPEST:
        return
    inner = [*unpacked(content), *_in_text(content)]
    if content.startswith(SQLITE) and place:
        inner += cells(Path(place))
    for each in inner:
        yield from layers_of(each, depth=depth + 1)


def unpacked(content: bytes) -> Iterator[bytes]:
    for packed in (content, content[1:]):
        with suppress(zlib.error):
            yield zlib.decompress(packed)
    with suppress(OSError, EOFError, zlib.error):
        yield gzip.decompress(content)


def _in_text(content: bytes) -> Iterator[bytes]:
    """Yield what is written in base64, and JSON texts with their escapes undone."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for line in {text, *text.splitlines()}:
        with suppress(ValueError, RecursionError):
            yield from _strings(json.loads(line))
    for run in BASE64.findall(text):
        with suppress(binascii.Error):
            whole = run.rstrip("=").replace("-", "+").replace("_", "/")
            yield base64.b64decode(whole + "=" * (-len(whole) % 4))


def _strings(value: object) -> Iterator[bytes]:
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name.encode("utf-8", "surrogatepass")
            yield from _strings(member)
    elif isinstance(value, list):
        for element in value:
            yield from _strings(element)


def cells(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own names
                for cell in row:
                    if isinstance(cell, bytes | str):
                        yield cell if isinstance(cell, bytes) else cell.encode()
