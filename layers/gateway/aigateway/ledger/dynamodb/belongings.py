"""The other items of a record: where its texts and pointers stand."""

from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import (
    LISTED_CALLS,
    call_partition,
    client_session_partition,
    interception_from,
    response_partition,
)
from aigateway.ledger.texts import first_chunks, further_chunks, texts_of

Key = tuple[str, str]


class DynamoBelongings(Ground):
    """Finds what hangs on a record or a session."""

    async def _chunks_of(self, record: Item) -> list[Key]:
        """Return the keys of the items that hold the texts, or name their objects."""
        first = await self._table.read_many(first_chunks(record))
        return [*first, *further_chunks(record, first)]

    async def _pointers_of(self, record: Item) -> list[Key]:
        """Return the keys of the ways back from calls and response, where there are such."""
        if "cs" in record:
            return []
        initiator, at = record["in"], str(record["sk"]).removeprefix("I#")
        partitions = [call_partition(initiator, id_) for id_ in await self._calls_of(record)]
        if "rd" in record:
            partitions.append(response_partition(initiator, record["rd"]))
        return [(pk, at) for pk in dict.fromkeys(partitions)]

    async def _calls_of(self, record: Item) -> list[str]:
        """Return the ids of its calls: a record lists no more than so many, its answer all."""
        calls = [call_id for call_id, _ in record.get("tc", ())]
        if len(calls) < LISTED_CALLS:
            return calls
        texts = texts_of(record, await self._payloads.found([record]))
        whole = interception_from(record, texts.prompt, texts.answer, bare=False)
        return [call_id for call_id, _ in whole.calls]


def session_pointer_of(session: Item) -> Key:
    """Return the key of the way from a client's session id; there may be none."""
    return client_session_partition(session["si"]), session["in"]
