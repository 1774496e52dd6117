"""What a request may ask of the scripted provider: faults, pace, encoding and content.

A wish list is ``name=value`` pairs, or bare names, joined by ``;``. It comes in the request
header ``x-fake`` or, for programs whose headers cannot be set, in the prompt as ``[[fake …]]``.
Values are percent-decoded, so that a value may hold ``;`` (%3B), ``]`` (%5D) or a line break.

Faults (one of)
    status=N              answer with this error status; ``retry-after=S`` and
                          ``should-retry=false`` go with it as headers
    error=TYPE            an error event of this type instead of the rest of a stream
    failed=CODE           the same, in the Responses dialect as ``response.failed``
    cut                   the connection breaks off
    end                   the body ends cleanly before the terminal event
    stall                 nothing more is sent until the client leaves
    empty                 status 200 and no byte of body
    truncate              the second half of the body is missing, its end is clean
    keys=END:STATUS[:S],…  a request whose key ends so is refused so, with S as ``retry-after``;
                          goes with any other fault for the other keys
  at=N                    streams: events sent before the fault (3); a document breaks in half
  times=N                 only the first N requests with this very wish list fail (0: all of them)
Pace and encoding
    wait=MS, drip=MS      before the head; between two events
    split=N               no chunk is longer than N bytes
    encoding=NAME         gzip, deflate, br or zstd
Content
    tools=A,B             call these tools, in parallel, whether they are offered or not
    input=JSON            the input of each call; any text for a free-form tool
    then=A,B              call these in later turns, with inputs made up from their schema
    rounds=N              turns with tool calls after one prompt (1); 0: none
    think=TEXT            reasoning text, also where the request asks for none
    redacted=N            that many redacted thinking blocks (Messages)
    text=TEXT             the answer's text
    events=N              the text comes in N pieces
    usage=I,O,R,W         tokens: input (uncached), output, cache read, cache write
    stop=REASON           stop reason; one that means "cut short" halves the last tool input
"""

import re
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, final, get_args
from urllib.parse import unquote

Fault = Literal["status", "error", "failed", "cut", "end", "stall", "empty", "truncate"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
ENCODINGS = ("gzip", "deflate", "br", "zstd")
PROMPT_WISHES = re.compile(r"\[\[fake ([^\]]*)\]\]")
REFUSED_KEY = re.compile(r"[A-Za-z0-9_-]+:[45][0-9]{2}(:[0-9]+)?")
USAGE_PARTS = 4


@final
@dataclass(frozen=True, slots=True)
class Wishes:
    """A parsed wish list; the defaults are an ordinary answer."""

    source: str = ""
    fault: Fault | None = None
    detail: str = ""
    at: int = 3
    times: int = 0
    retry_after: str = ""
    should_retry: str = ""
    keys: tuple[str, ...] = ()
    wait: int = 0
    drip: int = 0
    split: int = 0
    encoding: str = ""
    tools: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    input: str | None = None
    rounds: int = 1
    think: str = ""
    redacted: int = 0
    text: str | None = None
    events: int = 0
    usage: tuple[int, ...] = ()
    stop: str = ""

    def without_fault(self) -> "Wishes":
        return replace(self, fault=None, detail="")

    def for_key(self, key: str) -> "Wishes":
        """What is wished for a request that comes with this key."""
        for refused in self.keys:
            end, status, *after = refused.split(":")
            if key.endswith(end):
                return replace(self, fault="status", detail=status, retry_after="".join(after))
        return self


KINDS = MappingProxyType({field.name: field.type for field in fields(Wishes)})


def read_wishes(text: str) -> Wishes:
    """Parse one wish list.

    Raises ``ValueError`` naming the pair that cannot be read.
    """
    wishes = Wishes(source=text)
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = pair.partition("=")
        wishes = _with(wishes, name.strip(), unquote(value.strip()), pair)
    return wishes


def _with(wishes: Wishes, name: str, value: str, pair: str) -> Wishes:
    if name in FAULTS:
        if wishes.fault:
            raise ValueError(f"one fault at a time, found {pair!r} after {wishes.fault!r}")
        if name == "status" and not 400 <= _number(value, pair) <= 599:  # noqa: PLR2004
            raise ValueError(f"expected a status from 400 to 599, found {pair!r}")
        return replace(wishes, fault=name, detail=value)
    if name == "encoding" and value not in ENCODINGS:
        raise ValueError(f"expected one of {', '.join(ENCODINGS)}, found {pair!r}")
    if name == "keys" and not all(REFUSED_KEY.fullmatch(part) for part in value.split(",")):
        raise ValueError(f"expected key:status or key:status:seconds, found {pair!r}")
    if name in {"tools", "then", "keys"}:
        changed: dict[str, Any] = {name: tuple(filter(None, value.split(",")))}
        return replace(wishes, **changed)
    if name == "usage":
        usage = tuple(_number(part, pair) for part in value.split(","))
        if len(usage) != USAGE_PARTS:
            raise ValueError(f"expected four counts, found {pair!r}")
        return replace(wishes, usage=usage)
    field = name.replace("-", "_")
    if field not in KINDS or field in {"source", "fault", "detail"}:
        raise ValueError(f"unknown wish {pair!r}")
    changed = {field: _number(value, pair) if KINDS[field] is int else value}
    return replace(wishes, **changed)


def _number(value: str, pair: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise ValueError(f"expected a whole number, found {pair!r}")
    return int(value)


def wishes_in(prompt: str) -> str | None:
    """The last wish list of a prompt, None when it holds none."""
    found = PROMPT_WISHES.findall(prompt)
    return str(found[-1]) if found else None
