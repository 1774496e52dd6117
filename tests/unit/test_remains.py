"""The search through all that a run wrote finds keys, and lets them lie where they are at home."""

import base64
import os
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aigateway.caller.keys import new_secret
from tests.remains import AT_HOME, PRIVATE, keys_below

ROOT = Path(__file__).parents[2]
KEY = new_secret().encode()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of no test: what lies in those is searched at the end of this very run."""
    with TemporaryDirectory() as made:
        yield Path(made)


def as_bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def in_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (c BLOB)")
        connection.execute("INSERT INTO t VALUES (?)", (b"\x01" + zlib.compress(KEY),))
        connection.commit()


WAYS: dict[str, Callable[[Path], object]] = {
    "plain": as_bytes(b"x " + KEY + b" y"),
    "of a provider": as_bytes(b'{"m": "sk-ant-planted-0123456789"}'),
    "zlib": as_bytes(zlib.compress(KEY)),
    "base64": as_bytes(b'{"B": "' + base64.b64encode(b"key " + KEY) + b'"}'),
    "base64 of zlib": as_bytes(b'{"B": "' + base64.b64encode(zlib.compress(KEY)) + b'"}'),
    "packed in a table": in_a_table,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_lies_about_is_found(folder: Path, way: str) -> None:
    (folder / "state").mkdir()
    WAYS[way](folder / "state" / "found")
    (found,) = keys_below(folder)
    assert found.startswith("state/found: ")
    assert KEY.decode() not in found, "it is not shown again"


@pytest.mark.parametrize(
    "content", [b"", b"aigw_0011223344556677", b"aigw... sk-a...", b"\xff\x00"]
)
def test_a_hint_is_no_key(folder: Path, content: bytes) -> None:
    (folder / "file").write_bytes(content)
    assert keys_below(folder) == []


@pytest.mark.parametrize("name", ["checkout0/tests/a.py", "container0/opt/aigw/a.py", "build1/a"])
def test_a_copy_is_not_searched(folder: Path, name: str) -> None:
    for path in (folder / name, folder / "home0" / name):
        path.parent.mkdir(parents=True)
        path.write_bytes(KEY)
    (found,) = keys_below(folder)
    assert found.startswith("home0/")


def test_a_damaged_table_is_searched_as_it_is(folder: Path) -> None:
    (folder / "ledger.db").write_bytes(b"SQLite format 3\0" + KEY)
    assert len(keys_below(folder)) == 1


@pytest.mark.parametrize("home", sorted(AT_HOME))
def test_keys_may_lie_at_home_but_not_for_everybody(folder: Path, home: str) -> None:
    path = folder / home.replace("*/", "", 1).replace("*", "0")
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(KEY)
    assert keys_below(folder) == []
    path.chmod(0o640)
    assert len(keys_below(folder)) == (1 if home in PRIVATE else 0)


@pytest.mark.parametrize(("written", "status"), [(KEY.decode(), 1), ("", 0)], ids=["one", "none"])
def test_a_run_that_leaves_a_key_behind_fails(folder: Path, written: str, status: int) -> None:
    test = folder / "test_it.py"
    test.write_text(f"def test_it(tmp_path): (tmp_path / 'any.log').write_text({written!r})")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c", os.devnull]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", f"--basetemp={folder / 'base'}", str(test)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/gateway'}", "PATH": os.environ["PATH"]},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("keys where they are not at home: test_it0/any.log" in done.stdout) is bool(status)
    assert KEY.decode() not in done.stdout.replace(test.read_text(), "")
