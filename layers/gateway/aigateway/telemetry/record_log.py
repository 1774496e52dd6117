"""Tells the log of every closed record."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, final

from aigateway.interception import Closed, Opened
from aigateway.telemetry.journal import EmfName, Event
from aigateway.telemetry.log import Fields, load

Writing = Callable[[Fields], None]


class Whole(Protocol):
    """Gives all of a record as a text, from which it can be stored later."""

    def __call__(self, opened: Opened, closed: Closed, *, content: bool) -> str: ...


@final
class RecordLog:
    """Hands each line's members to ``write``; without ``content`` no text of a prompt or answer.

    The last line of a record that could not be closed has what ``whole`` gives as ``record``.
    """

    def __init__(self, write: Writing, *, content: bool, whole: Whole | None = None) -> None:
        self._write = write
        self._content = content
        self._whole = whole

    def loading(self) -> Callable[[], object]:
        return _load

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        from aigateway.telemetry.parts import in_parts  # noqa: PLC0415 - a cold start needs none

        for line in self._lines(opened, closed, stored=stored):
            for part in in_parts(line):
                self._write(part)

    def _lines(self, opened: Opened, closed: Closed, *, stored: bool) -> Iterator[Fields]:
        from aigateway.telemetry.events import lines_of  # noqa: PLC0415 - likewise

        for line in lines_of(opened, closed, stored=stored, content=self._content):
            is_last = line["record_type"] == "interception_end"
            if stored or not is_last or self._whole is None:
                yield line
            else:
                yield line | {"record": self._whole(opened, closed, content=self._content)}

    def counted(self, event: Event, number: int) -> None:
        """Nothing: a count has no record."""

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        """Nothing, likewise."""


def _load() -> None:
    from aigateway.telemetry import events, parts  # noqa: F401, PLC0415 - to have them

    load()
