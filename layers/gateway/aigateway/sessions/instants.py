"""Times in a query: RFC 3339, to the microsecond that records have."""

import re
from datetime import UTC, datetime, timedelta, timezone

INSTANT = re.compile(
    r"(?P<second>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?P<zone>[Zz]|(?P<sign>[-+ ])(?P<hours>[0-9]{2}):(?P<minutes>[0-5][0-9]))"
)
"""RFC 3339 section 5.6. A blank before the offset is a plus that was not escaped in a query."""


def instant(text: str, *, up: bool) -> datetime | None:
    """Read a time; ``None``: it is none. Finer digits than a record's round ``up`` or down."""
    try:
        return _instant_of(text, up=up)
    except (ValueError, OverflowError):
        return None


def _instant_of(text: str, *, up: bool) -> datetime:
    found = INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    second = datetime.fromisoformat(found["second"].upper().replace(" ", "T"))
    nanoseconds = int((found["fraction"] or "").ljust(9, "0"))
    microseconds = -(-nanoseconds // 1000) if up else nanoseconds // 1000
    at = second.replace(tzinfo=_zone(found)).astimezone(UTC)
    return at + timedelta(microseconds=microseconds)


def _zone(found: re.Match[str]) -> timezone:
    if found["sign"] is None:
        return UTC
    offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return timezone(-offset if found["sign"] == "-" else offset)
