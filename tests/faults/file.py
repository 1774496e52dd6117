"""What can happen to the file of an embedded ledger, on request."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from aigateway.ledger.sqlite import SqliteStore

PAGE_BYTES = 4096
PLENTY = 1_000_000_000


@final
@dataclass(frozen=True, slots=True)
class Ledger:
    """A file, and the store of the process that it is taken from."""

    path: Path
    store: SqliteStore

    async def set(self, pragma: str) -> int | None:
        """Change how the store's own connection works; return what it says to that."""
        found = await self.store._database.apart(lambda c: c.execute(f"PRAGMA {pragma}").fetchone())
        return None if found is None else int(found[0])


@asynccontextmanager
async def disk_full(ledger: Ledger) -> AsyncIterator[None]:
    """Let the file grow no further: what is short may still find a place."""
    await ledger.set(f"max_page_count = {await ledger.set('page_count')}")
    yield
    await ledger.set(f"max_page_count = {PLENTY}")


@asynccontextmanager
async def locked(ledger: Ledger) -> AsyncIterator[None]:
    """Let another process write, and not end its transaction."""
    await ledger.set("busy_timeout = 0")
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()
    await ledger.set("busy_timeout = 5000")


@asynccontextmanager
async def read_only(ledger: Ledger) -> AsyncIterator[None]:
    """Refuse to write with SQLite's own error for it, which holds for every user."""
    await ledger.set("query_only = ON")
    yield
    await ledger.set("query_only = OFF")


@asynccontextmanager
async def moved_away(ledger: Ledger) -> AsyncIterator[None]:
    """Take the file away, its side files with it, and bring it back."""
    _rename(ledger.path, ".away")
    yield
    _rename(ledger.path, ".away", back=True)


def _rename(path: Path, suffix: str, *, back: bool = False) -> None:
    for side in ("", "-wal", "-shm"):
        here = path.with_name(path.name + side)
        there = path.with_name(path.name + suffix + side)
        if (there if back else here).exists():
            (there if back else here).rename(here if back else there)


@asynccontextmanager
async def directory_gone(ledger: Ledger) -> AsyncIterator[None]:
    """Take the whole directory away, as a mount that is lost, and bring it back."""
    away = ledger.path.parent.with_name("away")
    ledger.path.parent.rename(away)
    yield
    away.rename(ledger.path.parent)


@asynccontextmanager
async def damaged(ledger: Ledger) -> AsyncIterator[None]:
    """Overwrite every page but the first, and put them back."""
    await ledger.set("wal_checkpoint(TRUNCATE)")
    whole = _overwritten(ledger.path, b"\xa5" * PAGE_BYTES)
    await ledger.set("cache_size = 0")
    await ledger.set("shrink_memory")
    yield
    _put_back(ledger.path, whole)
    await ledger.set("shrink_memory")
    await ledger.set("cache_size = -2000")


def _overwritten(path: Path, page: bytes) -> bytes:
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(page * (len(whole) // PAGE_BYTES - 1))
    return whole


def _put_back(path: Path, whole: bytes) -> None:
    with path.open("r+b") as file:
        file.write(whole)


Harm = Callable[[Ledger], AbstractAsyncContextManager[None]]
HARMS: Mapping[str, Harm] = {
    "disk full": disk_full,
    "locked": locked,
    "read-only": read_only,
    "file deleted": moved_away,
    "directory gone": directory_gone,
    "damaged": damaged,
}
"""Faults that befall a file while it is used, by the names that people read."""
