"""How often each key is used within a second: an item for each, which expires."""

from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.table import EXPIRY
from aigateway.ledger.expressions import Update
from aigateway.ledger.items import key_text

KEPT_SECONDS = 60


class DynamoRates(Ground):
    """Adds up over all gateways: the table applies every addition once."""

    async def hit(self, key_id: str, second: int) -> int:
        added = Update(
            f"RL#{key_text(key_id)}",
            str(second),
            sets={EXPIRY: second + KEPT_SECONDS},
            adds={"n": 1},
        )
        item = await self._table.update(added, attempts=1)
        return int(item["n"])
