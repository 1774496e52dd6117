"""Keeps on this machine what the store did not take."""

from collections.abc import Mapping
from typing import final

from aigateway.interception import Closed, Opened
from aigateway.ledger.rows import whole
from aigateway.ledger.spill_file import SpillFile
from aigateway.ledger.transfer import line_of
from aigateway.telemetry.journal import EmfName, Event


@final
class Spilling:
    """Adds each record that could not be closed to a file, from which a tick brings it home."""

    def __init__(self, file: SpillFile) -> None:
        self._file = file

    def loading(self) -> None:
        return None

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        if not stored:
            self._file.append(line_of(whole(opened, closed)))

    def counted(self, event: Event, number: int) -> None:
        """Nothing: a count has no record."""

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        """Nothing, likewise."""
