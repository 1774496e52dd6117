import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

import pytest

from aigateway.interception import Closed, Opened
from aigateway.ledger.sqlite import SqliteStore
from cli.__main__ import main

Value = TypeVar("Value")


@final
@dataclass(frozen=True, slots=True)
class Said:
    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON of any shape
        return json.loads(self.out)


Aigw = Callable[..., Said]


@final
@dataclass(frozen=True, slots=True)
class Ledger:
    """The embedded store that the commands find."""

    path: Path

    def do(self, work: Callable[[SqliteStore], Coroutine[Any, Any, Value]]) -> Value:
        async def within() -> Value:
            store = SqliteStore(self.path)
            await store.start()
            try:
                return await work(store)
            finally:
                await store.stop()

        return asyncio.run(within())

    def put(self, *records: tuple[Opened, Closed | None]) -> None:
        async def work(store: SqliteStore) -> None:
            for opened, closed in records:
                await store.open(opened)
                if closed is not None:
                    await store.close(opened, closed, ())

        self.do(work)


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory that does not exist yet."""
    for name in ("AIGW_TABLE", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "AIGW_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIGW_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def ledger(state_dir: Path) -> Ledger:
    made = Ledger(state_dir / "ledger.db")
    made.put()
    return made


@pytest.fixture
def aigw(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> Aigw:
    """Run a command line."""

    def run(*arguments: str) -> Said:
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return Said(status, *capsys.readouterr())

    return run
