"""Files that commands read and write."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cli.ledger import Mistake


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Write beside ``path``, for the owner alone, and take its name when all is on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def source(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open a file of lines, and say how large it is."""
    if name == "-":
        yield sys.stdin.buffer, None
        return
    path = Path(name)
    try:
        with path.open("rb") as file:
            yield file, path.stat().st_size
    except OSError as error:
        raise Mistake(f"{name} cannot be read: {error.strerror}") from error
