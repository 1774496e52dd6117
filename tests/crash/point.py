"""What a point is: a step at which a process may die, and what is promised then."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, final

from local.crashing import Moment

StoreKind = Literal["file", "table"]
HostKind = Literal["embedded", "sandboxes"]
Process = Literal[
    "gateway", "sweep", "bring home", "reload", "first key", "seed", "publish", "erase", "import"
]

Scene = Literal[
    "turn",
    "prompt",
    "start",
    "refused",
    "unrecorded",
    "passed",
    "keys",
    "failing",
    "cut",
    "leaves",
    "outage",
]
"""What is asked when a gateway dies. ``turn``: the result of a tool that an earlier answer called;
``prompt``: the first one of a key; ``start``: it is starting; ``refused``: a body that is
recorded and sent nowhere; ``unrecorded``: no route; ``passed``: a route without records; ``keys``:
a provider limits its first key; ``failing``, ``cut``: it fails, or breaks off; ``leaves``: the
client goes away in the middle; ``outage``: the store takes no closing."""

Fate = Literal["none", "abandoned", "completed", "failed", "upstream_cut", "client_disconnected"]
"""What became of that request: no record, and the provider never had it whole; or the outcome."""

BOTH_STORES: tuple[StoreKind, ...] = ("file", "table")
BOTH_HOSTS: tuple[HostKind, ...] = ("embedded", "sandboxes")

NOTHING: tuple[Fate, ...] = ("none",)
MAYBE: tuple[Fate, ...] = ("none", "abandoned")
LEFT: tuple[Fate, ...] = ("abandoned",)
DONE: tuple[Fate, ...] = ("completed",)
EITHER: tuple[Fate, ...] = ("abandoned", "completed")
UNTOUCHED: tuple[Fate, ...] = ("none", "completed")
FAILED: tuple[Fate, ...] = ("failed",)
CUT: tuple[Fate, ...] = ("upstream_cut",)
GONE: tuple[Fate, ...] = ("client_disconnected",)

PROMISES: Mapping[tuple[Fate, ...], str] = MappingProxyType(
    {
        NOTHING: "no record, and the provider never has the request whole",
        MAYBE: "no record and no whole request at the provider, or a record closed as abandoned",
        LEFT: "the record is there, and the sweep closes it as abandoned",
        DONE: "the record has its end, and the sweep leaves it alone",
        EITHER: "the record has its end, or the sweep closes it as abandoned",
        UNTOUCHED: "a request that comes meanwhile is served by the next process, or by none",
        FAILED: "the record says that it failed",
        CUT: "the record says that the provider broke off",
        GONE: "the record says that the client left",
    }
)


@final
@dataclass(frozen=True, slots=True)
class Point:
    """A ``step`` of a ``process``; ``moment``: before or after it.

    ``fates``: what may become of the request that was there; a process that serves none has a
    ``promise`` of its own. ``most``: it may be any of its first so many times. ``streams`` and
    ``session``: only with a streamed answer, only with or without a client's session id.
    """

    process: Process
    step: str
    moment: Moment
    where: str
    fates: tuple[Fate, ...] = ()
    promise: str = ""
    stores: tuple[StoreKind, ...] = BOTH_STORES
    hosts: tuple[HostKind, ...] = BOTH_HOSTS
    scene: Scene = "turn"
    most: int = 1
    streams: bool | None = None
    session: bool | None = None

    @property
    def name(self) -> str:
        """Unique among all points."""
        words = [f"{self.process}: {self.moment} {self.step}"]
        if self.scene != "turn":
            words.append(self.scene)
        if self.session is not None:
            words.append("in a session" if self.session else "without a session")
        return ", ".join(words)

    @property
    def promised(self) -> str:
        return self.promise or PROMISES[self.fates]
