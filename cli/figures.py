"""Numbers and times as people read them."""

from datetime import datetime

KILO = 1000
ONE_DECIMAL_BELOW = 9.95
SECONDS_SHOWN_EXACTLY = 60
MICRO_DIGITS = 6


def plural(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """Return a number of bytes with three digits at most."""
    amount, unit = float(count), "B"
    for bigger in ("kB", "MB", "GB"):
        if amount < KILO:
            break
        amount, unit = amount / KILO, bigger
    whole = unit == "B" or amount >= ONE_DECIMAL_BELOW
    return f"{amount:.0f} {unit}" if whole else f"{amount:.1f} {unit}"


def amount(micros: int) -> str:
    """Return millionths of a dollar in cents; less than ten cents with the first two digits."""
    places = 2 if micros == 0 else max(2, MICRO_DIGITS + 2 - len(str(micros)))
    return f"{micros / 10**MICRO_DIGITS:,.{min(places, MICRO_DIGITS)}f}"


def dollars(micros: int) -> str:
    return f"US${amount(micros)}"


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < SECONDS_SHOWN_EXACTLY:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def day_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def clock_time(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago that was, in one unit."""
    seconds = max((now - at).total_seconds(), 0)
    for unit, length in (("day", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "now"
