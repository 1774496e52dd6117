"""Request → event, prelude → head, and the parts between them that do no I/O."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.front.http1 import Request
from local.front.pace import BURST_BYTES, Pace
from local.front.prelude import BadPrelude, Prelude, read, split
from local.front.url_event import Seen, encoded_event, event_of, new_trace, signer_of

SEEN = Seen("id", "Root=1-2-3;Parent=4;Sampled=0", "192.0.2.1", "abc")


def request(*headers: tuple[str, str], target: str = "/") -> Request:
    return Request("POST", target, headers)


@pytest.mark.parametrize(
    ("content_type", "is_text"),
    [
        ("text/plain", True),
        ("application/json; charset=utf-8", True),
        ("Application/Problem+JSON", True),
        ("image/svg+xml", True),
        ("application/javascript", True),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        ("", False),
    ],
)
def test_only_textual_types_travel_as_text(content_type: str, is_text: bool) -> None:
    event = event_of(request(("content-type", content_type)), b"a=1", SEEN)
    assert event["isBase64Encoded"] is not is_text
    assert event["body"] == ("a=1" if is_text else "YT0x")


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", b"{}"), ("", b"\xff")], ids=["a coding", "no utf-8"]
)
def test_text_that_cannot_be_read_as_text_travels_as_base64(coding: str, body: bytes) -> None:
    headers = [("content-type", "text/plain"), ("content-encoding", coding)]
    event = event_of(request(*headers), body, SEEN)
    assert event["isBase64Encoded"] is True


@given(
    body=st.binary(min_size=1), content_type=st.sampled_from(["text/a", "application/json", "a/b"])
)
def test_a_body_is_the_same_bytes_again(body: bytes, content_type: str) -> None:
    event = json.loads(encoded_event(request(("content-type", content_type)), body, SEEN))
    text = event["body"]
    decoded = base64.b64decode(text) if event["isBase64Encoded"] else text.encode()
    assert decoded == body


ROLE = "arn:aws:sts::123456789012:assumed-role/dev/carol"


@pytest.mark.parametrize(
    ("authorization", "arn"),
    [
        ("AWS4-HMAC-SHA256 Credential=AKIDROLE/20261125/us-east-1/lambda/aws4_request, x", ROLE),
        ("AWS4-HMAC-SHA256 Credential=AKIDOTHER/20261125", None),
        ("Bearer AKIDROLE", None),
        ("", None),
    ],
)
def test_who_signed_is_whose_access_key_is_named(authorization: str, arn: str | None) -> None:
    signed = request(("authorization", authorization))
    assert signer_of(signed, {"AKIDROLE": ROLE}) == arn


def test_an_event_names_the_signer_only_where_there_is_one() -> None:
    anonymous = event_of(request(), b"", SEEN)["requestContext"]
    assert (anonymous["accountId"], "authorizer" in anonymous) == ("anonymous", False)
    context = event_of(request(), b"", replace(SEEN, user_arn=ROLE))["requestContext"]
    iam = context["authorizer"]["iam"]
    assert (iam["userArn"], iam["userId"]) == (ROLE, "AROAEXAMPLE:carol")
    assert context["accountId"] == iam["accountId"] == "123456789012"


def test_what_is_empty_is_absent() -> None:
    event = event_of(request(), b"", SEEN)
    assert not {"body", "cookies", "queryStringParameters"} & event.keys()
    assert event["isBase64Encoded"] is False


def test_the_context_says_who_asked_for_what() -> None:
    event = event_of(request(("user-agent", "me/1"), target="/a%2F?b"), b"", SEEN)
    context = event["requestContext"]
    assert (context["accountId"], context["requestId"], context["apiId"]) == (
        "anonymous",
        "id",
        "abc",
    )
    assert context["http"] == {
        "method": "POST",
        "path": "/a%2F",
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.1",
        "userAgent": "me/1",
    }


def test_a_trace_keeps_the_root_it_was_given() -> None:
    assert new_trace("Root=1-a-b;Sampled=1").startswith("Root=1-a-b;Parent=")
    assert new_trace("Root=1-a-b;Sampled=1").endswith(";Sampled=1")
    assert new_trace(None) != new_trace(None)


def test_a_trace_is_sampled_where_tracing_is_active_and_nobody_says_otherwise() -> None:
    assert new_trace(None).endswith(";Sampled=0")
    assert new_trace(None, sampled=True).endswith(";Sampled=1")
    assert new_trace("Root=1-a-b;Sampled=0", sampled=True).endswith(";Sampled=0")


@given(body=st.binary(), status=st.integers(200, 599))
def test_the_first_eight_nuls_separate_and_no_others(body: bytes, status: int) -> None:
    text = json.dumps({"statusCode": status, "headers": {"x": "1"}, "cookies": ["a=1"]}).encode()
    assert split(text) is None
    assert split(text + bytes(7)) is None
    prelude = Prelude(status, (("x", "1"),), ("a=1",))
    assert split(text + bytes(8) + body) == (prelude, body)


def test_what_a_prelude_leaves_out_is_filled_in() -> None:
    assert read(b"{}") == Prelude()
    assert Prelude().sent_headers() == [("Content-Type", "application/octet-stream")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"statusCode": "200"}',
        '{"statusCode": 100}',
        '{"statusCode": true}',
        '{"headers": ["x"]}',
        '{"headers": {"x": 1}}',
        '{"headers": {"x y": "1"}}',
        '{"headers": {"x": "1\\r\\ny: 2"}}',
        '{"cookies": "a=1"}',
        '{"cookies": ["a=1\\nb"]}',
    ],
)
def test_a_prelude_that_no_head_can_say_is_refused(text: str) -> None:
    with pytest.raises(BadPrelude):
        read(text.encode())


async def test_the_first_six_megabytes_are_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("local.front.pace.asyncio.sleep", sleep)
    pace = Pace()
    await pace.keep(BURST_BYTES)
    assert slept == []
    await pace.keep(1024 * 1024)
    await pace.keep(1024 * 1024)
    assert slept == [pytest.approx(0.5, abs=0.1), pytest.approx(1.0, abs=0.1)]
