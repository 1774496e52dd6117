"""What happened to records, told to whoever listens: to the log, and to CloudWatch's metrics."""

import logging
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, final

from aigateway.interception import Closed, Opened

Event = Literal["Rejected", "RecorderErrors", "OrphansClosed"]
"""A request refused before it had a record; a verb of the store that failed while one was served;
a record closed that its gateway never closed. The names are those of the metrics."""

EmfName = Literal[
    "Interceptions",
    "Failed",
    "Duration",
    "TimeToFirstByte",
    "TokensInput",
    "TokensOutput",
    "TokensCacheRead",
    "TokensCacheWrite",
    "Prompts",
    "ToolCalls",
    "CostMicros",
    "UsageMissing",
    "Rejected",
    "RecorderErrors",
    "OrphansClosed",
    "ProviderNotEnabled",
    "ProvidersNotEnabled",
    "ReloadSuccessAgeSeconds",
    "ReloadAttempts",
    "PublisherOk",
    "Inflight",
]
"""Every metric that CloudWatch is told; the catalogue says more of each."""

logger = logging.getLogger(__name__)


class Journal(Protocol):
    """Hears of everything once, from the process that did it, when it is done."""

    def loading(self) -> Callable[[], object] | None:
        """Return what is to be done, by a thread, before a record can be told of at once.

        It has time while a provider is waited for. ``None``: nothing, or it was given out before.
        """

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        """A record was closed by this process, or, not ``stored``, could not be closed."""

    def counted(self, event: Event, number: int) -> None:
        """Something without a record of its own happened so often."""

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        """A tick saw how things are: with one provider, or altogether."""


@final
class Journals:
    """Tells several journals, or none. One that fails costs a line, never a request."""

    def __init__(self, *journals: Journal) -> None:
        self._journals = journals
        self._is_loaded = not journals

    def loading(self) -> Callable[[], object] | None:
        if self._is_loaded:
            return None
        self._is_loaded = True
        return self._load

    def _load(self) -> None:
        self._tell(_load)

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        self._tell(lambda journal: journal.closed(opened, closed, stored=stored))

    def counted(self, event: Event, number: int) -> None:
        self._tell(lambda journal: journal.counted(event, number))

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        self._tell(lambda journal: journal.ticked(figures, provider_name))

    def _tell(self, telling: Callable[[Journal], None]) -> None:
        for journal in self._journals:
            try:
                telling(journal)
            except Exception as bug:  # noqa: BLE001 - what is told has happened: nothing may undo it
                _failed(journal, bug)


SILENT: Journal = Journals()


def _load(journal: Journal) -> None:
    if (load := journal.loading()) is not None:
        load()


def _failed(journal: Journal, bug: Exception) -> None:
    names = {"journal": type(journal).__name__, "error": type(bug).__name__}
    logger.error("a journal failed", extra=names)
