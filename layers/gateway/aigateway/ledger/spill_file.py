"""Records that the store did not take, in one file of this machine.

Gateways append whole lines while one reader takes lines away. Both lock the file, and both look
whether the file they locked is still the one of that name: the reader puts a new one in its place.
Whoever is killed leaves the file as it was, or with a line that was not finished.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

NAME = "spill.ndjson"
LINES_BYTES = 64 * 1024 * 1024
"""Lines that are held at a time, but for the last of them."""
COPY_BYTES = 1024 * 1024


@final
@dataclass(frozen=True, slots=True)
class Stretch:
    """The first ``lines`` of a file, each with its line feed.

    ``has_more``: others follow. ``torn`` is an unfinished one behind them, at the very end.
    """

    lines: tuple[bytes, ...] = ()
    has_more: bool = False
    torn: bytes = b""


@final
class SpillFile:
    """``path`` and a file beside it that takes its place. Everything raises ``OSError``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(f".{path.name}.new")

    def append(self, line: bytes) -> None:
        """Add a line, which is on the disk afterwards; an unfinished one before it is ended."""
        with self._locked() as file:
            size = file.seek(0, os.SEEK_END)
            ended = b"" if size == 0 or _last_byte(file, size) == b"\n" else b"\n"
            try:
                _write(file, ended + line)
            except OSError:
                file.truncate(size)
                raise
            if size == 0:
                self._sync_folder()

    def first(self, most: int) -> Stretch:
        """Return up to ``most`` lines, oldest first."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return Stretch()
        with file:
            left = _whole_size(file)
            lines: list[bytes] = []
            while left and len(lines) < most and sum(map(len, lines)) < LINES_BYTES:
                line = file.readline(left)
                if not line.endswith(b"\n"):
                    return Stretch(tuple(lines), torn=line)
                lines.append(line)
                left -= len(line)
        return Stretch(tuple(lines), has_more=left > 0)

    def take(self, stretch: Stretch, handled: int, kept: Sequence[bytes] = ()) -> None:
        """Take away the first ``handled`` lines of a stretch, all or none of them.

        With the last of them goes the unfinished one. Those ``kept`` follow what else is there.
        Nothing happens where another reader was first.
        """
        gone = b"".join(stretch.lines[:handled])
        if handled == len(stretch.lines):
            gone += stretch.torn
        with self._locked(), self._path.open("rb") as file:
            if file.read(len(gone)) == gone:
                self._put_in_place(_rest(file, gone, kept))

    def forget(self, word: bytes) -> int:
        """Take away all lines with this word, and those that are no JSON; return how many."""
        if not self._path.exists():
            self._next.unlink(missing_ok=True)
            return 0
        with self._locked(), self._path.open("rb") as file:
            forgotten = sum(not _may_stay(line, word) for line in file)
            self._next.unlink(missing_ok=True)
            if forgotten:
                file.seek(0)
                self._put_in_place(line for line in file if _may_stay(line, word))
        return forgotten

    def _put_in_place(self, pieces: Iterator[bytes]) -> None:
        """Let a new file take the name, or none where nothing is left."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(self._next, flags, 0o600), "wb") as new:
            new.writelines(pieces)
            new.flush()
            os.fsync(new.fileno())
            is_empty = new.tell() == 0
        if is_empty:
            self._path.unlink()
            self._next.unlink()
        else:
            self._next.replace(self._path)
        self._sync_folder()

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """Lock the file of this name, made if there is none, against all others."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        while True:
            with os.fdopen(os.open(self._path, flags, 0o600), "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._is_in_place(file):
                    yield file
                    return

    def _is_in_place(self, file: BinaryIO) -> bool:
        with suppress(FileNotFoundError):
            return os.fstat(file.fileno()).st_ino == self._path.stat().st_ino
        return False

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _last_byte(file: BinaryIO, size: int) -> bytes:
    file.seek(size - 1)
    return file.read(1)


def _write(file: BinaryIO, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[file.write(view) :]
    os.fsync(file.fileno())


def is_whole(line: bytes) -> bool:
    """Whether a line was finished by the process that began it."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return line.endswith(b"\n")


def _may_stay(line: bytes, word: bytes) -> bool:
    return word not in line and is_whole(line)


def _whole_size(file: BinaryIO) -> int:
    """Return the size while nobody is writing."""
    fcntl.flock(file, fcntl.LOCK_SH)
    size = os.fstat(file.fileno()).st_size
    fcntl.flock(file, fcntl.LOCK_UN)
    return size


def _rest(file: BinaryIO, gone: bytes, kept: Sequence[bytes]) -> Iterator[bytes]:
    """Yield what follows ``gone``, in whole lines, then the lines ``kept``."""
    last = b"\n"
    if gone[-1:] not in (b"", b"\n") and (after := file.read(1)) != b"\n":
        yield after
    while piece := file.read(COPY_BYTES):
        yield piece
        last = piece[-1:]
    if last != b"\n":
        yield b"\n"
    yield from kept
