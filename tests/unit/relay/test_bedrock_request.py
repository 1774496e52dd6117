"""Requests for Bedrock: path, headers and body of each protocol."""

import gzip
import json
from typing import Any

import pytest

from aigateway.errors import UnreadableBody
from aigateway.pool.providers import provider_from
from aigateway.relay.bedrock_request import for_bedrock
from aigateway.relay.upstream import UpstreamRequest
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import Headers, value, values

SENT: Headers = (
    (b"anthropic-version", b"2023-06-01"),
    (b"anthropic-beta", b"claude-code-20250219, context-1m-2025-08-07"),
    (b"Anthropic-Beta", b"computer-use-2025-01-24"),
    (b"accept", b"text/event-stream"),
    (b"x-stainless-lang", b"js"),
    (b"accept-encoding", b"gzip, br"),
)


def asked(
    body: bytes,
    protocol: str = "invoke-model",
    headers: Headers = SENT,
    dialect: Dialect | None = Dialect.MESSAGES,
    **settings: Any,  # noqa: ANN401 - members of the settings
) -> UpstreamRequest:
    document = {
        "name": "p",
        "type": "bedrock",
        "base_url": "https://h.example/below",
        "settings": {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
        | {"protocol": protocol}
        | settings,
    }
    provider = provider_from(document, allow_byok=True, allowed=())
    assert provider.bedrock is not None
    request = UpstreamRequest(
        provider, "POST", b"/below/v1/messages?beta=true", headers, body, None, 1, 1
    )
    return for_bedrock(request, provider.bedrock, dialect)


def test_a_request_names_its_model_in_the_path_and_its_flags_in_the_body() -> None:
    body = b'{"model":"claude-haiku-4-5","stream":true,"max_tokens":5}'
    request = asked(body, small_fast_model="small-v1:0")
    assert request.target == b"/below/model/small-v1%3A0/invoke-with-response-stream"
    assert json.loads(request.body) == {
        "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["context-1m-2025-08-07", "computer-use-2025-01-24"],
        "max_tokens": 5,
    }
    assert request.headers == (
        (b"x-stainless-lang", b"js"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"identity"),
    )


@pytest.mark.parametrize("stream", [b"", b',"stream":false', b',"stream":"true"', b',"stream":1'])
def test_what_is_no_stream_is_invoked_in_one_piece(stream: bytes) -> None:
    assert asked(b'{"model":"m"' + stream + b"}", model="big").target == b"/below/model/big/invoke"


def test_an_encoded_body_is_translated_from_what_it_holds() -> None:
    body = gzip.compress(b'{"model":"m","max_tokens":5}')
    request = asked(body, headers=(*SENT, (b"content-encoding", b"gzip")))
    assert json.loads(request.body)["max_tokens"] == 5
    assert value(request.headers, b"content-encoding") is None


@pytest.mark.parametrize(
    ("body", "coding"), [(b"{}", b"unheard-of"), (b"{}", b"gzip"), (b"[" * 300 + b"]" * 300, b"")]
)
def test_what_cannot_be_read_cannot_be_translated(body: bytes, coding: bytes) -> None:
    with pytest.raises(UnreadableBody):
        asked(body, headers=((b"content-encoding", coding),))


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff"])
def test_what_is_no_object_stays_as_it_is_for_its_refusal(body: bytes) -> None:
    assert (asked(body).body, asked(body).target) == (body, b"/below/v1/messages?beta=true")


@pytest.mark.parametrize("dialect", [*Dialect, None])
def test_mantle_gets_a_request_as_it_is(dialect: Dialect | None) -> None:
    request = asked(b"{ }", "mantle", dialect=dialect)
    assert (request.target, request.body, request.headers) == (
        b"/below/v1/messages?beta=true",
        b"{ }",
        SENT,
    )


def test_what_is_not_recorded_is_not_translated() -> None:
    assert asked(b"{ }", dialect=None).body == b"{ }"


@pytest.mark.parametrize("protocol", ["invoke-model", "mantle"])
def test_a_callers_own_key_is_a_bearer_token(protocol: str) -> None:
    request = asked(b"{}", protocol, headers=((b"x-api-key", b"own-planted"),))
    assert values(request.headers, b"authorization") == (b"Bearer own-planted",)
    assert value(request.headers, b"x-api-key") is None
    bearer = asked(b"{}", protocol, headers=((b"authorization", b"Bearer own-planted"),))
    assert values(bearer.headers, b"authorization") == (b"Bearer own-planted",)
