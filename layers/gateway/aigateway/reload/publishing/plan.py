"""What one push of remote writes consists of, and what may be remembered once it arrived.

A counter that a server first sees with a value loses that value: ``increase`` has nothing to
subtract. So a new series begins with a 0 at the time of the push before, sent ahead of every
value. There is no such time on the first push of all, and a 0 between two values would look like
a new beginning: then nothing begins with a 0.

After a crash nobody knows what arrived. The attempt was noted beforehand, so the next push sends
the same zeros, at the same time and in the same requests, and takes a refusal for "already in";
gauges of a lost attempt that are gone since are ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from aigateway.reload.publishing.memory import Hashes, Known, Pending, State, Zeros
from aigateway.telemetry.remote_write import Sample
from aigateway.telemetry.series import Labels, Series, hash_of

LATE_MS = 10 * 60 * 1000
"""A push before that is too long ago to begin new series at; and so long may commits fail."""
SHORTLY_BEFORE_MS = 60 * 1000
NEW_A_PUSH = 20_000
"""More new series wait for the next push: what is noted beforehand has to fit into one item."""


@final
@dataclass(frozen=True, slots=True)
class Beginning:
    """Zeros of one attempt. ``may_be_in``: it was tried before."""

    samples: tuple[Sample, ...]
    may_be_in: bool


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """``noted`` is written before anything is sent, ``known`` and ``done`` after all arrived."""

    noted: State
    beginnings: tuple[Beginning, ...]
    samples: tuple[Sample, ...]
    known: Known
    done: State

    def known_without(self, unsent: Iterable[Sample], before: Known) -> Known:
        """Return what is known when these samples had to wait: about them, what was ``before``."""
        waiting = {sample.labels for sample in unsent}
        hashes = frozenset(map(hash_of, waiting))
        return Known(
            self.known.hashes - hashes | hashes & before.hashes,
            self.known.gauges - waiting | waiting & before.gauges,
        )


@final
@dataclass(frozen=True, slots=True)
class _Named:
    """A series with what it is known by, which is dear to compute."""

    series: Series
    identity: Labels
    hash: bytes

    @property
    def is_momentary(self) -> bool:
        return self.series.family.kind == "gauge"


def plan_of(
    series: Sequence[Series], state: State, known: Known, now_ms: int, *, has_twins: bool
) -> Plan | None:
    """Return what to push at ``now_ms``; ``None`` when the clock went back.

    ``series`` are without twins; ``has_twins`` sends each a second time under its older name,
    else twins that are still there are ended.
    """
    if now_ms <= _latest(state):
        return None
    present = set(known.hashes).union(*(zeros.hashes for zeros in _zeros(state)))
    kept = _admitted([_named(each) for each in series], present, state.tick_ms)
    twins = {each.hash: _named(twin) for each in kept if (twin := each.series.twin) is not None}
    shown = [*kept, *twins.values()] if has_twins else kept
    lasting = {each.hash: each.identity for each in shown if not each.is_momentary}
    alive = frozenset(each.identity for each in shown if each.is_momentary)
    ended = _ended(state, known, alive)
    if not has_twins:
        ended += [twin.identity for twin in twins.values() if twin.hash in present]
    new = [each.hash for each in kept if not each.is_momentary and each.hash not in present]
    also = [twins[each].hash for each in new if has_twins and each in twins]
    begun = _begun(state, frozenset((*new, *also)), now_ms)
    values = [Sample(each.identity, each.series.value, now_ms) for each in shown]
    return Plan(
        noted=replace(state, pending=_noted(state, begun, alive, now_ms)),
        beginnings=_beginnings(state, begun, lasting, known.hashes),
        samples=(*values, *(Sample(labels, None, now_ms) for labels in sorted(ended))),
        known=Known(frozenset(lasting), alive),
        done=State(state.target, now_ms),
    )


def _named(series: Series) -> _Named:
    identity = series.identity
    return _Named(series, identity, hash_of(identity))


def _latest(state: State) -> int:
    """A sample older than one that may be there would be refused."""
    tried = state.pending.at_ms if state.pending else 0
    return max(state.tick_ms or 0, tried)


def _zeros(state: State) -> tuple[Zeros, ...]:
    return state.pending.zeros if state.pending else ()


def _admitted(
    series: Sequence[_Named], present: set[bytes], tick_ms: int | None
) -> Sequence[_Named]:
    """Leave out new series past the bound; on the first push of all nothing begins with a 0."""
    if tick_ms is None:
        return series
    room = NEW_A_PUSH
    kept = []
    for each in series:
        is_new = not each.is_momentary and each.hash not in present
        room -= is_new
        if not is_new or room >= 0:
            kept.append(each)
    return kept


def _begun(state: State, fresh: Hashes, now_ms: int) -> Zeros | None:
    """Return the zeros of this push, if there may be any."""
    if state.tick_ms is None or not fresh:
        return None
    if state.pending is not None and now_ms - state.pending.since_ms > LATE_MS:
        return None
    is_late = now_ms - state.tick_ms > LATE_MS
    return Zeros(now_ms - SHORTLY_BEFORE_MS if is_late else state.tick_ms, fresh)


def _noted(state: State, begun: Zeros | None, gauges: frozenset[Labels], now_ms: int) -> Pending:
    before = state.pending
    zeros = (*_zeros(state), *([begun] if begun else []))
    if before is None:
        return Pending(now_ms, now_ms, zeros, gauges)
    return Pending(before.since_ms, now_ms, zeros, before.gauges | gauges)


def _beginnings(
    state: State, begun: Zeros | None, lasting: Mapping[bytes, Labels], known: Hashes
) -> tuple[Beginning, ...]:
    def beginning(zeros: Zeros, *, may_be_in: bool) -> Beginning:
        wanted = sorted((zeros.hashes - known) & lasting.keys())
        samples = tuple(Sample(lasting[each], 0.0, zeros.at_ms) for each in wanted)
        return Beginning(samples, may_be_in)

    again = [beginning(zeros, may_be_in=True) for zeros in _zeros(state)]
    first = [beginning(begun, may_be_in=False)] if begun else []
    return tuple(each for each in (*again, *first) if each.samples)


def _ended(state: State, known: Known, alive: frozenset[Labels]) -> list[Labels]:
    """Return the gauges that were there, or may be, and are no more."""
    before = known.gauges | (state.pending.gauges if state.pending else frozenset())
    return list(before - alive)
