import asyncio
import json
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, final

import pytest

from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.people import Role
from aigateway.interception import Closed, Opened
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow
from aigateway.sessions.api import SessionsHandler
from aigateway.sessions.assembly import build
from aigateway.settings import Settings
from tests.builders import a_closed, a_user, an_opened, at

Value = TypeVar("Value")
NOW = at(3600)


@final
class StillClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@final
@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    document: Any
    headers: Mapping[str, str]

    @property
    def faults(self) -> dict[str, str]:
        return {fault["field"]: fault["detail"] for fault in self.document["validations"]}


@final
@dataclass(slots=True)
class Api:
    """The handler over a store in memory, with users alice and bob, an auditor and a robot."""

    store: SqliteStore
    handler: SessionsHandler
    secrets: dict[str, str] = field(default_factory=dict)

    def do(self, work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run(work)

    def add_user(self, username: str, role: Role) -> None:
        user, secret = a_user(username, role), new_secret()
        self.do(self.store.add_user(user))
        self.do(self.store.put_key(key_from(secret, user.id, "test", at(0), at(86_400))))
        self.secrets[username] = secret

    def put(self, opened: Opened, closed: Closed | None = None) -> None:
        """Store a record, closed as ``completed`` unless told how."""
        self.do(self.store.open(opened))
        self.do(self.store.close(opened, closed or a_closed(opened), ()))

    def get(
        self,
        path: str,
        user: str | None = "auditor",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: object = None,
        **parameters: str | list[str],
    ) -> Answer:
        many = {
            name: value if isinstance(value, list) else [value]
            for name, value in parameters.items()
        }
        credential = {} if user is None else {"Coder-Session-Token": self.secrets[user]}
        event = {
            "path": path if path.startswith("/") else f"/api/v2/aibridge/{path}",
            "httpMethod": method,
            "headers": {**credential, **(headers or {})},
            "multiValueQueryStringParameters": many or None,
            "body": None if body is None else json.dumps(body),
            "requestContext": {"stage": "live", "path": path},
        }
        answer = self.handler(event, None)
        named = {name.lower(): ", ".join(v) for name, v in answer["multiValueHeaders"].items()}
        return Answer(answer["statusCode"], json.loads(answer["body"]), named)


@pytest.fixture
def api() -> Iterator[Api]:
    store = SqliteStore(None)
    handler = build(Settings(), store, StillClock())
    handler.start()
    made = Api(store, handler)
    roles: dict[str, Role] = {
        "alice": "member",
        "bob": "member",
        "auditor": "auditor",
        "robot": "metrics",
    }
    for username, role in roles.items():
        made.add_user(username, role)
    made.do(store.put_provider(ProviderRow("anthropic", {}, 1), None))
    yield made
    handler.stop()


@pytest.fixture
def two_people(api: Api) -> Api:
    """One session of alice, one of bob, under the same client session id."""
    api.put(an_opened(0, session="shared"))
    api.put(
        an_opened(
            60,
            session="shared",
            client="Codex",
            initiator_id="u-bob",
            initiator_username="bob",
            provider="openai",
            model="gpt-5",
        )
    )
    return api
