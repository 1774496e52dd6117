"""What a reader has heard and not told yet: order, limits, counts.

Facts leave in the order of the response, although a later one may be final first: each thing
that can become a fact gets a place when it begins, and a place that is still open holds back
those behind it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from io import StringIO
from typing import final

from aigateway.errors import Misheard
from aigateway.transcript.facts import Answered, Fact
from aigateway.wire.jsontext import mended

FACTS_LIMIT_BYTES = 16 * 1024 * 1024
"""All that is kept of one response; beyond it the listener gives up, not the relay."""

THOUGHT_LIMIT_BYTES = 1024 * 1024
"""Stored of one thought; a longer one is marked."""

_PLACE_BYTES = 256
_ID_CHARACTERS = 512


@final
class Text:
    """Fragments of one text, in order. Past ``limit`` characters they are dropped and marked."""

    def __init__(self, notebook: "Notebook", limit: int | None = None) -> None:
        self._notebook = notebook
        self._limit = limit
        self._pieces = StringIO()
        self._size = 0
        self.is_cut = False

    def add(self, piece: object) -> None:
        """Append a string; anything else is no fragment."""
        if not isinstance(piece, str) or not piece or self.is_cut:
            return
        if self._limit is not None and self._size + len(piece) > self._limit:
            piece = piece[: self._limit - self._size]
            self.is_cut = True
        self._notebook.spend(len(piece))
        self._size += len(piece)
        self._pieces.write(piece)

    def __bool__(self) -> bool:
        return self._size > 0

    def __str__(self) -> str:
        return mended(self._pieces.getvalue())


@final
class Notebook:
    """The state that the three readers have in common, for one response."""

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        self._notes: dict[str, int | str] = {}
        self._places: dict[int, tuple[Fact, ...] | None] = {}
        self._first_place = 0
        self._next_place = 0
        self._spent = 0

    def identify(self, response_id: object, model: object) -> None:
        """Keep the first id and the first model that are not empty."""
        self.response_id = self.response_id or identifier(response_id)
        self.model = self.model or identifier(model)

    def spend(self, size: int) -> None:
        """Account for ``size`` kept bytes. Raises ``Misheard("facts_too_large")``."""
        self._spent += size
        if self._spent > FACTS_LIMIT_BYTES:
            raise Misheard("facts_too_large")

    def place(self) -> int:
        """Keep the next place in the order for what begins now."""
        self.spend(_PLACE_BYTES)
        place = self._next_place
        self._next_place += 1
        self._places[place] = None
        return place

    def fill(self, place: int, facts: Iterable[Fact]) -> None:
        """Say what became of a place: no fact, one, or several."""
        self._places[place] = tuple(facts)

    def told(self) -> list[Fact]:
        """Take the facts that no open place holds back any more."""
        ready: list[Fact] = []
        while (facts := self._places.get(self._first_place)) is not None:
            del self._places[self._first_place]
            self._first_place += 1
            ready.extend(_mended(fact) for fact in facts)
        return ready

    def note(self, name: str, amount: int = 1) -> None:
        """Add to a count that goes with the answer."""
        before = self._notes.get(name, 0)
        self._notes[name] = before + amount if isinstance(before, int) else amount

    def answered(self) -> list[Fact]:
        """Return the fact about the answer itself, or nothing if none was heard."""
        if self.response_id is None and self.model is None and not self._notes:
            return []
        return [_mended(Answered(self.response_id, self.model, dict(self._notes)))]


def identifier(value: object) -> str | None:
    """Read an id or a name: a string that is not empty, at most 512 characters of it."""
    if not isinstance(value, str):
        return None
    return mended(value[:_ID_CHARACTERS]) or None


def cut_to(text: str, limit_bytes: int) -> str:
    """Cut a text without halves of characters to ``limit_bytes`` of UTF-8, at a boundary."""
    if len(text) * 4 <= limit_bytes:
        return text
    raw = text.encode()
    return text if len(raw) <= limit_bytes else raw[:limit_bytes].decode("utf-8", "ignore")


def _mended(fact: Fact) -> Fact:
    """Let no half of a character out: what is stored is valid UTF-8."""
    changes: dict[str, object] = {}
    for field in fields(fact):
        value = getattr(fact, field.name)
        if isinstance(value, str) and not value.isascii():
            changes[field.name] = mended(value)
        elif isinstance(value, Mapping):
            changes[field.name] = {
                mended(name): mended(kept) if isinstance(kept, str) else kept
                for name, kept in value.items()
            }
    return replace(fact, **changes) if changes else fact  # type: ignore[arg-type] # same types
