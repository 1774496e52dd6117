"""The scripted Bedrock: what it takes, and what it refuses."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from aigateway.wire.messages import RequestHead
from aigateway.wire.sigv4 import AwsCredentials, SigningScope, signature_headers
from local.fake_bedrock import around
from local.fake_provider import build
from local.in_process import Answered, call
from local.scripted.signatures import SECRET

KEYS = AwsCredentials("AKIASCRIPTED00000001", SECRET)
MODEL = "/bedrock/model/m-v1%3A0/invoke"
BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "hello"}],
}


async def asked(
    path: str,
    body: Mapping[str, object] | bytes = BODY,
    keys: AwsCredentials = KEYS,
    app: Any = None,  # noqa: ANN401 - an ASGI application
    ago: timedelta = timedelta(),
    **headers: str,
) -> Answered:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = signature_headers(
        RequestHead("POST", path.encode(), ()),
        sent,
        host=b"h",
        credentials=keys,
        scope=SigningScope("us-east-1", "bedrock"),
        at=datetime.now(UTC) - ago,
    )
    signed = {name.decode(): value.decode() for name, value in signature}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    app = app or around(build())
    return await call(app, "POST", path, (sent,), {"host": "h"} | signed | named)


def kind(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.headers["x-amzn-errortype"].partition(":")[0]


async def test_a_signed_invocation_gets_the_scripted_answer() -> None:
    answer = await asked(MODEL)
    assert (answer.status, json.loads(answer.body)["model"]) == (200, "m-v1:0")
    assert answer.headers["x-amzn-requestid"].startswith("req_")


async def test_a_stream_comes_in_frames_that_botocore_reads() -> None:
    answer = await asked(MODEL + "-with-response-stream")
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    buffer: Any = EventStreamBuffer()
    buffer.add_data(answer.body)
    names = [message.headers[":event-type"] for message in buffer]
    assert set(names) == {"chunk"}
    assert len(names) > 3


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        ("status=429", 429, "ThrottlingException"),
        ("status=503", 503, "ServiceUnavailableException"),
    ],
)
async def test_a_wished_status_is_one_of_bedrocks(fault: str, status: int, name: str) -> None:
    answer = await asked(MODEL, x_fake=fault)
    assert kind(answer) == (status, name)
    assert json.loads(answer.body) == {"message": "Scripted failure"}


async def test_a_wished_error_in_a_stream_is_an_exception_of_it() -> None:
    answer = await asked(MODEL + "-with-response-stream", x_fake="error=throttlingException")
    buffer: Any = EventStreamBuffer()
    buffer.add_data(answer.body)
    last = list(buffer)[-1]
    assert last.headers[":exception-type"] == "throttlingException"
    assert json.loads(last.payload) == {"message": "Scripted failure"}


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {}},
        {"anthropic_version": "2023-06-01"},
        {"output_config": {}},
        {"model": "m"},
        {"stream": True},
    ],
)
async def test_members_that_bedrock_does_not_know_are_refused(change: dict[str, object]) -> None:
    assert kind(await asked(MODEL, BODY | change)) == (400, "ValidationException")


async def test_a_wrong_signature_is_refused() -> None:
    invalid = (403, "InvalidSignatureException")
    assert kind(await asked(MODEL, keys=AwsCredentials(KEYS.access_key, "other"))) == invalid
    assert kind(await asked(MODEL, ago=timedelta(minutes=6))) == invalid
    assert kind(await asked(MODEL, x_amz_date="20260101T000000Z")) == invalid
    unknown = AwsCredentials("AKIAOTHER", SECRET)
    assert kind(await asked(MODEL, keys=unknown)) == (403, "UnrecognizedClientException")
    unsigned = await call(around(build()), "POST", MODEL, (b"{}",), {"host": "h"})
    assert kind(unsigned) == (403, "MissingAuthenticationTokenException")


async def test_a_role_gives_keys_of_a_session_that_sign() -> None:
    app = around(build())
    wish = b"Action=AssumeRole&RoleSessionName=alice&ExternalId=ext-1&RoleArn=arn"
    for ending, expected in ((b"", 200), (b"-expired", 403)):
        assumed = (await asked("/bedrock", wish + ending, app=app)).body.decode()

        def found(name: str, text: str = assumed) -> str:
            return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]

        keys = AwsCredentials(found("AccessKeyId"), found("SecretAccessKey"), found("SessionToken"))
        assert (await asked(MODEL, keys=keys, app=app)).status == expected
        half = AwsCredentials(keys.access_key, keys.secret_key)
        assert (await asked(MODEL, keys=half, app=app)).status == 403
    log = json.loads((await call(app, "GET", "/bedrock/_log")).body)
    assert [entry.get("session_name") for entry in log] == [None, "alice", None, None, None, None]
    assert log[0]["assumed"]["ExternalId"] == "ext-1"


async def test_every_other_path_is_the_scripted_providers_own() -> None:
    body = {"model": "m", "max_tokens": 5, "messages": BODY["messages"]}
    for path in ("/v1/messages", "/bedrock/anthropic/v1/messages"):
        assert json.loads((await asked(path, body)).body)["model"] == "m"
