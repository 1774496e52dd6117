"""What is written and read back. ``open_store`` is the one place that picks a store."""

from typing import Any, Protocol

from aigateway.interception import Closed, Opened
from aigateway.ledger.store import Store
from aigateway.settings import Settings
from aigateway.wire.aws_json import AwsCalls


class ObjectRules(Protocol):
    """The rules by which the objects of a bucket expire. Raises ``RecorderUnavailable``."""

    async def rules(self) -> list[dict[str, Any]]:
        """Return all rules, in the words of the service."""

    async def set_rules(self, rules: list[dict[str, Any]]) -> None:
        """Replace all rules."""


def open_store(settings: Settings, calls: AwsCalls | None = None) -> Store:
    """Return the store that the settings name, not started: a table, or a file of this machine.

    A table is asked through ``calls``, if there are any, or by the SDK.
    """
    if settings.table is not None:
        from aigateway.ledger.dynamodb import DynamoStore  # noqa: PLC0415 - the SDK takes 190 ms
        from aigateway.ledger.dynamodb.lean import Lean  # noqa: PLC0415 - of no use elsewhere

        return DynamoStore(
            settings.table,
            bucket=settings.payload_bucket,
            retention_days=settings.retention.days if settings.retention is not None else None,
            sending=None if calls is None else Lean(calls),
        )
    from aigateway.ledger.sqlite import SqliteStore  # noqa: PLC0415 - and this is of no use there

    return SqliteStore(settings.state_dir / "ledger.db")


def spilled_text(opened: Opened, closed: Closed, *, content: bool) -> str:
    """Return all of a record that could not be closed, for a log to keep until it can."""
    from aigateway.ledger.spilled import text_of  # noqa: PLC0415 - a cold start needs none

    return text_of(opened, closed, content=content)


def object_rules(settings: Settings) -> ObjectRules | None:
    """Return the rules of the store's bucket, if it has one."""
    if settings.table is None or settings.payload_bucket is None:
        return None
    from aigateway.ledger.dynamodb.bucket import Bucket  # noqa: PLC0415 - costs 150 ms

    return Bucket(settings.payload_bucket)
