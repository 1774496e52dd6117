"""Steps inside the verbs of a store: single calls to the table, single statements on the file."""

import re
import sqlite3
from collections.abc import Callable
from typing import Any, final

from aigateway.ledger.dynamodb.connection import Sending
from local.crashing import Crash

NAMES = (
    (r"S#.*\0I#", "record"),
    (r"S#.*\0P#.*#0\.\d+", "prompt"),
    (r"S#.*\0P#.*#1\.\d+", "answer"),
    (r"S#.*\0META", "session"),
    (r"X#", "session pointer"),
    (r"[TR]#", "pointer"),
    (r"CTR#", "counter"),
    (r"GAUGE\0", "gauge"),
    (r"SNAP\0CURRENT", "snapshot"),
    (r"SNAPDOC\0", "document"),
    (r"PUB\0STATE", "publisher state"),
    (r"PUB\0", "publisher text"),
    (r"JOB\0", "job"),
)
"""What items are called, by the beginning of their keys."""

STATEMENT = re.compile(
    r"\s*(INSERT|UPDATE|DELETE)\s+(?:OR\s+\w+\s+)?(?:INTO\s+|FROM\s+)?(\w+)", re.IGNORECASE
)


@final
class DyingTable:
    """Sends requests of which each write is a step: ``table.record``, ``table.transaction``."""

    def __init__(self, sending: Sending, crash: Crash) -> None:
        self._sending = sending
        self._crash = crash

    async def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        step = f"table.{named(operation, request)}"
        self._crash.reached(step, "before")
        answer = await self._sending.send(operation, request)
        self._crash.reached(step, "after")
        return answer


def named(operation: str, request: dict[str, Any]) -> str:
    """Return what a request does, by the item that it writes."""
    if operation == "TransactWriteItems":
        return "transaction"
    if operation == "DeleteItem":
        return "delete"
    key = request.get("Item") or request.get("Key")
    if operation not in ("PutItem", "UpdateItem") or key is None:
        return "read"
    place = f"{key['pk']['S']}\0{key['sk']['S']}"
    return next((name for form, name in NAMES if re.match(form, place, re.DOTALL)), "other")


class DyingFile(sqlite3.Connection):
    """A connection of which each writing statement is a step, such as ``file.insert counter``.

    The commit of a transaction is one for each of its kinds: ``file.commit insert counter``.
    """

    crash: Crash
    rewritten: Callable[[str], str] | None = None
    written: tuple[str, ...] = ()

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - the library's
        return self._stepped(super().execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:  # noqa: ANN401 - likewise
        return self._stepped(super().executemany, sql, parameters)

    def _stepped(
        self, execute: Callable[[str, Any], sqlite3.Cursor], sql: str, parameters: object
    ) -> sqlite3.Cursor:
        if self.rewritten is not None:
            sql = self.rewritten(sql)
        steps = self._steps(sql)
        for step in steps:
            self.crash.reached(step, "before")
        done = execute(sql, parameters)
        for step in steps:
            self.crash.reached(step, "after")
        return done

    def _steps(self, sql: str) -> tuple[str, ...]:
        if sql in ("COMMIT", "ROLLBACK"):
            steps, self.written = self.written, ()
            return tuple(f"file.{sql.lower()} {name}" for name in steps)
        found = STATEMENT.match(sql)
        if found is None:
            return ("file.vacuum",) if sql == "VACUUM" else ()
        name = f"{found[1]} {found[2]}".lower()
        if name not in self.written:
            self.written = (*self.written, name)
        return (f"file.{name}",)


def dying_files(
    crash: Crash, rewritten: Callable[[str], str] | None = None
) -> Callable[..., sqlite3.Connection]:
    """Return what opens a file so. ``rewritten`` changes each statement."""

    def connected(*arguments: Any, **named: Any) -> sqlite3.Connection:  # noqa: ANN401 - likewise
        connection: DyingFile = sqlite3.connect(*arguments, **named, factory=DyingFile)
        connection.crash, connection.rewritten = crash, rewritten
        return connection

    return connected
