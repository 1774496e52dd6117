"""Door of rich: tables and transcripts for people, plain text where nobody watches.

Whatever is printed was written by somebody else: control characters are shown, never sent. Off a
terminal nothing is wrapped, cut or coloured.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TextIO, final

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Style = Literal[
    "plain", "strong", "faint", "user", "thought", "tool", "good", "bad", "doubtful", "title"
]
STYLES: dict[Style, str] = {
    "plain": "",
    "strong": "bold",
    "faint": "bright_black",
    "user": "bold cyan",
    "thought": "italic bright_black",
    "tool": "yellow",
    "good": "green",
    "bad": "bold red",
    "doubtful": "magenta",
    "title": "bold underline",
}

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls, direction marks and other characters that change what stands around them unseen."""

UNWRAPPED_COLUMNS = 1_000_000
NARROWEST_TEXT = 20
NARROWEST_CELL = 12
GAP_COLUMNS = 3


@final
@dataclass(frozen=True, slots=True)
class Span:
    text: str
    style: Style = "plain"


@final
@dataclass(frozen=True, slots=True)
class Line:
    """``margin`` begins every line that this one is wrapped into, or that a text holds."""

    spans: tuple[Span, ...] = ()
    margin: Span = Span("")


@final
@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table may be ``cut`` where a terminal is too narrow."""

    title: str
    right: bool = False
    cut: bool = False


@final
class Terminal:
    """Prints to ``out``; characters that its encoding lacks are replaced."""

    def __init__(self, out: TextIO | None = None) -> None:
        out = sys.stdout if out is None else out
        if hasattr(out, "reconfigure"):
            out.reconfigure(errors="replace")
        watched = Console(file=out, highlight=False, markup=False, emoji=False)
        self.is_watched = watched.is_terminal
        self._console = (
            watched
            if self.is_watched
            else Console(
                file=out,
                highlight=False,
                markup=False,
                emoji=False,
                width=UNWRAPPED_COLUMNS,
                no_color=True,
            )
        )

    @property
    def columns(self) -> int:
        """How wide a line may be."""
        return self._console.width

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        table = Table(box=box.SIMPLE_HEAD if self.is_watched else None, pad_edge=False)
        cells = [[Text(one_line(cell)) for cell in row] for row in rows]
        widths = [
            max([len(column.title), *(row[place].cell_len for row in cells)])
            for place, column in enumerate(columns)
        ]
        fixed = sum(w for w, column in zip(widths, columns, strict=True) if not column.cut)
        room = max(self.columns - fixed - len(columns) * GAP_COLUMNS, NARROWEST_CELL)
        for column, width in zip(columns, widths, strict=True):
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=True,
                overflow="ellipsis",
                width=min(width, room) if column.cut else width,
            )
        for row in cells:
            table.add_row(*row)
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            if line.strip():
                self._console.file.write(line.rstrip() + "\n")

    def print(self, text: str = "", style: Style = "plain") -> None:
        self.lines([Line((Span(text, style),))])

    def lines(self, lines: Iterable[Line]) -> None:
        for line in lines:
            margin = _text(line.margin)
            text = Text.assemble(*(_text(span) for span in line.spans))
            room = max(self.columns - margin.cell_len, NARROWEST_TEXT)
            for part in text.split("\n", allow_blank=True):
                pieces = part.wrap(self._console, room) if self.is_watched else [part]
                for piece in pieces:
                    whole = Text.assemble(margin, piece)
                    whole.rstrip()
                    self._console.print(whole, soft_wrap=True)


@contextmanager
def progress(things: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give what counts: a bar on standard error while it is a terminal, else nothing at all."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    columns = (TextColumn(things), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task(things, total=total)
        yield lambda count: bar.advance(task, count)


def shown(text: str) -> str:
    """Make every character harmless and visible, those of ``UNSEEN`` by their codes."""
    return UNSEEN.sub(_escaped, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same, with every run of white space as one blank."""
    return " ".join(shown(text).split())


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code <= 0xFF:  # noqa: PLR2004 - the forms of Python's own escapes
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the same


def _text(span: Span) -> Text:
    return Text(shown(span.text).expandtabs(4), STYLES[span.style])
