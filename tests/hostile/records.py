"""What the embedded store keeps of an exchange."""

from datetime import UTC, datetime

from aigateway.ledger.listing import Reach
from aigateway.ledger.rows import Interception
from aigateway.ledger.sqlite import SqliteStore
from tests.e2e.product import Product
from tests.hostile.raw import Heard


async def record_of(product: Product, heard: Heard) -> Interception:
    store = SqliteStore(product.state / "ledger.db")
    await store.start()
    try:
        found = await store.interception(heard.record or "", Reach(None), datetime.now(UTC))
    finally:
        await store.stop()
    assert found is not None
    return found
