import json

from hypothesis import given
from hypothesis.strategies import binary, integers, lists, sampled_from, tuples

from streaming_runtime.prelude import FRAMING, SEPARATOR, prelude, response_head

NAMES = [b"content-type", b"Vary", b"vary", b"set-cookie", b"Set-Cookie", b"x-a"]
HEADERS = lists(tuples(sampled_from(NAMES), binary()))


@given(status=integers(100, 599), headers=HEADERS, body=binary())
def test_a_prelude_reads_back_whatever_follows_it(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    head, separator, rest = (prelude(status, headers) + SEPARATOR + body).partition(SEPARATOR)
    assert separator == SEPARATOR
    assert rest == SEPARATOR + body
    assert json.loads(head) == response_head(status, headers)


@given(headers=HEADERS)
def test_no_value_is_lost_and_none_changes_its_place(headers: list[tuple[bytes, bytes]]) -> None:
    head = response_head(200, headers)
    assert head["statusCode"] == 200
    cookies = [value.decode("latin-1") for name, value in headers if name.lower() == b"set-cookie"]
    assert head.get("cookies", []) == cookies
    given_names = {name.decode().lower() for name, _ in headers} - {"set-cookie"}
    assert set(head["headers"]) == given_names
    for name, joined in head["headers"].items():
        values = [value.decode("latin-1") for key, value in headers if key.decode().lower() == name]
        assert joined == ", ".join(values)


def test_a_header_of_the_connection_stays_with_it() -> None:
    headers = [(name.title().encode(), b"1") for name in FRAMING]
    assert response_head(200, headers) == {"statusCode": 200, "headers": {}}


def test_the_form_is_the_services() -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"set-cookie", b"a=1; Path=/")]
    assert prelude(200, headers) == (
        b'{"statusCode":200,"headers":{"content-type":"text/event-stream"},'
        b'"cookies":["a=1; Path=/"]}' + b"\0\0\0\0\0\0\0\0"
    )
