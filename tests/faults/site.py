"""A gateway in front of a scripted provider, over a ledger that can be made to fail."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Literal, SupportsIndex, final

from aigateway.ledger.rows import Interception
from aigateway.ledger.spill_file import SpillFile
from aigateway.ledger.store import Store
from aigateway.relay.asgi import Receive, Send
from aigateway.relay.assembly import build
from aigateway.reload.spilled_file import FromFile
from aigateway.reload.sweep import sweep
from aigateway.settings import Settings
from aigateway.telemetry.journal import SILENT
from local.in_process import Answered, call
from local.spilling import Spilling
from tests.acceptance.stage import (
    Document,
    Peer,
    Script,
    Stage,
    blocking,
    set_up,
    take_down,
)
from tests.acceptance.words import (
    ANSWER,
    ASKS,
    CLIENTS,
    DONE,
    PATHS,
    STOP,
    TOOL,
    block,
    chat,
    chunk,
    delta,
    json_delta,
    messages,
    response,
    responses,
    sse,
    start,
    tool_use,
    usage_chunk,
)
from tests.clocks import HeldClock
from tests.recount import disagreement, rows_of

CHUNKS = sse(
    chunk({"content": "ok"}, finish="stop"), usage_chunk(prompt_tokens=5, completion_tokens=3), DONE
)
TOOLS = {"tools": [TOOL]}
"""What this client's requests have but for errands of its own."""
DIALECTS: Mapping[str, tuple[Callable[..., Document], Mapping[str, Any], Script]] = {
    "messages": (messages, {**TOOLS, "stream": True}, Script(ANSWER)),
    "chat": (chat, {**TOOLS, **ASKS}, Script(CHUNKS)),
    "responses": (responses, TOOLS, blocking(response())),
}
TOKENS = (5, 3)
"""What every answer says that it took in and gave out."""
LATER = timedelta(minutes=30)
LONG = "".join(f"{number:x}" for number in range(100_000))
"""Words that no page with a little room has room for."""
LONG_ANSWER = sse(
    start({"input_tokens": 5, "output_tokens": 1}),
    *block(0, tool_use("call-1"), json_delta(json.dumps({"path": LONG}))),
    delta({"output_tokens": 3}, "tool_use"),
    STOP,
)
CLIENT = CLIENTS["Kilo Code"] | {"x-session-id": "session-1"}
REMEMBERING: Mapping[str, Any] = {"key_cache_seconds": 86_400.0, "snapshot_poll_seconds": 86_400.0}
"""A gateway that has served before knows its callers and its pool."""


@final
class Gate(asyncio.Event):
    """Holds back all but the first chunk of an answer, and says when it has come to that."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.reached.set()
        return await super().wait()


@final
class Scripts(list[Script]):
    """What the provider answers: to each request that it got last, what belongs to its words."""

    def __init__(self, peer: Peer, answers: Mapping[str, Script]) -> None:
        super().__init__()
        self._peer = peer
        self._answers = answers

    def pop(self, _index: SupportsIndex = -1) -> Script:
        return self._answers[_words(json.loads(self._peer.seen[-1].body))]


@final
@dataclass(slots=True)
class Site:
    """``elsewhere`` opens the same ledger as another process does, which no fault befalls.

    ``answers``: what the provider says to which words. ``over``: the last client has the end of
    its answer, whatever the gateway still has to do.
    """

    stage: Stage
    elsewhere: Callable[[], Store]
    settings: Settings
    spilled: SpillFile
    answers: dict[str, Script] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def clock(self) -> HeldClock:
        return self.stage.clock

    def restart(self, store: Store) -> None:
        """Put another process in the gateway's place, which has served nothing yet."""
        stage, spilling = self.stage, Spilling(self.spilled)
        stage.app = build(
            self.settings, store, stage.keys, stage.clock, stage.peer, spilling, stage.traces
        )

    async def is_ready(self) -> bool:
        self.clock.advance(1)
        return (await call(self.stage.app, "GET", "/readyz")).status == 200

    async def ask(
        self, dialect: str = "messages", words: object = None, script: Script | None = None
    ) -> Answered:
        """Send a request with words of its own; the provider answers, if it is asked."""
        said = words or f"number {next(self._numbers)}"
        make, more, usual = DIALECTS[dialect]
        self.answers[str(said)] = script or usual
        body = json.dumps(make(said, **more)).encode()
        headers = CLIENT | {"authorization": f"Bearer {self.stage.secrets['alice']}"}
        self.clock.advance(1)
        self.over.clear()
        return await call(self._watched, "POST", PATHS[dialect], (body,), headers)

    async def _watched(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def noting(message: MutableMapping[str, Any]) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.over.set()

        await self.stage.app(scope, receive, noting)

    @asynccontextmanager
    async def midway(self, words: str) -> AsyncIterator["asyncio.Task[Answered]"]:
        """Have a request whose answer has begun and goes on only after this."""
        gate = Gate()
        asking = asyncio.create_task(
            self.ask(words=words, script=Script(LONG_ANSWER, piece=8192, gate=gate))
        )
        await gate.reached.wait()
        yield asking
        gate.set()
        await asyncio.wait({asking})

    @property
    def seen(self) -> list[str]:
        """The words of the requests that reached the provider whole, in their order."""
        return [_words(json.loads(request.body)) for request in self.stage.peer.seen]

    async def records(self, store: Store | None = None) -> list[Interception]:
        return await rows_of(store or self.stage.store, self.clock.now())

    async def served(self) -> None:
        """Have a request of each dialect, as a gateway has them that nothing is wrong with."""
        for dialect, (_, _, script) in DIALECTS.items():
            answered = await self.ask(dialect)
            assert (answered.status, answered.body, answered.over) == (200, script.body, True)

    async def record(self, words: str | None = None) -> Interception:
        """Return the one record of these words, as another process finds it."""
        async with self.opened_elsewhere() as store:
            found = await self.records(store)
        (record,) = (row for row in found if words in (None, prompt_of(row)))
        return record

    @asynccontextmanager
    async def opened_elsewhere(self) -> AsyncIterator[Store]:
        store = self.elsewhere()
        await store.start()
        try:
            yield store
        finally:
            await store.stop()

    async def settled(self, later: datetime | None = None) -> list[Interception]:
        """Tick once nothing can be under way any more, and return all records, oldest first.

        What gateways kept of records that they could not close is brought home, then all that is
        still open is swept.

        Whatever happened: each request that the provider saw has one record, each record has an
        end, what the provider never saw did not succeed, and the counters say what the rows say.
        """
        now = later or self.clock.now() + LATER
        async with self.opened_elsewhere() as store:
            await FromFile(self.spilled, self.clock, SILENT).run(store)
            await sweep(store, now)
            found = await rows_of(store, now)
            assert await disagreement(store, now) == {}
        assert [row.id for row in found if row.closed is None] == []
        kept = Counter(prompt_of(row) for row in found)
        seen = Counter(self.seen)
        assert {words: kept[words] for words in seen} == seen
        for row in found:
            assert prompt_of(row) in seen or (row.closed and row.closed.outcome != "completed")
        return sorted(found, key=lambda row: row.id)


def prompt_of(row: Interception) -> str | None:
    return row.opened.prompt and row.opened.prompt.text


def _words(body: Document) -> str:
    if "input" in body:
        return str(body["input"])
    return str(body["messages"][-1]["content"])


def tokens_of(row: Interception) -> tuple[int, int]:
    return row.tokens["input_tokens"], row.tokens["output_tokens"]


def end_of(row: Interception) -> tuple[str, str | None] | None:
    return (row.closed.outcome, row.closed.error_type) if row.closed else None


@asynccontextmanager
async def a_site(
    store: Store,
    elsewhere: Callable[[], Store],
    clock: HeldClock,
    spilled: Path,
    **settings: Any,  # noqa: ANN401 - fields of Settings
) -> AsyncIterator[Site]:
    """Run a gateway over ``store`` that has served a request before.

    ``spilled`` is where it keeps the records that it cannot close.
    """
    chosen = Settings(**(dict(REMEMBERING) | settings))
    site = Site(await set_up(store, clock), elsewhere, chosen, SpillFile(spilled))
    site.stage.peer.scripts = Scripts(site.stage.peer, site.answers)
    site.restart(store)
    assert (await site.ask()).status == 200
    try:
        yield site
    finally:
        await take_down(site.stage)
