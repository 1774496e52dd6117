"""A journal that tests read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from aigateway.interception import Closed, Opened
from aigateway.telemetry.journal import EmfName, Event


@final
@dataclass(slots=True)
class Told:
    """``records``: each closed record, and whether it is stored."""

    records: list[tuple[Opened, Closed, bool]] = field(default_factory=list)
    events: list[tuple[Event, int]] = field(default_factory=list)
    of_all: dict[EmfName, float] = field(default_factory=dict)
    of_each: dict[str, Mapping[EmfName, float]] = field(default_factory=dict)

    def loading(self) -> None:
        return None

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        self.records.append((opened, closed, stored))

    def counted(self, event: Event, number: int) -> None:
        self.events.append((event, number))

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        if provider_name is None:
            self.of_all.update(figures)
        else:
            self.of_each[provider_name] = figures
