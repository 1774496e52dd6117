"""The chunks of one answer: the dialect's events or document, with the wished fault in it."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice

from local.scripted.codings import encoded
from local.scripted.script import Ask, Dialect, Reply
from local.scripted.wishes import Wishes


class ConnectionCut(Exception):
    """The connection breaks off here; under ASGI an application can only say so by raising."""


class Stalled(Exception):
    """Nothing more is sent until the client leaves."""


def chunks_of(ask: Ask, reply: Reply, wishes: Wishes, dialect: Dialect) -> Iterator[bytes]:
    """The body, chunk by chunk.

    Raises ``ConnectionCut`` or ``Stalled`` where the wishes say so.
    """
    if ask.streaming:
        whole = _stream(ask, reply, wishes, dialect)
    else:
        whole = _document(ask, reply, wishes, dialect)
    return _split(encoded(whole, wishes.encoding), wishes.split)


def _stream(ask: Ask, reply: Reply, wishes: Wishes, dialect: Dialect) -> Iterator[bytes]:
    events = dialect.events(ask, reply)
    match wishes.fault:
        case "empty":
            return
        case "truncate":
            whole = b"".join(events)
            yield whole[: len(whole) // 2]
        case "error" | "failed":
            yield from islice(events, wishes.at)
            failed = wishes.fault == "failed"
            yield dialect.error_event(reply, wishes.detail, wishes.at, failed=failed)
        case "cut" | "end" | "stall":
            yield from islice(events, wishes.at)
            _break_off(wishes)
        case _:
            yield from events


def _document(ask: Ask, reply: Reply, wishes: Wishes, dialect: Dialect) -> Iterator[bytes]:
    document = dialect.document(ask, reply)
    whole = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    match wishes.fault:
        case "empty":
            return
        case "truncate" | "end" | "cut" | "stall":
            yield whole[: len(whole) // 2]
            _break_off(wishes)
        case _:
            yield whole


def _break_off(wishes: Wishes) -> None:
    if wishes.fault == "cut":
        raise ConnectionCut
    if wishes.fault == "stall":
        raise Stalled


def _split(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    for chunk in chunks:
        size = most or len(chunk)
        yield from (chunk[at : at + size] for at in range(0, len(chunk), max(size, 1)))
