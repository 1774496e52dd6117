"""What the ledger says of a run, against what the provider saw and what the clients got."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aigateway.interception import TOKEN_NAMES
from aigateway.ledger.rows import Interception, Session
from tests.crash.scenes import Sent

Entries = Sequence[Mapping[str, Any]]
"""The provider's log, ``local/scripted/log.py``."""


def problems_of(
    sent: Sequence[Sent],
    rows: Sequence[Interception],
    log: Entries,
    *,
    is_spilled: bool = False,
) -> tuple[str, ...]:
    """Return whatever was lost, doubled, left open or told wrongly; nothing where all is well.

    ``is_spilled``: the store did not take the end of the ``target``, but its client has it all.
    """
    by_body: dict[str, list[Interception]] = defaultdict(list)
    for row in rows:
        by_body[row.opened.request_sha256].append(row)
    seen = Counter(entry["body_sha256"] for entry in log if entry["complete"])
    asked = {each.sha256 for each in sent}
    told = [f"a record of a request that nobody sent: {sha}" for sha in by_body.keys() - asked]
    for each in sent:
        found = by_body[each.sha256]
        entries = [entry for entry in log if entry["body_sha256"] == each.sha256]
        may_be_cut = is_spilled and each.part == "target"
        problems = _of_one(each, found, entries, may_be_cut=may_be_cut)
        told += [f"{each.part}: {problem}" for problem in problems]
    told += [f"the provider saw {sha}, which nobody sent" for sha in seen.keys() - asked]
    return tuple(told)


def _of_one(
    sent: Sent, found: Sequence[Interception], entries: Entries, *, may_be_cut: bool
) -> Iterator[str]:
    is_seen = any(entry["complete"] for entry in entries)
    if sent.part in ("lead", "after") and not is_answered(sent):
        yield f"nobody serves: {sent.got and sent.got.status}"
    if is_seen and not found and sent.asked.is_recorded:
        yield "lost: the provider had it, and there is no record"
    if len(found) > 1:
        yield f"doubled: there are {len(found)} records"
    for row in found:
        if row.closed is None:
            yield "open: its record was never closed"
            continue
        if is_seen and row.payload_error is not None:
            yield f"a text is lost: {row.payload_error}"
        outcome = row.closed.outcome
        if is_answered(sent) and outcome != "completed" and not may_be_cut:
            yield f"the client has the whole answer, the record says {outcome}"
        yield from _wrong_counts(row, entries)
        if sent.answers is not None and _has_lost_its_parent(row, sent.answers):
            yield "its record belongs to no thread"


def is_answered(sent: Sent) -> bool:
    return sent.is_whole and sent.got is not None and sent.got.status == HTTPStatus.OK


def _wrong_counts(row: Interception, entries: Entries) -> Iterator[str]:
    """An abandoned record may lack the tokens; others have what the provider said last."""
    closed = row.closed
    answered = [e["answered"]["usage"] for e in entries if e["answered"].get("usage")]
    if closed is None or not answered or closed.outcome not in ("completed", "abandoned"):
        return
    told = {name: row.tokens.get(name, 0) for name in TOKEN_NAMES}
    is_silent = closed.outcome == "abandoned" and not any(told.values())
    if not is_silent and told != dict(answered[-1]):
        yield f"it says {told}, the provider said {answered[-1]}"


def _has_lost_its_parent(row: Interception, parent: str) -> bool:
    """A look-up without a session has a bound: past it a record is a thread of its own."""
    has_session = row.opened.lineage.client_session_id is not None
    if row.parents is None:
        return has_session
    return row.parents.thread_parent_id != parent


def sessions_differ(sessions: Iterable[Session], rows: Iterable[Interception]) -> tuple[str, ...]:
    """Return whatever sessions sum up otherwise than their closed records do."""
    told = {each.key: (each.errors, *_tokens(each.tokens)) for each in sessions}
    summed: dict[str, tuple[int, ...]] = {}
    for row in rows:
        if row.closed is not None:
            amounts = int(row.closed.outcome != "completed"), *_tokens(row.tokens)
            before = summed.get(row.opened.session_key, (0,) * len(amounts))
            summed[row.opened.session_key] = tuple(map(sum, zip(before, amounts, strict=True)))
    keys = told.keys() | summed.keys()
    differing = [key for key in sorted(keys) if told.get(key) != summed.get(key)]
    return tuple(
        f"a session says {told.get(key)}, its records {summed.get(key)}" for key in differing
    )


def _tokens(tokens: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(tokens.get(name, 0) for name in TOKEN_NAMES)


def fate_of(sent: Sent, rows: Iterable[Interception], log: Entries) -> str:
    """Return what became of a request: ``none``, or the outcome of its record."""
    for row in rows:
        if row.opened.request_sha256 == sent.sha256:
            return "open" if row.closed is None else row.closed.outcome
    is_seen = any(e["complete"] for e in log if e["body_sha256"] == sent.sha256)
    return "lost" if is_seen else "none"
