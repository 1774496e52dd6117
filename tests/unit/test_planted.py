"""The search for secrets finds them, wherever they are packed."""

import base64
import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.planted import found_in

SECRET = "sk-own-planted-0123456789-abcdefghijkl"
SECRETS = {"own key": SECRET}
DOCUMENT = {"a": [{"b": f"Bearer {SECRET}"}]}


def in_a_table(packed: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE t (n INTEGER, c BLOB)")
            connection.execute("INSERT INTO t VALUES (1, ?)", (packed,))
            connection.commit()

    return write


def as_bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


JSON = json.dumps(DOCUMENT).encode()
WAYS: dict[str, Callable[[Path], None]] = {
    "plain": as_bytes(b"x " + SECRET.encode() + b" y"),
    "without its ends": as_bytes(SECRET[5:-5].encode()),
    "zlib": as_bytes(zlib.compress(JSON)),
    "zlib behind a byte": as_bytes(b"\x01" + zlib.compress(JSON)),
    "gzip": as_bytes(gzip.compress(JSON)),
    "base64": as_bytes(b"Basic " + base64.b64encode(b"user:" + SECRET.encode())),
    "base64 of zlib in JSON": as_bytes(
        json.dumps([{"B": base64.b64encode(zlib.compress(JSON)).decode()}]).encode()
    ),
    "escaped": as_bytes(
        b'{"log": "%s"}' % "".join(f"\\u{ord(letter):04x}" for letter in SECRET).encode()
    ),
    "a line of JSON": as_bytes(
        b"started\n" + json.dumps({"m": json.dumps(DOCUMENT)}).encode() + b"\nended\n"
    ),
    "text in a table": in_a_table(SECRET),
    "packed in a table": in_a_table(b"\x01" + zlib.compress(JSON)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_planted_secret_is_found(way: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    WAYS[way](tmp_path / "deep" / "file")
    (found,) = found_in(tmp_path, "nothing", SECRETS)
    assert found == f"own key in {tmp_path / 'deep' / 'file'}"


def test_what_was_said_counts_too(tmp_path: Path) -> None:
    assert found_in(tmp_path, f"key {SECRET}", SECRETS) == ["own key in what was said"]


def test_a_hint_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(f'{{"hint": "{SECRET[:4]}...{SECRET[-4:]}"}}')
    assert found_in(tmp_path, "", SECRETS) == []
