"""One day of records, with everything that makes them different."""

from typing import Any

from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.store import Store
from aigateway.steps import steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, charged

Record = tuple[Opened, Closed | None]


def a_day(**changed: Any) -> list[Record]:  # noqa: ANN401 - fields of Opened
    """Return records of two people: side requests, sub-agents, failures, some in flight."""
    side = an_opened(1, **changed, auxiliary=True, prompt=None)
    first = an_opened(2, **changed, client="Codex", model="gpt-5", metadata={"Username": "alice"})
    long = an_opened(3, **changed, prompt="long " * 20_000)
    agent = an_opened(4, **changed, agent="agent-1", prompt="Look.")
    alone = an_opened(5, **changed, session=None, prompt="Alone.")
    answered = (AnsweredCall("toolu_alone", None, 3),)
    child = an_opened(
        6,
        **changed,
        session=None,
        answered_calls=answered,
        parents=Parents(alone.id, alone.id),
        prompt=None,
    )
    bob = an_opened(7, **changed, initiator_id="u-bob", initiator_username="bob")
    tool = a_tool("toolu_alone")
    return [
        (side, charged(a_closed(side, a_usage(), seconds=1), 1234)),
        (first, a_closed(first, a_usage(), a_thought("hm"), seconds=60)),
        (long, a_closed(long, a_thought("deep " * 30_000), outcome="failed", error_message="x")),
        (agent, a_closed(agent, a_usage(), usage_partial=True)),
        (alone, a_closed(alone, tool, provider_response_id="resp_1")),
        (child, a_closed(child, a_usage(), parents_unknown=False)),
        (bob, a_closed(bob, a_usage(), credential_hint="sk-a...bcde")),
        (an_opened(8, **changed, prompt="Still there?"), None),
    ]


async def written(store: Store, records: list[Record]) -> None:
    """Store records as gateways do: each start and each end in its time, an end before a start.

    Of starts at the same moment a store may take any one for a session's first.
    """
    starts = [(opened.started_at, True, opened, closed) for opened, closed in records]
    ends = [(end.ended_at, False, opened, end) for opened, end in records if end is not None]
    for _, is_start, opened, closed in sorted([*starts, *ends], key=lambda event: event[:2]):
        if is_start:
            await store.open(opened)
        elif closed is not None:
            await store.close(opened, closed, steps_of_closing(opened, closed))
