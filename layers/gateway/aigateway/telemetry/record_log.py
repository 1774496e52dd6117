"""Tells the log of every closed record."""

from collections.abc import Callable, Mapping
from typing import final

from aigateway.interception import Closed, Opened
from aigateway.telemetry.journal import EmfName, Event
from aigateway.telemetry.log import Fields, load

Writing = Callable[[Fields], None]


@final
class RecordLog:
    """Hands each line's members to ``write``; without ``content`` no text of a prompt or answer."""

    def __init__(self, write: Writing, *, content: bool) -> None:
        self._write = write
        self._content = content

    def loading(self) -> Callable[[], object]:
        return _load

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        from aigateway.telemetry.events import lines_of  # noqa: PLC0415 - a cold start needs none
        from aigateway.telemetry.parts import in_parts  # noqa: PLC0415 - likewise

        for line in lines_of(opened, closed, stored=stored, content=self._content):
            for part in in_parts(line):
                self._write(part)

    def counted(self, event: Event, number: int) -> None:
        """Nothing: a count has no record."""

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        """Nothing, likewise."""


def _load() -> None:
    from aigateway.telemetry import events, parts  # noqa: F401, PLC0415 - to have them

    load()
