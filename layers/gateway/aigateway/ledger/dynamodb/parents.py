"""The look-up of the interception whose tool calls a request answers."""

import asyncio
from contextlib import aclosing

from aigateway.interception import Parents
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.items import (
    bounded_id,
    call_partition,
    id_of,
    interception_from,
    response_partition,
    session_key,
    session_partition,
)
from aigateway.ledger.rows import Interception
from aigateway.ledger.store import ParentQuery

EXAMINED, PAGE = 400, 20
"""Records of a session that are looked through, newest first, and how many at first."""
CALLS_ASKED = 32
"""One read each, all at once."""


class DynamoParents(Ground):
    """Who asked for what this request brings."""

    async def parents(self, query: ParentQuery) -> Parents | None:
        """Look in the session's records, newest first, or follow pointers where there is none."""
        if query.client_session_id is None:
            return await self._pointed_parents(query)
        sid = session_key(query.initiator_id, query.client_session_id)
        rows: list[Interception] = []
        newest = Range(session_partition(sid), "I#", "I#~", descending=True)
        async with aclosing(self._table.items(newest, PAGE)) as items:
            async for item in items:
                rows.append(interception_from(item))
                if len(rows) == EXAMINED:
                    break
        return parents_among(rows, query)

    async def _pointed_parents(self, query: ParentQuery) -> Parents | None:
        initiator = query.initiator_id
        calls = [call_partition(initiator, call_id) for call_id in query.call_ids[:CALLS_ASKED]]
        answers = [response_partition(initiator, query.response_id)] if query.response_id else []
        for partitions in (calls, answers):
            newest = [Range(pk, descending=True) for pk in partitions]
            pages = await asyncio.gather(*(self._table.query(each, 1) for each in newest))
            found = [item for items, _ in pages for item in items]
            if found:
                item = max(found, key=lambda item: str(item["sk"]))
                return Parents(id_of(item), item["ro"])
        return None


def parents_among(rows: list[Interception], query: ParentQuery) -> Parents | None:
    """Choose among a session's records, newest first: a call of the same agent, any, a response."""
    calls = {bounded_id(call_id) for call_id in query.call_ids}
    owners = [row for row in rows if any(call_id in calls for call_id, _ in row.calls)]
    same_agent = [row for row in owners if row.opened.lineage.agent_id == query.agent_id]
    answers = bounded_id(query.response_id) if query.response_id else None
    by_response = [
        row for row in rows if answers and row.closed and row.closed.provider_response_id == answers
    ]
    for found in (same_agent, owners, by_response):
        if found:
            return Parents(found[0].id, _root(found[0], rows))
    return None


def _root(parent: Interception, rows: list[Interception]) -> str:
    """Return the parent's root; where it was never noted, follow the calls that it answers."""
    seen: set[str] = set()
    while parent.id not in seen:
        seen.add(parent.id)
        if parent.parents is not None:
            return parent.parents.thread_root_id
        answered = {answer.call_id for answer in parent.opened.answered_calls}
        earlier = next(
            (row for row in rows if any(call_id in answered for call_id, _ in row.calls)), None
        )
        if earlier is None:
            return parent.id
        parent = earlier
    return parent.id
