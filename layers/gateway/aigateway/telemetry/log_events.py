"""Log lines as events of the span within which they are written."""

import logging
from collections.abc import Iterator
from logging import LogRecord
from typing import final

from aigateway.telemetry.masking import masked_text
from aigateway.telemetry.spans import Value, current

USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every line has; the rest are fields of its own."""

TEXT_LENGTH = 2048


@final
class LogEvents(logging.Handler):
    """Adds lines to the innermost span of the request that they are about, masked and cut.

    Fields are named ``log.<name>``. Lines of no traced request are passed over.
    """

    def emit(self, record: LogRecord) -> None:
        if (here := current()) is None:
            return
        try:
            trace, span = here
            trace.event(span, "log", dict(_said(record)))
        except Exception:  # noqa: BLE001 - Python's own handler would show the line, unmasked
            return


def _said(record: LogRecord) -> Iterator[tuple[str, Value]]:
    yield "log.severity", record.levelname
    yield "log.message", _plain(record.getMessage())
    yield "logger", record.name
    if record.exc_info and record.exc_info[0] is not None:
        yield "log.exception", record.exc_info[0].__name__
    for name, value in vars(record).items():
        if name not in USUAL and value is not None:
            is_plain = isinstance(value, bool | int | float)
            yield f"log.{name}", value if is_plain else _plain(str(value))


def _plain(text: str) -> str:
    return masked_text(text[:TEXT_LENGTH])
