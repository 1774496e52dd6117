"""``GET /metrics``: who may read it, and what it says."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.people import Role, User
from aigateway.ledger.sqlite import SqliteStore
from aigateway.sessions.assembly import build
from aigateway.settings import Settings
from tests.breaking import Breaking
from tests.builders import T0, at
from tests.clocks import HeldClock

ROLES: tuple[Role, ...] = ("admin", "metrics", "auditor", "member")
TEXT = '# HELP up \N{SNOWMAN}\n# TYPE up gauge\nup{a="\\""} 1\n'


class Scraped:
    """The control plane over a store in memory, and a key for each role."""

    def __init__(self, settings: Settings, store: Any = None) -> None:  # noqa: ANN401 - a store, or one before it
        self.held = SqliteStore(None)
        self.handler = build(settings, store(self.held) if store else self.held, HeldClock())
        self.handler.start()
        self.secrets = {role: new_secret() for role in ROLES}
        for role, secret in self.secrets.items():
            user = User(f"u-{role}", role, role, T0)
            asyncio.run(self.held.add_user(user))
            asyncio.run(self.held.put_key(key_from(secret, user.id, "k", at(0), at(900))))

    def get(self, secret: str | None, path: str = "/metrics", **more: Any) -> Any:  # noqa: ANN401 - an event, an answer
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        event = {"path": path, "httpMethod": "GET", "headers": headers, **more}
        event["requestContext"] = {"stage": "live", "path": path}
        return self.handler(event, None)


@pytest.fixture
def scraped() -> Iterator[Scraped]:
    made = Scraped(Settings(metrics_endpoint=True))
    asyncio.run(made.held.put_publisher_text("TEXT", TEXT.encode()))
    yield made
    made.handler.stop()


@pytest.mark.parametrize("role", ["admin", "metrics"])
def test_the_text_of_the_last_tick_is_served(scraped: Scraped, role: Role) -> None:
    answer = scraped.get(scraped.secrets[role])
    assert (answer["statusCode"], answer["body"]) == (200, TEXT)
    assert answer["multiValueHeaders"]["Content-Type"] == [
        "text/plain; version=0.0.4; charset=utf-8"
    ]


@pytest.mark.parametrize("role", ["auditor", "member"])
def test_other_roles_are_refused_in_the_shape_of_the_api(scraped: Scraped, role: Role) -> None:
    answer = scraped.get(scraped.secrets[role])
    assert answer["statusCode"] == 403
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/json"]
    assert '"message":' in answer["body"]
    assert '"detail":' in answer["body"]


def test_without_a_key_nothing_is_told(scraped: Scraped) -> None:
    for secret in (None, "aigw_00112233445566aa_" + "k" * 43):
        answer = scraped.get(secret)
        assert answer["statusCode"] == 401
        assert "up{" not in answer["body"]


def test_the_role_reads_nothing_else(scraped: Scraped) -> None:
    secret = scraped.secrets["metrics"]
    for path in ("/api/v2/aibridge/sessions", "/api/v2/ai-gateway/models"):
        assert scraped.get(secret, path)["statusCode"] == 403


def test_other_methods_and_parameters_are_refused(scraped: Scraped) -> None:
    secret = scraped.secrets["metrics"]
    assert scraped.get(secret, httpMethod="POST")["statusCode"] == 405
    asked = {"a": ["b"]}
    assert scraped.get(secret, multiValueQueryStringParameters=asked)["statusCode"] == 400


def test_before_the_first_tick_the_text_is_empty() -> None:
    scraped = Scraped(Settings(metrics_endpoint=True))
    answer = scraped.get(scraped.secrets["metrics"])
    assert (answer["statusCode"], answer["body"]) == (200, "")
    scraped.handler.stop()


def test_a_store_that_is_away_is_answered_503() -> None:
    scraped = Scraped(
        Settings(metrics_endpoint=True), lambda store: Breaking(store, "publisher_text")
    )
    assert scraped.get(scraped.secrets["metrics"])["statusCode"] == 503
    scraped.handler.stop()


def test_without_the_setting_there_is_no_such_route() -> None:
    scraped = Scraped(Settings())
    assert scraped.get(scraped.secrets["admin"])["statusCode"] == 404
    scraped.handler.stop()
