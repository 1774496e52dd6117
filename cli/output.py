"""What a command says: tables and sentences for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import final

from cli.terminal import Column, Line, Terminal, one_line, progress


@final
class Output:
    """Answers go to standard output, everything beside them to standard error."""

    def __init__(self) -> None:
        self._terminal = Terminal()

    @property
    def columns(self) -> int:
        return self._terminal.columns

    def document(self, document: object) -> None:
        """Print JSON in ASCII, which no terminal and no pipe can misread."""
        print(json.dumps(document, indent=2))

    def say(self, text: str) -> None:
        self._terminal.print(text)

    def aside(self, text: str) -> None:
        print(one_line(text), file=sys.stderr)

    def progress(
        self, things: str, total: int | None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Show on standard error how many of ``total`` are done, where somebody watches."""
        return progress(things, total)

    def lines(self, lines: Iterable[Line]) -> None:
        self._terminal.lines(lines)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, otherwise: str
    ) -> None:
        """Print rows, or say ``otherwise`` where there are none."""
        if rows:
            self._terminal.table(columns, rows)
        else:
            self.aside(otherwise)
