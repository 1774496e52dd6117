"""From settings to what a process logs, and to the journal that its parts tell."""

import logging

from aigateway.settings import Settings
from aigateway.telemetry.journal import Journal, Journals
from aigateway.telemetry.log import StandardOutput, begin, line_writer, record_writer
from aigateway.telemetry.record_log import RecordLog


def begun(settings: Settings) -> Journal:
    """Let this process log to its standard output, which is its log; return its journal."""
    output = StandardOutput()
    begin(output, settings.log_level)
    return journal_of(settings, output)


def journal_of(settings: Settings, handler: logging.Handler) -> Journal:
    """Return the journal that the settings ask for, with its lines going to ``handler``."""
    journals: list[Journal] = []
    if settings.structured_logging:
        journals.append(RecordLog(record_writer(handler), content=settings.log_content))
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
