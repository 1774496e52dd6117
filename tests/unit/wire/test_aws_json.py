"""Operations of AWS's JSON protocols as bytes, and what their answers mean."""

import json
import zlib
from datetime import UTC, datetime

import pytest

from aigateway.errors import ServiceRefused, ServiceSilent
from aigateway.wire.aws_json import AwsService, body_of, head_of, read_answer
from aigateway.wire.messages import ResponseHead
from aigateway.wire.sigv4 import AwsCredentials

SERVICE = AwsService("dynamodb", "DynamoDB_20120810", "1.0")
REFUSED = b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException:x","message":"slow"}'


def answered(status: int, body: bytes, **headers: str) -> dict[str, object]:
    sent = {"x_amzn_requestid": "R1"} | headers
    named = tuple((n.replace("_", "-").encode(), c.encode()) for n, c in sent.items())
    return read_answer(SERVICE, ResponseHead(status, named), body)


def test_a_head_names_the_operation_and_signs_what_decides() -> None:
    body = body_of({"A": b"\xff"})
    head = head_of(
        SERVICE,
        "GetItem",
        body,
        host=b"127.0.0.1:4566",
        region="us-east-1",
        credentials=AwsCredentials("AKID", "secret", "token"),
        at=datetime(2026, 7, 1, tzinfo=UTC),
    )
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST / HTTP/1.1"
    assert lines[1:6] == [
        "host: 127.0.0.1:4566",
        "accept-encoding: identity",
        f"content-length: {len(body)}",
        "content-type: application/x-amz-json-1.0",
        "x-amz-target: DynamoDB_20120810.GetItem",
    ]
    assert "Credential=AKID/20260701/us-east-1/dynamodb/aws4_request" in head.decode()
    signed = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
    assert f"SignedHeaders={signed}," in head.decode()
    assert lines[-2:] == ["", ""]


def test_bytes_become_base64_and_nothing_else_is_guessed() -> None:
    assert body_of({"Item": {"t": {"B": b"\x00\xff"}}}) == b'{"Item":{"t":{"B":"AP8="}}}'
    with pytest.raises(TypeError, match="no JSON for set"):
        body_of({"Item": {"x"}})


def test_half_of_a_surrogate_pair_can_be_sent() -> None:
    assert json.loads(body_of({"\ud83d": 1})) == {"\ud83d": 1}


def test_an_answer_is_an_object_and_may_be_empty() -> None:
    assert answered(200, b'{"Item":{}}') == {"Item": {}}
    assert answered(200, b"") == {}


def test_an_answer_of_something_in_between_is_none() -> None:
    """An empty object would say that an item is not there, or that it was written."""
    with pytest.raises(ServiceSilent, match="not the service's own"):
        read_answer(SERVICE, ResponseHead(200, ()), b"{}")


@pytest.mark.parametrize("kind", ["Message", "message"])
def test_a_refusal_has_a_code_without_its_name_space(kind: str) -> None:
    with pytest.raises(ServiceRefused) as raised:
        answered(400, REFUSED.replace(b"message", kind.encode()))
    assert raised.value.refusal_code == "ThrottlingException"
    assert raised.value.document[kind] == "slow"
    assert "slow" not in str(raised.value)


def test_an_answer_whose_checksum_is_another_is_none() -> None:
    body = b'{"Item":{}}'
    assert answered(200, body, x_amz_crc32=str(zlib.crc32(body))) == {"Item": {}}
    for status, damaged in ((200, b'{"Item":[]}'), (400, REFUSED)):
        with pytest.raises(ServiceSilent, match="damaged"):
            answered(status, damaged, x_amz_crc32=str(zlib.crc32(body)))


def test_a_coding_that_nobody_asked_for_is_no_answer_whatever_the_status() -> None:
    for status in (200, 400):
        with pytest.raises(ServiceSilent, match="coding"):
            answered(status, zlib.compress(b"{}"), content_encoding="gzip")
    assert answered(200, b"{}", content_encoding="identity") == {}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"a":'),
        (200, b"\xff"),
        (200, b"[" * 100_000),
        (302, b""),
        (500, b""),
        (503, b"<html>busy</html>"),
        (502, b"[1]"),
        (500, b'{"__type":1}'),
    ],
)
def test_what_is_neither_an_answer_nor_a_refusal_may_be_asked_again(
    status: int, body: bytes
) -> None:
    with pytest.raises(ServiceSilent, match=f"cannot be read: status {status}"):
        answered(status, body)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message":"too large"}'])
def test_a_refusal_without_a_code_is_final_and_named_by_its_status(body: bytes) -> None:
    with pytest.raises(ServiceRefused) as raised:
        answered(413, body)
    assert raised.value.refusal_code == "413"
