"""The whole product in one process, and a provider that is told byte for byte what to answer."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, final

from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.people import Key, Role
from aigateway.errors import UpstreamCut
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.pool.providers import ProviderRow
from aigateway.relay.assembly import App, build
from aigateway.relay.upstream import Answer, UpstreamRequest
from aigateway.reload.pool import Reload
from aigateway.sessions.api import SessionsHandler
from aigateway.sessions.assembly import build as build_control
from aigateway.settings import Settings
from aigateway.wire.messages import ResponseHead
from local.in_process import Answered, call
from tests.acceptance.words import BASES, CLIENTS, PATHS
from tests.builders import a_user, at
from tests.clocks import HeldClock
from tests.golden.recordings import RECORDINGS
from tests.recount import disagreement
from tests.reloads import HeldKeys, a_reload
from tests.traces import Kept

Document = dict[str, Any]
PUBLIC = "93.184.215.14"
"""Where every name of a provider lies, as the control plane looks it up."""

GOLDEN = {str(recording): recording for recording in RECORDINGS}


@final
@dataclass(frozen=True, slots=True)
class Script:
    """One answer. ``piece``: bytes a chunk; ``stalls``: silence at the end instead of an end.

    ``gate`` holds everything behind the first chunk.
    """

    body: bytes
    status: int = 200
    content_type: str | None = "text/event-stream"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    stalls: bool = False
    piece: int = 41
    gate: asyncio.Event | None = None

    @property
    def head(self) -> ResponseHead:
        typed = (("content-type", self.content_type),) if self.content_type else ()
        pairs = (*typed, *self.headers)
        return ResponseHead(self.status, tuple((n.encode(), v.encode()) for n, v in pairs))


def blocking(document: Document | bytes, status: int = 200, **headers: str) -> Script:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Script(body, status, "application/json", named)


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """A complete request, as the provider got it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@final
class Peer:
    """The provider: takes one script for each request."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.seen: list[Seen] = []
        self.closed_early = 0

    async def send(self, request: UpstreamRequest) -> Answer:
        if request.released is not None:
            await request.released
        headers = {name.lower().decode(): value.decode() for name, value in request.headers}
        url = request.provider.base_url
        address = f"{url.scheme}://{url.host}{request.target.decode()}"
        self.seen.append(Seen(request.method, address, headers, request.body))
        script = self.scripts.pop(0)
        return Answer(script.head, self._chunks(script))

    async def _chunks(self, script: Script) -> AsyncGenerator[bytes, None]:
        over = False
        try:
            for start in range(0, len(script.body), script.piece):
                yield script.body[start : start + script.piece]
                await asyncio.sleep(0)
                if script.gate is not None:
                    await script.gate.wait()
            if script.stalls:
                await asyncio.Event().wait()
            over = True
        finally:
            self.closed_early += not over
        if script.cut:
            raise UpstreamCut("broke off")

    async def aclose(self) -> None:
        return


@final
@dataclass(frozen=True, slots=True)
class Told:
    """One recorded exchange: what the client got, what the provider saw, what is recorded."""

    answered: Answered
    seen: Seen
    record: Document

    @property
    def rows(self) -> dict[str, list[Any]]:
        """All rows of the record: prompts, tools, thoughts, usage."""
        record = self.record
        return {
            "P": [row["prompt"] for row in record["user_prompts"]],
            "T": [
                (row["tool"], row["provider_tool_call_id"], row["input"])
                for row in record["tool_usages"]
            ],
            "M": [(row["metadata"]["source"], row["content"]) for row in record["model_thoughts"]],
            "U": [counts(row) for row in record["token_usages"]],
        }

    @property
    def end(self) -> tuple[str, str | None]:
        return self.record["outcome"], self.record.get("error_type")


COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")


def counts(row: Document) -> str:
    return "/".join(str(row[name]) for name in COUNTS)


def rows(**given: list[Any]) -> dict[str, list[Any]]:
    """Return what ``Told.rows`` must be: nothing but these."""
    return {"P": [], "T": [], "M": [], "U": []} | given


@final
@dataclass(slots=True)
class Stage:
    """``secrets``: gateway keys by user name."""

    store: Store
    clock: HeldClock
    peer: Peer
    app: App
    handler: SessionsHandler
    keys: HeldKeys
    reload: Reload
    traces: Kept
    secrets: dict[str, str] = field(default_factory=dict)

    async def add_user(self, username: str, role: Role = "member") -> Key:
        user, secret = a_user(username, role), new_secret()
        key = key_from(secret, user.id, "test", at(0), at(86_400))
        await self.store.add_user(user)
        await self.store.put_key(key)
        self.secrets[username] = secret
        return key

    async def add_provider(self, name: str, kind: str, base_url: str, **more: object) -> None:
        document = {
            "name": name,
            "type": kind,
            "base_url": base_url,
            "api_keys": [{"id": "k1", "masked": "sk-p...nted"}],
        }
        await self.store.put_provider(ProviderRow(name, document | more, 1), None)
        await self.reload.run(self.store)

    async def send(
        self,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        user: str | None = "alice",
        leaves_after: int = 0,
    ) -> Answered:
        """Send one request to the gateway, a second after the one before."""
        self.clock.advance(1)
        own = {} if user is None else {"authorization": f"Bearer {self.secrets[user]}"}
        sent = own | dict(headers or {})
        return await call(self.app, method, path, (body,), sent, leaves_after=leaves_after)

    async def tell(
        self,
        dialect: str,
        request: Document | bytes,
        script: Script,
        headers: Mapping[str, str] | None = None,
        *,
        client: str = "Unknown",
        user: str = "alice",
        session: str | None = None,
        edited: bool = False,
        leaves_after: int = 0,
    ) -> Told:
        """Have one exchange and read its record.

        Whatever it is about: the bytes are the same on both sides unless it is ``edited``, there
        is one more record, opened and closed, and the counters say what the rows say.
        """
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        before = await self.recorded()
        self.peer.scripts.append(script)
        shown = CLIENTS[client] | ({"x-session-id": session} if session else {})
        answered = await self.send(
            PATHS[dialect], body, shown | dict(headers or {}), user=user, leaves_after=leaves_after
        )
        assert await self.recorded() == before + 1
        seen = self.peer.seen[-1]
        if not edited:
            assert seen.body == body
        if not edited and not leaves_after:
            assert answered.body == script.body
            assert answered.status == script.status
        record = self.record(answered)
        assert record["ended_at"] is not None
        assert await disagreement(self.store, at(0)) == {}
        return Told(answered, seen, record)

    async def replay(self, name: str, *, edited: bool = False, **more: Any) -> Told:  # noqa: ANN401 - as ``tell`` takes it
        """Send the request of a recording, answer with its response."""
        golden = GOLDEN[name]
        script = Script(
            golden.response, golden.status, golden.content_type.decode(), cut=golden.cut
        )
        dialect = str(golden.dialect)
        return await self.tell(
            dialect, golden.request, script, client=golden.client, edited=edited, **more
        )

    async def recorded(self) -> int:
        """Return how many records there are, open ones included."""
        window = await asyncio.to_thread(
            self.get, "interceptions", include="inflight,auxiliary", limit="1"
        )
        return int(window["count"])

    def record(self, answered: Answered, user: str = "auditor") -> Document:
        return self.get(f"interceptions/{answered.headers['x-ai-gateway-interception-id']}", user)

    def get(self, path: str, user: str = "auditor", **parameters: str) -> Document:
        status, document = self.query(path, user, **parameters)
        assert status == 200, document
        return document

    def query(
        self, path: str, user: str | None = "auditor", **parameters: str
    ) -> tuple[int, Document]:
        """Ask the sessions API."""
        path = f"/api/v2/aibridge/{path}"
        return self.call("GET", path, user, parameters=parameters)

    def call(
        self,
        method: str,
        path: str,
        user: str | None,
        document: object = None,
        parameters: Mapping[str, str] | None = None,
    ) -> tuple[int, Document]:
        """Make any call of the control plane."""
        credential = {} if user is None else {"Coder-Session-Token": self.secrets[user]}
        event = {
            "path": path,
            "httpMethod": method,
            "headers": credential,
            "body": None if document is None else json.dumps(document),
            "multiValueQueryStringParameters": {n: [v] for n, v in (parameters or {}).items()}
            or None,
            "requestContext": {"stage": "live", "path": path},
        }
        answer = self.handler(event, None)
        return answer["statusCode"], json.loads(answer["body"])


async def set_up(
    store: Store | None = None,
    clock: HeldClock | None = None,
    **settings: Any,  # noqa: ANN401 - fields of Settings
) -> Stage:
    """Return a stage with two members, an auditor, and a provider of each family.

    Without a ``store`` its ledger lies in memory.
    """
    store, clock, peer = store or SqliteStore(None), clock or HeldClock(), Peer()
    await store.start()
    plain: dict[str, Any] = {"snapshot_poll_seconds": 0.0, "key_cache_seconds": 0.0}
    keys = HeldKeys()
    chosen = Settings(**(plain | settings))
    traces = Kept()
    app = build(chosen, store, keys, clock, peer, traces=traces)
    control = build_control(chosen, store, clock, resolve=lambda *_: [PUBLIC])
    stage = Stage(store, clock, peer, app, control, keys, a_reload(clock, keys), traces)
    for username in ("alice", "bob"):
        await stage.add_user(username)
    await stage.add_user("auditor", "auditor")
    for name, base in BASES.items():
        await stage.add_provider(name, name, base)
    return stage


async def take_down(stage: Stage) -> None:
    stage.handler.close()
    await stage.store.stop()


DAY = timedelta(days=1)


async def check(stage: Stage) -> None:
    """Hold the counters against the rows, whatever a test was about, expired ones included."""
    assert await disagreement(stage.store, at(0)) == {}
