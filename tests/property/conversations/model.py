"""What must be recorded of an answer, told by the answer's own events.

An event of a stream has bytes, and effects: what it lets a listener know. Folding the effects of
the events that arrived gives what a faithful record says, without a look at the bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, final

CUT_SHORT = frozenset({"max_tokens", "length", "incomplete:max_output_tokens"})
COUNTS = ("input", "output", "cache_read", "cache_write")


@final
@dataclass(frozen=True, slots=True)
class Part:
    """Something that may become a row. ``of`` numbers the choice that it stands in.

    ``is_json``: a call's whole input is JSON; ``is_free``: its tool takes any text.
    """

    number: int
    kind: Literal["thought", "call"]
    name: str = ""
    call_id: str | None = None
    source: str = ""
    by: str = "client"
    is_json: bool = True
    is_free: bool = False
    of: int = 0


@final
@dataclass(frozen=True, slots=True)
class Begin:
    part: Part


@final
@dataclass(frozen=True, slots=True)
class Piece:
    part: Part
    text: str


@final
@dataclass(frozen=True, slots=True)
class Finish:
    part: Part


@final
@dataclass(frozen=True, slots=True)
class BeginChoice:
    number: int


@final
@dataclass(frozen=True, slots=True)
class FinishChoice:
    """All parts of a choice are as they will be; ``stop`` is its reason."""

    number: int
    stop: str


@final
@dataclass(frozen=True, slots=True)
class Counted:
    """A usage report by the four disjoint counts; ``joins``: zeros replace nothing."""

    counts: Mapping[str, int]
    joins: bool = False


@final
@dataclass(frozen=True, slots=True)
class Named:
    response_id: str
    model: str


@final
@dataclass(frozen=True, slots=True)
class Noted:
    """Something that is counted and not kept."""

    name: str


@final
@dataclass(frozen=True, slots=True)
class Stopped:
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Over:
    """The answer's own end. Choices tell it by themselves: all that began are finished."""


Effect = (
    Begin | Piece | Finish | BeginChoice | FinishChoice | Counted | Named | Noted | Stopped | Over
)
Row = tuple[object, ...]


@final
@dataclass(frozen=True, slots=True)
class Record:
    """What is known in the end. ``usage``: the four counts, and whether they are partial."""

    rows: tuple[Row, ...] = ()
    usage: tuple[int, int, int, int, bool] | None = None
    response_id: str | None = None
    model: str | None = None
    notes: Mapping[str, int] = field(default_factory=dict)
    outcome: str = "upstream_cut"
    stop: str | None = None


def recorded(effects: Iterable[Effect], *, partial_usage: bool = True) -> Record:  # noqa: C901, PLR0912 - one case an effect
    """Fold the effects of what arrived. ``partial_usage``: a report before the end is partial."""
    order: list[Part] = []
    texts: dict[int, str] = {}
    finished: set[int] = set()
    begun: set[int] = set()
    stops: dict[int, str] = {}
    notes: dict[str, int] = {}
    counts: dict[str, int] | None = None
    named, stop, is_over = Named("", ""), None, False
    for effect in effects:
        match effect:
            case Begin(part):
                order.append(part)
                texts[part.number] = ""
            case Piece(part, text):
                texts[part.number] += text
            case Finish(part):
                finished.add(part.number)
            case BeginChoice(number):
                begun.add(number)
            case FinishChoice(number, reason):
                stops[number] = reason
                finished |= {part.number for part in order if part.of == number}
            case Counted(reported, joins):
                kept = {name: value for name, value in reported.items() if value or not joins}
                counts = (counts or {}) | kept
            case Named():
                named = effect
            case Noted(name):
                notes[name] = notes.get(name, 0) + 1
            case Stopped(reason):
                stop = reason
            case Over():
                is_over = True
    is_over = is_over or (bool(begun) and begun <= stops.keys())
    stop = stops.get(0) if stops else stop
    rows = [_row(p, texts[p.number], stops.get(p.of, stop), p.number in finished) for p in order]
    strange = sum(
        row is not None and row[0] == "call" and row[4] == "text" and not part.is_free
        for part, row in zip(order, rows, strict=True)
    )
    if strange:
        notes["tool_inputs_not_json"] = strange
    usage = None
    if counts is not None:
        fresh, output, read, write = (counts.get(name, 0) for name in COUNTS)
        usage = (fresh, output, read, write, partial_usage and not is_over)
    return Record(
        rows=tuple(row for row in rows if row is not None),
        usage=usage,
        response_id=named.response_id or None,
        model=named.model or None,
        notes=notes,
        outcome="completed" if is_over else "upstream_cut",
        stop=stop,
    )


def _row(part: Part, text: str, stop: str | None, is_finished: bool) -> Row | None:
    if part.kind == "thought":
        return ("thought", part.source, text, not is_finished) if text else None
    if part.is_free:
        form = "text"
    elif not is_finished:
        form = "partial"
    elif part.is_json:
        form = "json"
    else:
        form = "partial" if stop in CUT_SHORT else "text"
    return ("call", part.call_id, part.name, text, form, part.by)
