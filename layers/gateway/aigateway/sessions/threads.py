"""Bare interceptions of one session → threads, and which result answered which tool call.

An interception belongs to the thread of its parent. Where none was recorded, the parent is the
newest earlier interception that made one of the calls it answers (of the same agent first), else
the one whose response it continues. Without a parent it begins a thread of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from aigateway.ledger.rows import Interception
from aigateway.transcript.facts import AnsweredCall


@final
@dataclass(frozen=True, slots=True)
class Thread:
    """``id`` is the root's, also where the root itself has expired; ``rows`` oldest first."""

    id: str
    rows: tuple[Interception, ...]

    @property
    def root(self) -> Interception:
        return self.rows[0]


@final
@dataclass(frozen=True, slots=True)
class Conversation:
    """``results`` is keyed by the interception that made a call, and the call's id."""

    threads: tuple[Thread, ...]
    results: Mapping[tuple[str, str], AnsweredCall]


@final
@dataclass(slots=True)
class _Walk:
    """What the interceptions so far have said; fed oldest first."""

    roots: dict[str, str] = field(default_factory=dict)
    callers: dict[tuple[str, str | None], tuple[int, str]] = field(default_factory=dict)
    makers: dict[str, tuple[int, str]] = field(default_factory=dict)
    responses: dict[str, str] = field(default_factory=dict)
    results: dict[tuple[str, str], AnsweredCall] = field(default_factory=dict)

    def take(self, row: Interception) -> None:
        agent = row.opened.lineage.agent_id
        owners = {
            call.call_id: owner
            for call in row.opened.answered_calls
            if (owner := self._owner(call.call_id, agent)) is not None
        }
        self.roots[row.id] = self._root(row, owners)
        for call in row.opened.answered_calls:
            if call.call_id in owners:
                self._note_result(owners[call.call_id][1], call)
        place = (len(self.roots), row.id)
        for call_id, _ in row.calls:
            self.callers[call_id, agent] = self.makers[call_id] = place
        if row.closed is not None and row.closed.provider_response_id is not None:
            self.responses[row.closed.provider_response_id] = row.id

    def _owner(self, call_id: str, agent: str | None) -> tuple[int, str] | None:
        return self.callers.get((call_id, agent)) or self.makers.get(call_id)

    def _root(self, row: Interception, owners: Mapping[str, tuple[int, str]]) -> str:
        if row.parents is not None:
            known = self.roots.get(row.parents.thread_parent_id)
            root = row.parents.thread_root_id
            return known or self.roots.get(root, root)
        if owners:
            agent = row.opened.lineage.agent_id
            own = [owner for call, owner in owners.items() if (call, agent) in self.callers]
            return self.roots[max(own or owners.values())[1]]
        previous = self.responses.get(row.opened.previous_response_id or "")
        return row.id if previous is None else self.roots[previous]

    def _note_result(self, owner: str, call: AnsweredCall) -> None:
        """A repeated request answers again: the first answer that says how it went counts."""
        noted = self.results.get((owner, call.call_id))
        if noted is None or (noted.is_error is None and call.is_error is not None):
            self.results[owner, call.call_id] = call


def oldest_first(rows: tuple[Interception, ...]) -> tuple[Interception, ...]:
    return tuple(sorted(rows, key=lambda row: (row.opened.started_at, row.id)))


def conversation_of(rows: tuple[Interception, ...]) -> Conversation:
    """Sort all interceptions of one session into threads, oldest root first."""
    walk = _Walk()
    threads: dict[str, list[Interception]] = {}
    for row in oldest_first(rows):
        walk.take(row)
        threads.setdefault(walk.roots[row.id], []).append(row)
    return Conversation(
        tuple(Thread(root, tuple(members)) for root, members in threads.items()), walk.results
    )
