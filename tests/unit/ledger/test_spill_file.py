"""Lines that gateways add while a reader takes others away."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from aigateway.ledger.spill_file import NAME, SpillFile, Stretch

ROOT = Path(__file__).parents[3]
LINES = tuple(b'{"line":%d}\n' % number for number in range(6))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def filled(path: Path, *lines: bytes) -> SpillFile:
    file = SpillFile(path)
    for line in lines:
        file.append(line)
    return file


def test_lines_come_back_in_their_order_and_the_file_is_its_owners(path: Path) -> None:
    file = filled(path, *LINES)
    assert file.first(10) == Stretch(LINES)
    assert file.first(2) == Stretch(LINES[:2], has_more=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.take(file.first(2), 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_file_there_is_nothing_to_read(path: Path) -> None:
    assert SpillFile(path).first(10) == Stretch()
    assert SpillFile(path).forget(b"x") == 0
    assert not path.exists()


def test_what_is_taken_is_gone_and_what_is_kept_comes_last(path: Path) -> None:
    file = filled(path, *LINES[:4])
    stretch = file.first(3)
    file.append(LINES[4])
    file.take(stretch, 2, LINES[:1])
    assert file.first(10).lines == (*LINES[2:5], LINES[0])


def test_a_file_of_which_nothing_is_left_is_no_more(path: Path) -> None:
    file = filled(path, *LINES)
    file.take(file.first(10), len(LINES))
    assert [*path.parent.iterdir()] == []
    file.append(LINES[0])
    assert file.first(10).lines == LINES[:1]


def test_of_two_readers_the_second_one_takes_nothing_that_it_did_not_read(path: Path) -> None:
    file = filled(path, *LINES[:3])
    one = other = file.first(3)
    file.take(one, 3)
    file.append(LINES[3])
    file.take(other, 3)
    assert file.first(10).lines == LINES[3:4]


def test_a_line_that_was_never_finished_is_told_apart_and_goes_with_the_last_one(
    path: Path,
) -> None:
    file = filled(path, *LINES[:2])
    with path.open("ab") as torn:
        torn.write(b'{"line":')
    stretch = file.first(10)
    assert stretch == Stretch(LINES[:2], torn=b'{"line":')
    file.append(LINES[2])
    assert file.first(10).lines == (*LINES[:2], b'{"line":\n', LINES[2])
    file.take(stretch, 1)
    assert file.first(10).lines == (LINES[1], b'{"line":\n', LINES[2])


@pytest.mark.parametrize("is_followed", [True, False])
def test_an_unfinished_line_alone_goes_too(path: Path, is_followed: bool) -> None:
    path.write_bytes(b'{"line":')
    file = SpillFile(path)
    stretch = file.first(10)
    if is_followed:
        file.append(LINES[0])
    file.take(stretch, 0)
    assert file.first(10) == Stretch(LINES[:1] if is_followed else ())


def test_lines_that_are_kept_follow_a_whole_line(path: Path) -> None:
    file = filled(path, *LINES[:2])
    stretch = file.first(1)
    with path.open("ab") as torn:
        torn.write(b'{"line":')
    file.take(stretch, 1, LINES[:1])
    assert file.first(10).lines == (LINES[1], b'{"line":\n', LINES[0])


def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing_of_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = filled(path, LINES[0])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            file.append(LINES[1])
    assert file.first(10) == Stretch(LINES[:1])


def test_what_names_a_user_is_forgotten_and_what_may(path: Path) -> None:
    file = filled(path, b'{"user":"a"}\n', b'{"user":"b"}\n', b'{"user":"a"}\n')
    path.with_name(f".{NAME}.new").write_bytes(b'{"user":"a"}\n')
    with path.open("ab") as torn:
        torn.write(b'{"us')
    assert file.forget(b'"a"') == 3
    assert file.first(10) == Stretch((b'{"user":"b"}\n',))
    assert [*path.parent.iterdir()] == [path]
    assert file.forget(b'"b"') == 1
    assert [*path.parent.iterdir()] == []


def test_what_a_killed_reader_left_beside_the_file_is_forgotten_too(path: Path) -> None:
    beside = path.with_name(f".{NAME}.new")
    beside.write_bytes(b'{"user":"a"}\n')
    assert SpillFile(path).forget(b'"a"') == 0
    assert not beside.exists()


def test_many_writers_and_a_reader_lose_nothing_and_tear_nothing(path: Path) -> None:
    lines = [[b'{"by":%d,"n":%d}\n' % (by, n) for n in range(40)] for by in range(4)]
    found: list[bytes] = []

    def write(own: list[bytes]) -> None:
        for line in own:
            SpillFile(path).append(line)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, own) for own in lines]
        while not all(writer.done() for writer in writers) or path.exists():
            stretch = SpillFile(path).first(7)
            assert stretch.torn == b""
            SpillFile(path).take(stretch, len(stretch.lines))
            found += stretch.lines
    assert sorted(found) == sorted(line for own in lines for line in own)


WRITER = """
import sys
from pathlib import Path
from aigateway.ledger.spill_file import SpillFile
file = SpillFile(Path(sys.argv[1]))
number = 0
while True:
    file.append(b'{"n":%d,"text":"%s"}\\n' % (number, b"x" * 50_000))
    print(number, flush=True)
    number += 1
"""
READER = """
import sys
from pathlib import Path
from aigateway.ledger.spill_file import SpillFile
file = SpillFile(Path(sys.argv[1]))
while True:
    stretch = file.first(1)
    file.take(stretch, 0, ())
    print(len(stretch.lines), flush=True)
"""


def started(program: str, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "layers" / "gateway")},
        stdout=subprocess.PIPE,
    )


def said(process: subprocess.Popen[bytes]) -> Iterator[int]:
    stream: BinaryIO | None = process.stdout  # type: ignore[assignment]  # a pipe of bytes
    assert stream is not None
    return (int(line) for line in stream if line.endswith(b"\n"))


def test_what_was_acknowledged_outlives_a_killed_writer_and_a_killed_reader(path: Path) -> None:
    """The reader takes nothing away, and puts the file anew in its place, again and again."""
    with started(WRITER, path) as writer, started(READER, path) as reader:
        numbers, rounds = said(writer), said(reader)
        for _ in range(20):
            last = next(numbers)
        next(rounds)
        for process in (reader, writer):
            process.send_signal(signal.SIGKILL)
        last = max([last, *numbers])
    file = SpillFile(path)
    file.append(b'{"n":-1}\n')
    lines = file.first(1000).lines
    assert lines[-1] == b'{"n":-1}\n'
    whole = [line for line in lines if line.endswith(b'"}\n')]
    assert len(lines) - len(whole) <= 2
    assert [line[:10].split(b",")[0] for line in whole[: last + 1]] == [
        b'{"n":%d' % number for number in range(last + 1)
    ]
