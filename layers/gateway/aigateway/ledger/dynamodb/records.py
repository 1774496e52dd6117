"""Writing interceptions: the opening writes beside each other, the closing in one transaction.

A record is *open* once its item and its prompt are acknowledged. The session moves beside that
and is waited for only by the closing, which would create the session itself. The closing
transaction changes record, session and counters together, and only while the record has no end;
``cw`` on the record tells which call it was, so that a lost reply is no lost win.
"""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from typing import Any

from aigateway.clock import Clock, micros
from aigateway.errors import RecorderUnavailable
from aigateway.interception import Closed, Opened
from aigateway.ledger.documents import closed_from, opened_text, unpacked
from aigateway.ledger.dynamodb.closing import Closing, Known, committed
from aigateway.ledger.dynamodb.connection import Range, Table
from aigateway.ledger.dynamodb.ground import Ground, log
from aigateway.ledger.dynamodb.payloads import SPILL_BYTES, Payloads
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.dynamodb.table import KEYS, OPEN
from aigateway.ledger.expressions import ABSENT, Item, Put
from aigateway.ledger.items import (
    META,
    OPEN_SHARDS,
    interception_from,
    milliseconds,
    moment,
    open_partition,
    opened_item,
    record_key,
    session_partition,
)
from aigateway.ledger.moves import (
    COMBINATIONS,
    answer_pointers,
    combination,
    counters_moved,
    ended_late,
    session_begun,
    session_pointer,
)
from aigateway.ledger.texts import ANSWER_PART, PROMPT_PART, answer_text, texts_of
from aigateway.steps import Step, steps_of_closing

SESSIONS_KNOWN = 4096


class DynamoRecords(Ground):
    """Opening and closing."""

    def __init__(
        self, table: Table, payloads: Payloads, clock: Clock, retention_days: int | None
    ) -> None:
        super().__init__(table, payloads, clock, retention_days)
        self._sessions_known: OrderedDict[str, Known] = OrderedDict()
        self._begun: dict[str, asyncio.Task[bool] | None] = {}

    async def open(self, opened: Opened) -> None:
        self._counts.forget()
        key = opened.session_key
        is_news = opened.counts_as_activity or key not in self._sessions_known
        self._begun[opened.id] = self._aside(self._begin_session(opened)) if is_news else None
        results = await asyncio.gather(
            self._put_prompt(opened),
            self._put_record(opened),
            self._cover(opened.started_at),
            return_exceptions=True,
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            is_promptless = failures[0] is results[0]
            self._aside(self._give_up(replace(opened, prompt=None) if is_promptless else opened))
            raise failures[0]

    async def _put_prompt(self, opened: Opened) -> None:
        text = await asyncio.to_thread(opened_text, opened)
        if text is not None:
            for item in await self._payloads.items(opened, PROMPT_PART, text):
                await self._table.put(Put(item))

    async def _put_record(self, opened: Opened) -> None:
        """Store a record that has no end; one that is there already came by this very call."""
        try:
            await self._table.put(Put(opened_item(opened), ABSENT))
        except Refused as refused:
            if not refused.is_condition:
                raise

    async def _begin_session(self, opened: Opened) -> bool:
        """Move the session; ``False`` if the table did not acknowledge it."""
        try:
            layout = await self._layout()
            item, _ = await asyncio.gather(
                self._move_session(opened, layout.list_shards), self._point_to_session(opened)
            )
        except RecorderUnavailable:
            log.warning("a session was not moved", extra={"interception_id": opened.id})
            return False
        if item is not None:
            self._learn(opened.session_key, Known.of(item, _day(opened)))
        return True

    async def _move_session(self, opened: Opened, list_shards: int) -> Item | None:
        """Return the session's item afterwards; a later prompt may have moved it before."""
        try:
            return await self._table.update(session_begun(opened, list_shards))
        except Refused as refused:
            if not refused.is_condition:
                raise
            return refused.item

    async def _point_to_session(self, opened: Opened) -> None:
        known = self._sessions_known.get(opened.session_key)
        pointer = session_pointer(opened)
        if pointer is not None and (known is None or known.day != _day(opened)):
            await self._table.put(pointer)

    def _learn(self, session_key: str, known: Known) -> None:
        self._sessions_known[session_key] = known
        self._sessions_known.move_to_end(session_key)
        while len(self._sessions_known) > SESSIONS_KNOWN:
            self._sessions_known.popitem(last=False)

    async def _give_up(self, opened: Opened) -> None:
        """Close a record that may have arrived although its opening failed."""
        closed = Closed(
            id=opened.id,
            outcome="failed",
            ended_at=self._clock.now(),
            error_type="server_error",
            error_message="the record could not be opened completely",
        )
        try:
            await self.close(opened, closed, steps_of_closing(opened, closed))
        except RecorderUnavailable:
            log.warning("left to the sweeper", extra={"interception_id": opened.id})

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        if opened.id not in self._begun and not await self._is_open(opened):
            return False
        self._counts.forget()
        self._names.forget()
        session_key = session_partition(opened.session_key), META
        is_abandoned = closed.outcome == "abandoned"
        is_late = is_abandoned or opened.id not in self._begun
        # Read before the session moves: a late start sets its latest times back.
        session = await self._table.read(session_key) if is_late else None
        text = await asyncio.to_thread(answer_text, opened, closed)
        layout = await self._layout()
        early = [] if is_abandoned else [self._put_answer(opened, text)]
        texts = await self._short_texts(opened, text) if is_abandoned else ()
        displaced, *_ = await asyncio.gather(
            asyncio.gather(*early),
            self._session_is_begun(opened),
            *(self._table.put(pointer) for pointer in answer_pointers(opened, closed)),
        )
        closing = Closing(
            opened,
            closed,
            steps,
            parts=f"{PROMPT_PART}{ANSWER_PART}" if opened.prompt else f"{ANSWER_PART}",
            own=secrets.token_hex(8),
            session=session,
            known=self._sessions_known.get(opened.session_key),
            list_shards=layout.list_shards,
            texts=texts,
        )
        if not await committed(self._table, closing):
            return False
        if is_abandoned and not texts:
            await self._put_answer(opened, text)
        puts = [Put(item) for items in displaced for item in items]
        await asyncio.gather(*(self._table.put(put) for put in puts))
        self._note_combination(opened)
        return True

    async def _session_is_begun(self, opened: Opened) -> None:
        """Wait for the session's move, and repeat it where it failed or was never tried here."""
        if opened.id in self._begun:
            task = self._begun.pop(opened.id)
            if task is None or await task:
                return
        await self._begin_session(opened)

    async def _is_open(self, opened: Opened) -> bool:
        record = await self._table.read(record_key(opened))
        return record is not None and "en" not in record

    async def _short_texts(self, opened: Opened, text: bytes) -> tuple[Put, ...]:
        """Return what a transaction can take along, nothing for a long text.

        A gateway that is still alive may put its own text at any moment, and it would not be the
        one that was counted.
        """
        if len(text) > SPILL_BYTES:
            return ()
        return tuple(Put(item) for item in await self._payloads.items(opened, ANSWER_PART, text))

    async def _put_answer(self, opened: Opened, text: bytes) -> list[dict[str, Any]]:
        """Store the answer unless one is there: what a first closing wrote may be all there is.

        Return the items that found their place taken, the others of the text with them.
        """
        items = await self._payloads.items(opened, ANSWER_PART, text)
        are_new = await asyncio.gather(*(self._is_new(Put(item, ABSENT)) for item in items))
        return [] if all(are_new) else items

    async def _is_new(self, put: Put) -> bool:
        try:
            await self._table.put(put)
        except Refused as refused:
            if not refused.is_condition:
                raise
            return False
        return True

    def _note_combination(self, opened: Opened) -> None:
        known = self._sessions_known.get(opened.session_key)
        if known is not None and len(known.combinations) < COMBINATIONS:
            combinations = known.combinations | {combination(opened)}
            self._learn(opened.session_key, Known(combinations, known.is_full, known.day))

    async def late(self, opened: Opened, closed: Closed) -> bool:
        try:
            await self._table.update(ended_late(opened, closed))
        except Refused as refused:
            if not refused.is_condition:
                raise
            return False
        return True

    async def count(self, steps: tuple[Step, ...]) -> None:
        """Add each counter's steps once: a lost reply may lose a step, never count it twice."""
        moved = counters_moved(steps, 0, is_bounded=False)
        await asyncio.gather(*(self._table.update(update, attempts=1) for update in moved))

    async def orphans(self, before: datetime, most: int) -> tuple[Opened, ...]:
        bound = moment(milliseconds(before))
        ranges = [
            Range(open_partition(part), high=bound, index=(OPEN, *KEYS[OPEN]))
            for part in range(OPEN_SHARDS)
        ]
        pages = await asyncio.gather(*(self._table.first(range_, most) for range_ in ranges))
        places = sorted((item for items in pages for item in items), key=lambda i: i["g3sk"])
        keys = [(item["pk"], item["sk"]) for item in places]
        rows = await self._table.read_many(keys)
        open_rows = [rows[key] for key in keys if key in rows and "en" not in rows[key]][:most]
        found = await self._payloads.found(open_rows)
        return tuple(
            interception_from(item, texts_of(item, found).prompt).opened for item in open_rows
        )

    async def remains(self, opened: Opened) -> Closed | None:
        pk, sk = record_key(opened)
        item: Item = {"pk": pk, "sk": sk, "pl": f"{ANSWER_PART}"}
        found = await self._payloads.found([item])
        if any(each.get("why") == "unreachable" for each in found.values()):
            raise RecorderUnavailable("what remains of a record cannot be read now")
        answer = texts_of(item, found).answer if found else None
        if answer is None:
            return None
        row = {"outcome": "abandoned", "ended_at": micros(opened.started_at)}
        return closed_from(opened.id, row | unpacked(answer).get("more", {}), answer)

    async def purge(self, now: datetime, most: int) -> int:  # noqa: ARG002 - the contract's
        """Do nothing: the table expires its items by itself."""
        return 0


def _day(opened: Opened) -> str:
    return f"{opened.started_at:%Y%m%d}"
