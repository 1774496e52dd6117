"""Which models and tools have a series of their own: the first 200 of each provider.

Counters carry names as they came. A model takes a place once a request for it completed, so
invented ones that a provider refuses take none; a place is never given up. What has none is
``other``. Totals must never shrink: a reader takes that for a new beginning and adds the whole
total again. So the counters of a model that may still get a place are not shown as ``other``;
they wait until they have been moved there for good.
"""

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import final

from aigateway.interception import UNKNOWN_MODEL
from aigateway.steps import CLOSED

PLACES = 200
OTHER = "other"
FREE = frozenset({OTHER, UNKNOWN_MODEL})
"""Names of ours: they take no place."""

MOVED_A_TICK = 50
MODEL_AT, BREAKER_MODEL_AT = 1, 2

CounterKey = tuple[str, tuple[str, ...]]
Counters = Mapping[CounterKey, Mapping[str, int]]
Places = Mapping[str, AbstractSet[str]]


@final
@dataclass(frozen=True, slots=True)
class Names:
    """The models and tools that have places, by provider."""

    models: Places
    tools: Places

    @classmethod
    def read(cls, text: bytes | None) -> "Names":
        """Undo ``written``; nothing gives no names."""
        stored = json.loads(text) if text else {"models": {}, "tools": {}}
        return cls(_places(stored["models"]), _places(stored["tools"]))

    def written(self) -> bytes:
        named = {"models": self.models, "tools": self.tools}
        lists = {
            kind: {p: sorted(found) for p, found in each.items()} for kind, each in named.items()
        }
        return json.dumps(lists, sort_keys=True).encode()

    def with_those_of(self, counters: Counters) -> "Names":
        """Return these names and the new ones of the counters, as far as there are places."""
        models: dict[str, set[str]] = {p: set(found) for p, found in self.models.items()}
        tools: dict[str, set[str]] = {p: set(found) for p, found in self.tools.items()}
        for (kind, key), amounts in sorted(counters.items()):
            if kind == CLOSED:
                provider = key[0]
                if amounts.get("c", 0) > 0:
                    _take(models, provider, (key[MODEL_AT],))
                used = (name[2:] for name, n in sorted(amounts.items()) if n and name[:2] == "n:")
                _take(tools, provider, used)
            elif kind == "B":
                _take(models, key[0], (key[BREAKER_MODEL_AT],))
        return Names(models, tools)

    def model(self, provider: str, model: str) -> str:
        """Return the model's name as a label."""
        return model if self.has_place(provider, model) else OTHER

    def tool(self, provider: str, tool: str) -> str:
        """Return the tool's name as a label."""
        return tool if tool in FREE or tool in self.tools.get(provider, ()) else OTHER

    def has_place(self, provider: str, model: str) -> bool:
        return model in FREE or model in self.models.get(provider, ())

    def is_full(self, provider: str) -> bool:
        """No other model of this provider will ever have a place."""
        return len(self.models.get(provider, ())) >= PLACES

    def outside(self, counters: Counters) -> list[CounterKey]:
        """Return the counters of closed interceptions whose model has no place.

        Those that count for nothing until they are moved come first.
        """
        found = [
            (self.is_full(key[0]), amounts.get("c", 0) > 0, kind, key)
            for (kind, key), amounts in counters.items()
            if kind == CLOSED and not self.has_place(key[0], key[MODEL_AT])
        ]
        return [(kind, key) for _, _, kind, key in sorted(found)]

    def shown(self, counters: Counters) -> Counters:
        """Leave out what waits: models without a place that may still get one."""
        waiting = {key for key in self.outside(counters) if not self.is_full(key[1][0])}
        return {key: amounts for key, amounts in counters.items() if key not in waiting}


def in_other(key: CounterKey) -> CounterKey:
    """Return the counter that takes over one whose model has no place."""
    kind, labels = key
    return kind, (*labels[:MODEL_AT], OTHER, *labels[MODEL_AT + 1 :])


def _places(stored: Mapping[str, Iterable[str]]) -> Places:
    return {provider: frozenset(names) for provider, names in stored.items()}


def _take(places: dict[str, set[str]], provider: str, names: Iterable[str]) -> None:
    taken = places.setdefault(provider, set())
    for name in names:
        if len(taken) < PLACES and name not in FREE:
            taken.add(name)
