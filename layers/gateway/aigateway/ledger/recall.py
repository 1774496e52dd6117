"""What a process knows for a while, because finding it out again is dear."""

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar, final

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

COUNT_AGE = timedelta(seconds=60)
NAMES_AGE = timedelta(minutes=5)
MOST = 256


@final
class Recall(Generic[Key, Value]):
    """Values that are good for a time; there are never more than ``most`` of them.

    What this process writes makes it forget; what another one writes may show that much later.
    """

    def __init__(self, age: timedelta, most: int = MOST) -> None:
        self._age = age
        self._most = most
        self._known: dict[Key, tuple[datetime, Value]] = {}

    def recalled(self, key: Key, now: datetime) -> Value | None:
        known = self._known.get(key)
        return known[1] if known is not None and abs(now - known[0]) < self._age else None

    def note(self, key: Key, now: datetime, value: Value) -> None:
        if len(self._known) >= self._most:
            self.forget()
        self._known[key] = now, value

    def forget(self) -> None:
        self._known.clear()
