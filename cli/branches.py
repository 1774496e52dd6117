"""The threads of a session as a tree: a sub-agent's below the step that it was started in.

No client says which tool call began a sub-agent. It is placed by what is known: whose agent its
requests name as their parent, and which of that one's steps had begun last.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from aigateway.ledger.rows import Interception
from aigateway.sessions.threads import Thread


@final
@dataclass(frozen=True, slots=True)
class Tree:
    """``roots`` stand by themselves; ``below`` are the threads begun in an interception."""

    roots: tuple[Thread, ...]
    below: Mapping[str, tuple[Thread, ...]]


def tree_of(threads: Iterable[Thread]) -> Tree:
    """Sort threads, oldest root first, into a tree; none is lost and none stands twice."""
    roots: list[Thread] = []
    below: dict[str, list[Thread]] = defaultdict(list)
    steps: dict[str | None, list[Interception]] = defaultdict(list)
    for thread in threads:
        step = _step_before(thread, steps)
        (roots if step is None else below[step.id]).append(thread)
        lineage = thread.root.opened.lineage
        if not lineage.auxiliary:
            steps[lineage.agent_id] += thread.rows
    return Tree(tuple(roots), {id_: tuple(found) for id_, found in below.items()})


def _step_before(
    thread: Thread, steps: Mapping[str | None, list[Interception]]
) -> Interception | None:
    """Return the parent's step that a sub-agent's thread began in, one with calls if there is."""
    opened = thread.root.opened
    if opened.lineage.agent_id is None:
        return None
    parent = opened.lineage.parent_session_id
    known = parent if parent in steps and parent != opened.lineage.agent_id else None
    earlier = [row for row in steps.get(known, ()) if row.opened.started_at < opened.started_at]
    calling = [row for row in earlier if row.calls]
    return max(calling or earlier, key=lambda row: (row.opened.started_at, row.id), default=None)
