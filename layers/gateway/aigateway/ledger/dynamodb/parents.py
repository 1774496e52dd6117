"""The look-up of the interception whose tool calls a request answers, and its repair."""

import asyncio
import secrets
from contextlib import aclosing

from aigateway.interception import Opened, Parents
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.dynamodb.table import KEYS, OPEN
from aigateway.ledger.expressions import Update
from aigateway.ledger.items import (
    UNPARENTED,
    bounded_id,
    call_partition,
    id_of,
    interception_from,
    milliseconds,
    moment,
    record_key,
    response_partition,
    session_key,
    session_partition,
)
from aigateway.ledger.moves import parents_settled
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
        last = "~" if query.before is None else moment(milliseconds(query.before), "~")
        newest = Range(session_partition(sid), "I#", f"I#{last}", descending=True)
        async with aclosing(self._table.items(newest, PAGE)) as items:
            async for item in items:
                row = interception_from(item)
                if query.before is None or row.opened.started_at < query.before:
                    rows.append(row)
                if len(rows) == EXAMINED:
                    break
        return parents_among(rows, query)

    async def _pointed_parents(self, query: ParentQuery) -> Parents | None:
        initiator = query.initiator_id
        calls = [call_partition(initiator, call_id) for call_id in query.call_ids[:CALLS_ASKED]]
        answers = [response_partition(initiator, query.response_id)] if query.response_id else []
        bound = None if query.before is None else moment(milliseconds(query.before))
        for partitions in (calls, answers):
            newest = [Range(pk, high=bound, descending=True) for pk in partitions]
            pages = await asyncio.gather(*(self._table.first(each, 1) for each in newest))
            found = [item for items in pages for item in items]
            if found:
                item = max(found, key=lambda item: str(item["sk"]))
                return Parents(id_of(item), item["ro"])
        return None

    async def unparented(self, most: int) -> tuple[Opened, ...]:
        marked = Range(UNPARENTED, index=(OPEN, *KEYS[OPEN]))
        places = await self._table.first(marked, most)
        keys = [(item["pk"], item["sk"]) for item in places]
        rows = await self._table.read_many(keys)
        still = (rows[key] for key in keys if rows.get(key, {}).get("g3pk") == UNPARENTED)
        return tuple(interception_from(item).opened for item in still)

    async def repair_parent(self, opened: Opened, parents: Parents | None) -> bool:
        self._counts.forget()
        record = await self._table.read(record_key(opened))
        if record is None:
            return False
        writes = parents_settled(opened, parents, record.get("fl", 0))
        try:
            await self._table.transact(writes, secrets.token_hex(16))
        except Refused as refused:
            if not refused.reasons or refused.reasons[0].code != "ConditionalCheckFailed":
                raise
            return False
        if parents is not None:
            await self._move_children(opened, parents.thread_root_id)
        return True

    async def _move_children(self, opened: Opened, root: str) -> None:
        """Give those who took the record for their root its own one."""
        later = Range(*record_key(opened), "I#~")
        children = [item for item in await self._table.all(later) if item.get("tr_") == opened.id]
        for item in children:
            await self._table.update(Update(item["pk"], item["sk"], sets={"tr_": root}))


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
