"""What a process logs, caught line by line."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from aigateway.telemetry.log import JsonLines

Line = dict[str, Any]


@final
class Caught(logging.Handler):
    """Keeps every line as it would be written, and reads it: one JSON object each."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))

    @property
    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.written]

    @property
    def of_records(self) -> list[Line]:
        return [line for line in self.lines if "record_type" in line]


@contextmanager
def logging_as_before() -> Iterator[None]:
    """Undo what a process that a test starts within this one does to its loggers."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in root.handlers[:]:
            if handler not in handlers:
                root.removeHandler(handler)
