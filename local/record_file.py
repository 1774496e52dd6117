"""Lines of records in files that stay small in number and size."""

import os
from io import TextIOWrapper
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import final

from aigateway.telemetry.log import JsonLines

FILE_BYTES = 32 * 1024 * 1024
OLDER_FILES = 4


@final
class RecordFile(RotatingFileHandler):
    """``<process>.ndjson``; a full one becomes ``.1``, that one ``.2``, the oldest goes.

    One process alone may write to it. A line that cannot be written is lost.
    """

    def __init__(self, folder: Path, process: str, file_bytes: int = FILE_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(
            folder / f"{process}.ndjson",
            maxBytes=file_bytes,
            backupCount=OLDER_FILES,
            encoding="utf-8",
            delay=True,
        )
        self.setFormatter(JsonLines())

    def _open(self) -> TextIOWrapper:
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(os.fdopen(file, "ab"), encoding=self.encoding)

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 - the library's name
        """Do not show the line, as the library would."""
