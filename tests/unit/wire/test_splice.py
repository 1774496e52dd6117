import pytest

from aigateway.wire.splice import with_nested_true


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b"{}", b'{"stream_options":{"include_usage":true}}'),
        (
            b'\xef\xbb\xbf { "a":1}',
            b'\xef\xbb\xbf {"stream_options":{"include_usage":true}, "a":1}',
        ),
        (
            b'{"a": 1.0e2,"stream_options" : { "x":[ 1 ] } }',
            b'{"a": 1.0e2,"stream_options" : {"include_usage":true, "x":[ 1 ] } }',
        ),
        (b'{"stream_options":{}}', b'{"stream_options":{"include_usage":true}}'),
        (
            b'{"stream_options":{"include_usage": false , "y":"\xc3\xa9"}}',
            b'{"stream_options":{"include_usage": true , "y":"\xc3\xa9"}}',
        ),
        (
            b'{"stream_options":{"include_usage":{"a":[null]}},"z":"\xff"}',
            b'{"stream_options":{"include_usage":true},"z":"\xff"}',
        ),
        (
            b'{"stream\\u005foptions":{"include_usage":0}}',
            b'{"stream\\u005foptions":{"include_usage":true}}',
        ),
        (
            b'{"n":[{"stream_options":{"include_usage":true}}]}',
            b'{"stream_options":{"include_usage":true},"n":[{"stream_options":{"include_usage":true}}]}',
        ),
    ],
)
def test_the_member_is_put_in_and_nothing_else_is_touched(body: bytes, result: bytes) -> None:
    assert with_nested_true(body, "stream_options", "include_usage") == result


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream_options":{"include_usage":true}}',
        b'{"stream_options":null}',
        b'{"stream_options":[]}',
        b'{"stream_options":"include_usage"}',
        b'{"stream_options":{},"stream_options":{}}',
        b'{"stream_options":{"include_usage":false,"include_usage":true}}',
        b"[]",
        b'"{"',
        b"1",
    ],
)
def test_what_is_there_already_or_not_plain_is_left_alone(body: bytes) -> None:
    assert with_nested_true(body, "stream_options", "include_usage") is None
