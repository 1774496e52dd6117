import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import pytest

from local.in_process import Answered, call
from local.rest_api import MOST_PARAMETERS, Event, RestApi

Handled = Callable[[Event], Mapping[str, Any]]


def echo(event: Event, _: object) -> Mapping[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event), "isBase64Encoded": False}


@pytest.fixture
def api() -> Iterator[RestApi]:
    """An API that answers with the event it was given."""
    made = RestApi(echo)
    yield made
    made.close()


async def answered(handled: Handled, method: str = "GET") -> Answered:
    made = RestApi(lambda event, _: handled(event))
    answer = await call(made, method, "/x")
    made.close()
    return answer


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/api/v2/aibridge/sessions/a%2Fb%25c", "/api/v2/aibridge/sessions/a%2Fb%25c"),
        ("/a//b/", "/a//b/"),
        ("/a:b@c!$&'()*+,;=~", "/a:b@c!$&'()*+,;=~"),
        ('/a"b|c', "/a%22b%7Cc"),
    ],
)
async def test_the_path_is_as_it_was_sent(api: RestApi, sent: str, path: str) -> None:
    event = (await call(api, "GET", sent)).document
    assert (event["path"], event["requestContext"]["path"]) == (path, path)


async def test_parameters_are_decoded_with_all_their_values(api: RestApi) -> None:
    event = (await call(api, "GET", "/x?a=1&a=2%2F3&b=x+y&c=&d=%FF&e")).document
    assert event["multiValueQueryStringParameters"] == {
        "a": ["1", "2/3"], "b": ["x y"], "c": [""], "d": ["\ufffd"], "e": [""],
    }  # fmt: skip
    assert event["queryStringParameters"]["a"] == "2/3"
    plain = (await call(api, "GET", "/x")).document
    assert plain["multiValueQueryStringParameters"] is plain["queryStringParameters"] is None


async def test_too_many_parameters_are_400(api: RestApi) -> None:
    query = "&".join(f"p{number}=1" for number in range(MOST_PARAMETERS + 1))
    assert (await call(api, "GET", f"/x?{query}")).status == 400


async def test_method_headers_and_body_are_in_the_event(api: RestApi) -> None:
    answer = await call(api, "POST", "/x", [b"\x00", b"\xff"], {"coder-session-token": "k"})
    event = answer.document
    assert event["httpMethod"] == "POST"
    assert event["headers"]["coder-session-token"] == "k"
    assert event["multiValueHeaders"]["coder-session-token"] == ["k"]
    assert base64.b64decode(event["body"]) == b"\x00\xff"
    assert event["isBase64Encoded"] is True
    assert event["body"] is not None


async def test_a_body_over_six_megabytes_is_413(api: RestApi) -> None:
    assert (await call(api, "POST", "/x", [b"x" * 1024 * 1024] * 7)).status == 413


async def test_the_answer_goes_out_as_the_function_gave_it() -> None:
    answer = await answered(
        lambda _: {
            "statusCode": 404,
            "headers": {"X-One": "1"},
            "multiValueHeaders": {"Content-Type": ["text/plain"]},
            "body": base64.b64encode(b"\x00\x01").decode(),
            "isBase64Encoded": True,
        }
    )
    assert (answer.status, answer.body) == (404, b"\x00\x01")
    assert answer.headers["x-one"] == "1"
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-length"] == "2"


async def test_a_head_request_gets_no_body() -> None:
    answer = await answered(lambda _: {"statusCode": 405, "body": "{}"}, "HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (405, b"", "2")


async def test_a_function_that_fails_is_502_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def failing(_: Event) -> Mapping[str, Any]:
        raise RuntimeError("secret")

    answer = await answered(failing)
    assert (answer.status, answer.document) == (502, {"message": "Internal server error"})
    assert len(caplog.records) == 1


async def test_health_is_answered_without_the_function() -> None:
    def unasked(_: Event) -> Mapping[str, Any]:
        raise AssertionError

    made = RestApi(lambda event, _: unasked(event))
    answer = await call(made, "GET", "/healthz")
    assert (answer.status, answer.document) == (200, {"status": "ok"})
    made.close()


async def test_calls_queue_up_for_one_thread() -> None:
    inside, most = 0, 0
    threads = set()
    lock = threading.Lock()

    def counting(_: Event, __: object) -> Mapping[str, Any]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threads.add(threading.get_ident())
        with lock:
            inside -= 1
        return {"statusCode": 200, "body": "{}"}

    made = RestApi(counting)
    answers = await asyncio.gather(*(call(made, "GET", "/x") for _ in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert (most, len(threads)) == (1, 1)
    made.close()


async def test_the_lifespan_is_answered_to_its_end() -> None:
    told: list[dict[str, Any]] = [
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    ]
    said: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return told.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message["type"])

    await RestApi(echo)({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
