"""Lines of records in files that stay small in number and size."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import final

from aigateway.telemetry.log import JsonLines

RECORDS = "records"
"""Where lines of records lie in the state directory, while people read the others."""

FILE_BYTES = 32 * 1024 * 1024
OLDER_FILES = 4


@final
class RecordFile(RotatingFileHandler):
    """``<process>.ndjson``; a full one becomes ``.1``, that one ``.2``, the oldest goes.

    One process alone may write to it, while others may ``forget``. A line that cannot be written
    is lost.
    """

    def __init__(self, folder: Path, process: str, file_bytes: int = FILE_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        super().__init__(
            folder / f"{process}.ndjson",
            maxBytes=file_bytes,
            backupCount=OLDER_FILES,
            encoding="utf-8",
            delay=True,
        )
        self.setFormatter(JsonLines())

    def emit(self, record: LogRecord) -> None:
        with suppress(OSError), _locked(self._folder):
            self._let_go_of_a_replaced_file()
            super().emit(record)

    def _let_go_of_a_replaced_file(self) -> None:
        stream: TextIOWrapper | None = self.stream
        if stream is None:
            return
        with suppress(FileNotFoundError):
            if Path(self.baseFilename).stat().st_ino == os.fstat(stream.fileno()).st_ino:
                return
        stream.close()
        self.stream = None

    def _open(self) -> TextIOWrapper:
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(os.fdopen(file, "ab"), encoding=self.encoding)

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 - the library's name
        """Do not show the line, as the library would."""


def forget(folder: Path, word: bytes) -> int:
    """Take all lines with this word out of the files of a folder; return how many there were."""
    if not folder.exists():
        return 0
    with _locked(folder):
        return sum(_forgotten(path, word) for path in sorted(folder.glob("*.ndjson*")))


def _forgotten(path: Path, word: bytes) -> int:
    beside = path.with_name(f".{path.name}.new")
    with path.open("rb") as file:
        found = sum(word in line for line in file)
        if not found:
            return 0
        file.seek(0)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as new:
            new.writelines(line for line in file if word not in line)
            new.flush()
            os.fsync(new.fileno())
    beside.replace(path)
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write into a folder."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
