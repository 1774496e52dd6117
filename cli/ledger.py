"""The store behind a command, and the mistakes that a person can make with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, final

from aigateway.errors import LedgerFault
from aigateway.ledger import open_store
from aigateway.ledger.store import Store
from aigateway.settings import Settings

LEDGER_FILE = "ledger.db"


@final
class Mistake(Exception):
    """What is told in one line. ``status``: 1 when something is missing, 2 for a wrong use."""

    def __init__(self, message: str, status: Literal[1, 2] = 1) -> None:
        super().__init__(message)
        self.status = status


@asynccontextmanager
async def opened(settings: Settings, *, create: bool) -> AsyncIterator[Store]:
    """Open the store of ``settings``; an embedded one that is not there is made on ``create``."""
    if not create and settings.table is None and not (settings.state_dir / LEDGER_FILE).exists():
        raise Mistake(f"nothing is recorded in {settings.state_dir} yet: start with `aigw run`")
    store = open_store(settings)
    try:
        await store.start()
    except LedgerFault as fault:
        raise Mistake(_told(fault)) from fault
    try:
        yield store
    except LedgerFault as fault:
        raise Mistake(_told(fault)) from fault
    finally:
        await store.stop()


def _told(fault: LedgerFault) -> str:
    return f"the store does not answer: {fault}"
