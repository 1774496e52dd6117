"""The door of Powertools Logger: what a process logs, one JSON line each, masked.

Its formatter, on the handlers of this module, renders the lines of every logger, Python's own
included. That, and what masks, is loaded with the first line: a cold start has nothing to say.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import final

from aigateway.telemetry.correlation import correlation

Fields = dict[str, object]

MESSAGE = "interception log"
"""Of every line of a record, as in the reference product (coder/coder, aibridge/recorder)."""

SERVICE = "ai-gateway"
LIBRARIES = ("botocore", "httpx", "pynamodb")
"""They tell of every request, some with its headers."""

HOSTS_HANDLER = "awslambdaric"
"""The managed runtime's client puts a handler on the root logger, which would say all again."""


@final
class Finished(str):
    """A line that is JSON already, in place of a message."""

    __slots__ = ()


@final
class JsonLines(logging.Formatter):
    """One object a line. Members without a value are left out."""

    def __init__(self) -> None:
        super().__init__()
        self._formatter: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, Finished):
            return _masked(record.msg)
        if self._formatter is None:
            self._formatter = _powertools()
        for name, value in correlation().items():
            record.__dict__.setdefault(name, value)
        return self._formatter.format(record)


@final
class TextLines(logging.Formatter):
    """For people who look on: the process, the level, the message."""

    def __init__(self, process: str) -> None:
        super().__init__(f"{process}: %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return _masked(super().format(record))


@final
class StandardOutput(logging.Handler):
    """Writes whole lines. One that cannot be written is lost, and nobody else fails of it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except Exception:  # noqa: BLE001 - Python's own handler would show the line, unmasked
            return


def begin(handler: logging.Handler, level: str) -> None:
    """Let the lines of all loggers of this process go to ``handler``, and nowhere else."""
    root = logging.getLogger()
    for other in root.handlers[:]:
        if isinstance(other, StandardOutput) or type(other).__module__.startswith(HOSTS_HANDLER):
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)


def record_writer(handler: logging.Handler) -> Callable[[Fields], None]:
    """Return what writes lines of records to ``handler``, whatever the level of the others."""
    logger = _apart(handler)

    def write(fields: Fields) -> None:
        logger.info(MESSAGE, extra=fields)

    return write


def line_writer(handler: logging.Handler) -> Callable[[str], None]:
    """Return what writes finished lines to ``handler``."""
    logger = _apart(handler)

    def write(line: str) -> None:
        logger.info(Finished(line))

    return write


def _apart(handler: logging.Handler) -> logging.Logger:
    logger = logging.Logger("records", logging.INFO)  # noqa: LOG001 - not below a root with a level
    logger.addHandler(handler)
    return logger


def load() -> None:
    """Load what the first line takes."""
    _powertools()
    _masked("")


def _powertools() -> logging.Formatter:
    from aws_lambda_powertools.logging.formatter import (  # noqa: PLC0415 - see above
        LambdaPowertoolsFormatter,
    )

    return LambdaPowertoolsFormatter(
        json_serializer=_line,
        json_deserializer=_as_it_is,
        use_rfc3339=True,
        utc=True,
        service=SERVICE,
    )


def _as_it_is(text: object) -> str:
    """Leave a message that happens to be JSON a text."""
    return str(text)


def _line(members: object) -> str:
    try:
        line = json.dumps(
            members, default=str, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
    except (TypeError, ValueError, RecursionError):
        line = json.dumps({"level": "ERROR", "message": "a line is no JSON"})
    return _masked(line.encode("utf-8", "backslashreplace").decode())


def _masked(line: str) -> str:
    from aigateway.telemetry.masking import masked_line  # noqa: PLC0415 - see above

    return masked_line(line)
