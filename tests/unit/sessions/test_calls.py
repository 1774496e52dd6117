"""Calls that change something: methods, bodies, and who may make them."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aigateway.ledger.sqlite import SqliteStore
from aigateway.sessions.api import SessionsHandler, handler_for
from aigateway.sessions.bodies import BODY_LIMIT_BYTES, BodyInvalid, document_in, unknown
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import Reply, Request, Routes
from tests.unit.sessions.conftest import Api, StillClock


@pytest.fixture
def things() -> Iterator[Api]:
    """An API whose only calls take things: it gives each one back."""
    store = SqliteStore(None)
    callers = Callers(store, StillClock())

    async def add(request: Request) -> Reply:
        await callers.admin(request)
        document = document_in(request)
        if faults := list(unknown(document, {"name"})):
            raise BodyInvalid(faults)
        return Reply(document, 201)

    async def delete(_: Request, *ids: str) -> Reply:
        return Reply(None, 204) if ids == ("a/b", "é") else Reply(ids, 500)

    routes: Routes = {"/things": {"POST": add}, "/things/<one>/parts/<two>": {"DELETE": delete}}
    handler = handler_for(store, StillClock(), configuring=routes)
    handler.start()
    api = Api(store, handler)
    api.add_user("root", "admin")
    api.add_user("auditor", "auditor")
    yield api
    handler.stop()


def post(api: Api, body: str | bytes | None, user: str = "root") -> tuple[int, Any]:
    encoded = isinstance(body, bytes)
    event = {
        "path": "/api/v2/ai/things",
        "httpMethod": "POST",
        "headers": {"Coder-Session-Token": api.secrets[user]},
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": encoded,
        "requestContext": {},
    }
    answer = api.handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("body", ['{"name":"é"}', '{"name":"é"}'.encode()])
def test_a_body_arrives_as_text_and_in_base64(things: Api, body: str | bytes) -> None:
    assert post(things, body) == (201, {"name": "é"})


@pytest.mark.parametrize(
    "body",
    [None, "", "{", "[]", "null", b"\xff", '{"name":NaN}', '{"name":1e999}', '"\\ud800"',
     '{"name":"\\ud800"}', "[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_object_of_json_is_400(things: Api, body: str | bytes | None) -> None:
    status, document = post(things, body)
    assert (status, set(document)) == (400, {"message", "detail"})


def test_a_body_that_is_too_large_is_413(things: Api) -> None:
    body = '{"name":"%s"}' % ("x" * BODY_LIMIT_BYTES)
    assert post(things, body)[0] == 413


def test_members_that_nobody_knows_are_refused_all_at_once(things: Api) -> None:
    status, document = post(things, '{"x":1,"name":"n","y":2}')
    assert (status, [fault["field"] for fault in document["validations"]]) == (400, ["x", "y"])


def test_only_an_admin_may_change_something(things: Api) -> None:
    assert post(things, '{"name":"n"}', "auditor")[0] == 403


def test_what_is_done_without_an_answer_is_204_without_a_body(things: Api) -> None:
    event = {
        "path": "/api/v2/ai/things/a%2Fb/parts/%C3%A9",
        "httpMethod": "DELETE",
        "requestContext": {},
    }
    answer = things.handler(event, None)
    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert "Content-Type" not in answer["multiValueHeaders"]
    assert answer["multiValueHeaders"]["Cache-Control"] == ["no-store"]


def test_another_method_is_405_and_names_those_that_are_taken(things: Api) -> None:
    answer = things.get("/api/v2/ai/things", "root", method="PATCH")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_the_configuration_is_described_without_a_key(things: Api) -> None:
    answer = things.get("/api/v2/ai/openapi.json", None)
    assert (answer.status, answer.document["servers"]) == (200, [{"url": "/api/v2/ai"}])
    assert isinstance(things.handler, SessionsHandler)
