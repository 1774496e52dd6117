"""Records as comma-separated values (RFC 4180), without what was said."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterable

from aigateway.clock import time_text
from aigateway.interception import TOKEN_NAMES
from aigateway.ledger.expressions import well_formed
from aigateway.ledger.rows import Interception
from aigateway.transcript.facts import Thought, ToolUsage

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to some programs, whoever wrote it."""

WHO = ("user_id", "username")
COLUMNS = (
    *("id", "session_id", "started_at", "ended_at", *WHO),
    *("provider", "provider_name", "model", "client", "route", "auxiliary", "outcome"),
    *("error_type", "http_status", *TOKEN_NAMES, "cost_micros", "tools", "thoughts"),
)
SUMMED = ("interceptions", *TOKEN_NAMES, "cost_micros")
DAILY_COLUMNS = ("day", *WHO, *SUMMED)


def line(cells: Iterable[object]) -> bytes:
    """Return one line; text that could be a formula gets a quotation mark before it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = well_formed(value)
    return f"'{text}" if text.startswith(FORMULA) else text


async def interception_sheet(rows: AsyncIterator[Interception]) -> AsyncIterator[bytes]:
    """Yield a header, and a line for each record."""
    yield line(COLUMNS)
    async for row in rows:
        opened, closed = row.opened, row.closed
        facts = [heard.fact for heard in closed.rows] if closed else []
        yield line(
            (
                *(row.id, opened.session_id, time_text(opened.started_at)),
                time_text(closed.ended_at) if closed else None,
                *(opened.initiator_id, opened.initiator_username),
                *(opened.provider, opened.provider_name, opened.model, opened.client.name),
                *(opened.route, int(opened.lineage.auxiliary)),
                *(
                    (closed.outcome, closed.error_type, closed.http_status)
                    if closed
                    else [None] * 3
                ),
                *(row.tokens.get(name, 0) for name in TOKEN_NAMES),
                row.cost_micros,
                sum(isinstance(fact, ToolUsage) for fact in facts),
                sum(isinstance(fact, Thought) for fact in facts),
            )
        )


async def daily_tokens(rows: AsyncIterator[Interception]) -> AsyncIterator[bytes]:
    """Yield a header, and a line for each UTC day and user; rows come newest first."""
    yield line(DAILY_COLUMNS)
    today = ""
    sums: dict[tuple[str, str], Counter[str]] = {}
    async for row in rows:
        day = time_text(row.opened.started_at)[:10]
        if day != today:
            for each in _day(today, sums):
                yield each
            today, sums = day, {}
        who = row.opened.initiator_id, row.opened.initiator_username
        counted = {name: row.tokens.get(name, 0) for name in TOKEN_NAMES}
        sums.setdefault(who, Counter()).update(
            {"interceptions": 1, **counted, "cost_micros": row.cost_micros or 0}
        )
    for each in _day(today, sums):
        yield each


def _day(day: str, sums: dict[tuple[str, str], "Counter[str]"]) -> Iterable[bytes]:
    for who, counts in sorted(sums.items()):
        yield line((day, *who, *(counts[name] for name in SUMMED)))
