"""A record from elsewhere: texts and pointers first, then record and session in one transaction.

A kill between the two leaves texts that no record names; a repeat writes them again.
"""

import asyncio
import secrets
from dataclasses import replace
from typing import Any

from aigateway.errors import RecorderUnavailable
from aigateway.interception import Closed, Opened
from aigateway.ledger.documents import opened_text
from aigateway.ledger.dynamodb.closing import ATTEMPTS
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.expressions import ABSENT, Condition, Item, Put, Update
from aigateway.ledger.items import META, opened_item, record_key, session_partition
from aigateway.ledger.moves import (
    COMBINATIONS,
    answer_pointers,
    combination,
    record_closed,
    session_begun,
    session_closed,
    session_pointer,
)
from aigateway.ledger.texts import ANSWER_PART, PROMPT_PART, answer_text

PLACE = ("la", "g1pk", "g1sk", "g2sk")
FIRST = ("st", "cl", "md", "un")
"""What a session has from its first record."""
CLASHES = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


class DynamoRestoring(Ground):
    """Records that were written by another store."""

    async def restore(self, opened: Opened, closed: Closed | None) -> bool:
        if await self._table.read(record_key(opened)) is not None:
            return False
        parts = await self._put_texts(opened, closed)
        layout = await self._layout()
        await self._cover(opened.started_at)
        pointers = [] if closed is None else answer_pointers(opened, closed)
        await asyncio.gather(*(self._table.put(pointer) for pointer in pointers))
        record = Put(_record(opened, closed, parts), ABSENT)
        fault: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._table.pause()
            known = await self._table.read((session_partition(opened.session_key), META))
            await self._point(opened, known)
            session = session_restored(opened, closed, layout.list_shards, known)
            try:
                await self._table.transact([record, session], secrets.token_hex(16))
            except Refused as refused:
                codes = [reason.code for reason in refused.reasons]
                if codes[:1] == ["ConditionalCheckFailed"]:
                    return False
                if not CLASHES.intersection(codes):
                    raise
                fault = refused
            else:
                return True
        raise RecorderUnavailable("others keep changing the session") from fault

    async def _put_texts(self, opened: Opened, closed: Closed | None) -> str:
        """Store the texts and return their parts."""
        texts: dict[int, bytes] = {}
        if (prompt := opened_text(opened)) is not None:
            texts[PROMPT_PART] = prompt
        if closed is not None:
            texts[ANSWER_PART] = await asyncio.to_thread(answer_text, opened, closed)
        for part, text in texts.items():
            for item in await self._payloads.items(opened, part, text):
                await self._table.put(Put(item))
        return "".join(map(str, texts))

    async def _point(self, opened: Opened, known: Item | None) -> None:
        """Lead from the client's session id to the session for as long as that lives."""
        pointer = session_pointer(opened)
        if pointer is not None and (known is None or _outlives(opened, known)):
            await self._table.put(pointer)


def _record(opened: Opened, closed: Closed | None, parts: str) -> dict[str, Any]:
    item = opened_item(opened)
    if closed is None:
        return item
    ending = record_closed(opened, closed, parts, secrets.token_hex(8))
    return {name: v for name, v in (item | dict(ending.sets)).items() if name not in ending.removes}


def session_restored(
    opened: Opened, closed: Closed | None, list_shards: int, known: Item | None
) -> Update:
    """Return the session's move for a record of any age, if the session is still as ``known``."""
    begun = session_begun(opened, list_shards)
    own = {**begun.firsts, **begun.sets}
    if closed is None:
        update = replace(begun, sets=_latest(own, known), moves={}, removes=())
    else:
        update = session_closed(
            opened,
            closed,
            list_shards,
            known,
            is_bounded=False,
            is_new=known is None or combination(opened) not in known.get("cb", ()),
            is_full=known is not None and len(known.get("cb", ())) >= COMBINATIONS,
        )
    if known is None:
        own = {name: value for name, value in own.items() if name not in update.sets}
        return replace(update, firsts=own, condition=ABSENT)
    sets = dict(update.sets)
    if "expires_at" not in known:
        sets.pop("expires_at", None)
    if own["st"] < known["st"]:
        sets |= {name: own[name] for name in FIRST}
    if _moves(opened, own["la"], known):
        sets |= {name: own[name] for name in (*PLACE, "lp") if name in own}
    lasts = () if "expires_at" in sets else ("expires_at",)
    return replace(update, sets=sets, firsts={}, removes=lasts, condition=_is_still(known))


def _moves(opened: Opened, at: int, known: Item) -> bool:
    """A session stands where its last prompt does, and before it has one, where it began."""
    if opened.counts_as_activity:
        return "lp" not in known or bool(at > known["la"])
    return "lp" not in known and bool(at < known["la"])


def _latest(own: Item, known: Item | None) -> dict[str, Any]:
    latest = {name: own[name] for name in ("ls", "expires_at") if name in own}
    if known is None:
        return latest
    latest["ls"] = max(latest["ls"], known.get("ls", 0))
    if "expires_at" in latest and "expires_at" in known:
        latest["expires_at"] = max(latest["expires_at"], known["expires_at"])
    return latest


def _outlives(opened: Opened, known: Item) -> bool:
    if "expires_at" not in known:
        return False
    return opened.expires_at is None or opened.expires_at.timestamp() > known["expires_at"]


def _is_still(known: Item) -> Condition:
    """Every start and every closing changes one of these."""
    values = {name: known[name] for name in ("la", "ls", "sq") if name in known}
    texts = [
        f"#{name} = :{name}" if name in values else f"attribute_not_exists(#{name})"
        for name in ("la", "ls", "sq")
    ]
    return Condition(" AND ".join(texts), values)
