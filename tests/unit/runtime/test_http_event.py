import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis.strategies import binary, booleans, dictionaries, from_regex, lists, text

from streaming_runtime.http_event import EventInvalid, read_event

EVENTS = sorted((Path(__file__).parents[3] / "events").glob("gateway-*.json"))
TOKENS = from_regex(r"\A[A-Za-z0-9-]{1,12}\Z")


def event(**more: object) -> dict[str, Any]:
    http = {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    return {"version": "2.0", "rawPath": "/", "requestContext": {"http": http}, **more}


@given(body=binary(), encoded=booleans())
def test_a_body_comes_out_as_it_went_in(body: bytes, encoded: bool) -> None:
    try:
        given_body = base64.b64encode(body).decode() if encoded else body.decode()
    except UnicodeDecodeError:
        encoded, given_body = True, base64.b64encode(body).decode()
    assert read_event(event(body=given_body, isBase64Encoded=encoded))[1] == body


@pytest.mark.parametrize("more", [{}, {"body": None}, {"isBase64Encoded": True}])
def test_an_absent_body_is_empty(more: dict[str, object]) -> None:
    assert read_event(event(**more))[1] == b""


@given(path=binary())
def test_a_path_is_kept_as_sent_and_decoded_beside_it(path: bytes) -> None:
    raw = "/" + quote_from_bytes(path)
    scope, _ = read_event(event(rawPath=raw))
    assert scope["raw_path"] == raw.encode()
    assert scope["path"] == "/" + path.decode("utf-8", "replace")


@given(query=from_regex(r"\A[!-~]*\Z"))
def test_a_query_is_kept_as_sent(query: str) -> None:
    more = {"rawQueryString": query, "queryStringParameters": {"a": "other"}}
    assert read_event(event(**more))[0]["query_string"] == query.encode()


@given(headers=dictionaries(TOKENS, text(max_size=20).filter(str.isascii)), cookies=lists(TOKENS))
def test_headers_are_lower_case_and_cookies_one_header(
    headers: dict[str, str], cookies: list[str]
) -> None:
    expected = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    if cookies:
        expected = [header for header in expected if header[0] != b"cookie"]
        expected.append((b"cookie", "; ".join(cookies).encode()))
    more = {"cookies": cookies} if cookies else {}
    assert read_event(event(headers=headers, **more))[0]["headers"] == expected


def test_a_header_keeps_its_octets() -> None:
    scope, _ = read_event(event(headers={"a": "\u00e4", "b": "\u20ac"}))
    assert scope["headers"] == [(b"a", b"\xe4"), (b"b", b"\xe2\x82\xac")]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_a_sample_event_is_a_whole_request(path: Path) -> None:
    sample = json.loads(path.read_text(encoding="utf-8"))
    scope, body = read_event(sample)
    assert body == sample["body"].encode()
    assert {key: scope[key] for key in ("type", "method", "http_version", "scheme")} == {
        "type": "http",
        "method": "POST",
        "http_version": "1.1",
        "scheme": "https",
    }
    assert scope["client"] == ("203.0.113.7", 0)
    assert scope["server"] == ("abcdefghij.lambda-url.us-east-1.on.aws", 443)
    assert (b"host", scope["server"][0].encode()) in scope["headers"]


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "text",
        {},
        {"httpMethod": "GET", "path": "/", "requestContext": {}},
        event(rawPath=None),
        event(body="not base64!", isBase64Encoded=True),
        event(body={"a": 1}),
        event(body="\ud800"),
        event(headers=["a"]),
        event(headers={"a": 1}),
        event(cookies=[1]),
    ],
)
def test_what_is_no_http_request_is_refused(wrong: object) -> None:
    with pytest.raises(EventInvalid):
        read_event(wrong)
