"""What is written and read back. ``open_store`` is the one place that picks a store."""

from aigateway.ledger.store import Store
from aigateway.settings import Settings


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name, not started: a table, or a file of this machine."""
    if settings.table is not None:
        from aigateway.ledger.dynamodb import DynamoStore  # noqa: PLC0415 - costs 150 ms

        days = settings.retention.days if settings.retention is not None else None
        return DynamoStore(settings.table, retention_days=days)
    from aigateway.ledger.sqlite import SqliteStore  # noqa: PLC0415 - and this is of no use there

    return SqliteStore(settings.state_dir / "ledger.db")
