"""Time and ids, passed in so that tests can hold them still."""

import os
import time
from datetime import UTC, datetime
from typing import Protocol, final
from uuid import UUID


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC, to the microsecond."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations."""


@final
class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def micros(at: datetime) -> int:
    """Microseconds since 1970, exact: a float holds them only by luck."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(value: int) -> datetime:
    """Undo ``micros``."""
    seconds, rest = divmod(value, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def time_text(at: datetime) -> str:
    """RFC 3339, UTC, microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def uuid7(at: datetime) -> str:
    """Make a UUID whose first 48 bits are the millisecond of ``at`` (RFC 9562 section 5.7)."""
    milliseconds = micros(at) // 1000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & ((1 << 48) - 1)) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def milliseconds_of(uuid: str) -> int | None:
    """Read the millisecond back out of a UUIDv7; ``None`` for anything else."""
    try:
        value = UUID(uuid)
    except ValueError:
        return None
    return value.int >> 80 if value.version == 7 and str(value) == uuid else None  # noqa: PLR2004
