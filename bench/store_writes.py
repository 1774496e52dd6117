"""The embedded store's two writes by themselves, on the disk where the gateway has its own."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import final

from aigateway.caller.clients import Client
from aigateway.caller.lineage import Lineage
from aigateway.clock import uuid7
from aigateway.interception import Closed, Credential, Heard, Opened
from aigateway.ledger.sqlite import SqliteStore
from aigateway.steps import steps_of_closing
from aigateway.transcript.facts import Dialect, Prompt, TokenUsage, ToolUsage
from bench.traffic import CALL_ID, MODEL, SESSION_ID

TEXT = "List the files and say what they are for."


@final
class StoreWrites:
    """Writes one record after the other, and says how long each half took."""

    def __init__(self, path: Path) -> None:
        self._runner = asyncio.Runner()
        self._store = SqliteStore(path)

    def __enter__(self) -> "StoreWrites":
        self._runner.run(self._store.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._store.stop())
        self._runner.close()

    def write(self) -> tuple[float, float]:
        """Return the seconds of an opening and of its closing."""
        return self._runner.run(self._write())

    async def _write(self) -> tuple[float, float]:
        opened = an_opened()
        closed = a_closed(opened)
        began = time.perf_counter()
        await self._store.open(opened)
        halfway = time.perf_counter()
        steps = steps_of_closing(opened, closed)
        resumed = time.perf_counter()
        await self._store.close(opened, closed, steps)
        return halfway - began, time.perf_counter() - resumed


def an_opened() -> Opened:
    now = datetime.now(UTC)
    prompt = Prompt(
        text=TEXT,
        kind="prompt",
        role="user",
        cut_bytes=0,
        filter_version=None,
        bytes=len(TEXT),
        sha256="ab" * 32,
        truncated=False,
    )
    return Opened(
        id=uuid7(now),
        initiator_id="bench",
        initiator_username="bench",
        api_key_id="0123456789abcdef",
        provider="anthropic",
        provider_name="anthropic",
        provider_type="anthropic",
        model=MODEL,
        dialect=Dialect.MESSAGES,
        route="/v1/messages",
        method="POST",
        streaming=True,
        client=Client("Claude Code", "2.1.0", "claude-cli/2.1.0 (external, cli)"),
        lineage=Lineage(SESSION_ID, None, None, auxiliary=False),
        credential=Credential("centralized", None),
        started_at=now,
        expires_at=now.replace(microsecond=0) + timedelta(days=60),
        request_bytes=1024,
        request_sha256="cd" * 32,
        prompt=prompt,
    )


def a_closed(opened: Opened) -> Closed:
    now = datetime.now(UTC)
    usage = TokenUsage("msg_01Bench", 12, 30, 2048, 0, {}, MODEL, "{}", partial=False)
    call = ToolUsage(
        "msg_01Bench", CALL_ID, None, "Bash", None, {}, '{"command": "ls"}', "json", "client"
    )
    return Closed(
        id=opened.id,
        outcome="completed",
        ended_at=now,
        http_status=200,
        provider_response_id="msg_01Bench",
        provider_model=MODEL,
        stop_reason="tool_use",
        first_byte_at=now,
        response_bytes=4096,
        key_attempts=1,
        rows=(Heard(0, now, call), Heard(1, now, usage)),
    )
