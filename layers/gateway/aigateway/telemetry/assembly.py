"""From settings to what a process logs, and to the journal that its parts tell."""

import logging

from aigateway.settings import Settings
from aigateway.telemetry.journal import Journal, Journals
from aigateway.telemetry.log import StandardOutput, begin, line_writer, record_writer
from aigateway.telemetry.record_log import RecordLog, Whole


def begun(settings: Settings, whole: Whole | None = None) -> Journal:
    """Let this process log to its standard output, which is its log; return its journal.

    ``whole`` gives all of a record that could not be closed, which its last line then holds.
    """
    output = StandardOutput()
    begin(output, settings.log_level)
    return journal_of(settings, output, whole)


def journal_of(settings: Settings, handler: logging.Handler, whole: Whole | None = None) -> Journal:
    """Return the journal that the settings ask for, with its lines going to ``handler``."""
    journals: list[Journal] = []
    if settings.structured_logging:
        write, content = record_writer(handler), settings.log_content
        journals.append(RecordLog(write, content=content, whole=whole))
    if "emf" in settings.metric_sinks:
        from aigateway.telemetry.emf import Figures  # noqa: PLC0415 - only where they are read

        journals.append(
            Figures(
                line_writer(handler),
                per_model=settings.metrics_per_model,
                per_initiator=settings.metrics_per_initiator,
            )
        )
    return Journals(*journals)
