"""Looks through everything that a test run wrote for keys: none lies where it is not at home.

Every composition of a test has keys that can be told by their form, however they were made up. A
file is searched as it is; only what is packed in it, in a table, in base64, by zlib or gzip, is
unpacked.
"""

import base64
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from tests.planted import SQLITE, cells, unpacked

KEYS = re.compile(
    rb"aigw_[0-9a-f]{16}_[A-Za-z0-9_-]{40}"  # the gateway's own
    rb"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16}"  # of providers, as tests make them up
    rb"|scripted-(?:anthropic|openai)-key"  # of the scripted provider
    rb"|k-planted-provider-key"
)
PACKED = re.compile(rb"[A-Za-z0-9+/]{32,}={0,2}")
DEEPEST = 3

COPIED: Mapping[str, str] = {
    "checkout*": "the repository, whose own tests and samples hold keys that were made up",
    "build*": "what a build packs: libraries and our sources",
    "deployed*/build": "likewise",
    "container*/opt": "what an image holds: likewise",
    "test_the_packages_of_the_image*": "likewise",
}
"""Folders that nobody wrote anything into but what is in the repository and its packages."""

AT_HOME: Mapping[str, str] = {
    "*/admin.key": "the first key of a start on one machine, for its owner's eyes alone",
    "*/secrets.json": "the provider keys of one machine, likewise",
    "*/secrets-manager/*": "what a test keeps as Secrets Manager",
    "*/aws/secretsmanager.json": "what the stand-in for AWS keeps as Secrets Manager",
    "*/keys": "what a test hands to a command, as a person would",
    "*/members.json": "likewise",
    "*/test_a_planted_secret_is_found*": "planted for the search itself",
}
PRIVATE = frozenset({"*/admin.key", "*/secrets.json"})
"""These are at home only where nobody but their owner may read them."""


def keys_below(folder: Path) -> list[str]:
    """Return the files in which a key lies that should not, or that others may read."""
    return [
        f"{path.relative_to(folder)}: {found.decode()[:12]}..."
        for path in written_below(folder)
        if not is_home(path)
        for found in sorted(set(keys_in(path)))
    ]


def written_below(folder: Path) -> Iterator[Path]:
    """Yield the files, without links and what was only copied."""
    for place, inner, names in os.walk(folder):
        here = Path(place).relative_to(folder)
        inner[:] = sorted(name for name in inner if not _is_copied(here / name))
        files = (Path(place, name) for name in sorted(names))
        yield from (file for file in files if file.is_file() and not file.is_symlink())


def _is_copied(folder: Path) -> bool:
    return any(fnmatch(str(folder), pattern) for pattern in COPIED)


def is_home(path: Path) -> bool:
    """Whether keys may lie there."""
    homes = {pattern for pattern in AT_HOME if fnmatch(str(path), pattern)}
    return bool(homes) and not (homes & PRIVATE and path.stat().st_mode & 0o077)


def keys_in(path: Path) -> Iterator[bytes]:
    """Yield the keys in a file, however packed; a damaged table is searched as it is."""
    content = path.read_bytes()
    yield from _keys(content)
    if content.startswith(SQLITE):
        with suppress(sqlite3.DatabaseError):
            for cell in cells(path):
                yield from _keys(cell)


def _keys(content: bytes, depth: int = 0) -> Iterator[bytes]:
    yield from KEYS.findall(content)
    if depth == DEEPEST:
        return
    for inner in unpacked(content):
        yield from _keys(inner, depth + 1)
    for run in PACKED.findall(content) if content.isascii() else ():
        yield from _keys(base64.b64decode(run[: len(run) // 4 * 4]), depth + 1)
