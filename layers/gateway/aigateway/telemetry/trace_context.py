"""Where a trace goes on: the contexts that Lambda and a caller hand over."""

import re
from dataclasses import dataclass
from typing import final

from aigateway.wire.messages import Headers, value

XRAY = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24})", re.IGNORECASE)
PARENT = re.compile(r"Parent=([0-9a-f]{16})", re.IGNORECASE)
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 1


@final
@dataclass(frozen=True, slots=True)
class Remote:
    """A span of somebody else. Both ids are numbers other than 0."""

    trace_id: int
    span_id: int
    is_sampled: bool


def read_xray(text: str) -> Remote | None:
    """Read Lambda's variable ``_X_AMZN_TRACE_ID`` (X-Ray developer guide, "Tracing header").

    Without ``Sampled=1`` the trace is not sampled.
    """
    root, parent = XRAY.search(text), PARENT.search(text)
    if root is None or parent is None:
        return None
    return _remote(root[1] + root[2], parent[1], is_sampled="Sampled=1" in text.split(";"))


def read_traceparent(text: str) -> Remote | None:
    """Read a caller's ``traceparent`` (W3C Trace Context, section 3.2)."""
    found = TRACEPARENT.fullmatch(text.strip())
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    return _remote(found[2], found[3], is_sampled=bool(int(found[4], 16) & SAMPLED))


def _remote(trace_id: str, span_id: str, *, is_sampled: bool) -> Remote | None:
    remote = Remote(int(trace_id, 16), int(span_id, 16), is_sampled)
    return remote if remote.trace_id and remote.span_id else None


def parent_and_link(
    xray: str, headers: Headers, *, trusted: bool
) -> tuple[Remote | None, Remote | None]:
    """Return what the root is a child of, and what it is only linked to.

    The invocation is its parent; the caller's own context is that only where it is ``trusted``:
    who may set it can choose the trace, and whether it is sampled.
    """
    caller = read_traceparent((value(headers, b"traceparent") or b"").decode("latin-1"))
    if trusted and caller is not None:
        return caller, None
    return read_xray(xray), caller
