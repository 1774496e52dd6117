"""What a publisher remembers of what a receiver of remote writes has been sent.

``State`` says when the last complete push was and what has been tried since; ``Known`` names the
series that are there. Counters are known by eight bytes each, gauges by their labels, because one
that ends has to be told so by name.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

from aigateway.telemetry.series import HASH_BYTES, Labels

Hashes = frozenset[bytes]


@final
@dataclass(frozen=True, slots=True)
class Zeros:
    """Series that were to begin with a 0 at ``at_ms``; whether it arrived is not known."""

    at_ms: int
    hashes: Hashes


@final
@dataclass(frozen=True, slots=True)
class Pending:
    """What was tried since the last complete push, the first time at ``since_ms``."""

    since_ms: int
    at_ms: int
    zeros: tuple[Zeros, ...]
    gauges: frozenset[Labels]


@final
@dataclass(frozen=True, slots=True)
class State:
    """``target`` tells receivers apart; ``tick_ms`` is the time of the last complete push."""

    target: str
    tick_ms: int | None = None
    pending: Pending | None = None

    @classmethod
    def read(cls, text: bytes, target: str) -> "State":
        """Undo ``written``. Another receiver, like an empty text, has been sent nothing."""
        stored: dict[str, Any] = json.loads(text) if text else {}
        if stored.get("target") != target:
            return cls(target)
        pending = stored["pending"]
        return cls(target, stored["tick_ms"], None if pending is None else _pending(pending))

    def written(self) -> bytes:
        pending = self.pending
        document = {
            "target": self.target,
            "tick_ms": self.tick_ms,
            "pending": None
            if pending is None
            else {
                "since_ms": pending.since_ms,
                "at_ms": pending.at_ms,
                "zeros": [[each.at_ms, _packed(each.hashes)] for each in pending.zeros],
                "gauges": sorted(pending.gauges),
            },
        }
        return json.dumps(document).encode()


@final
@dataclass(frozen=True, slots=True)
class Known:
    """The counter and histogram series that are there, and the gauges alive."""

    hashes: Hashes = frozenset()
    gauges: frozenset[Labels] = frozenset()

    @classmethod
    def read(cls, text: bytes | None, target: str) -> "Known":
        """Undo ``written``; another receiver knows nothing."""
        stored: dict[str, Any] = json.loads(text) if text else {}
        if stored.get("target") != target:
            return cls()
        return cls(_unpacked(stored["hashes"]), _label_sets(stored["gauges"]))

    def written(self, target: str) -> bytes:
        """Return a text that is the same for equal values."""
        document = {
            "target": target,
            "hashes": _packed(self.hashes),
            "gauges": sorted(self.gauges),
        }
        return json.dumps(document).encode()


def _pending(stored: dict[str, Any]) -> Pending:
    zeros = tuple(Zeros(at_ms, _unpacked(packed)) for at_ms, packed in stored["zeros"])
    return Pending(stored["since_ms"], stored["at_ms"], zeros, _label_sets(stored["gauges"]))


def _label_sets(stored: Iterable[Iterable[tuple[str, str]]]) -> frozenset[Labels]:
    return frozenset(tuple((name, value) for name, value in labels) for labels in stored)


def _packed(hashes: Hashes) -> str:
    return b64encode(b"".join(sorted(hashes))).decode()


def _unpacked(packed: str) -> Hashes:
    joined = b64decode(packed)
    return frozenset(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))
