"""What is signed, with what, and what passes to the transport as it is."""

from dataclasses import replace
from typing import Any, final

import pytest

from aigateway.clock import Clock
from aigateway.errors import CredentialsUnavailable, UpstreamUnreachable
from aigateway.pool.providers import Provider, SecretRef, provider_from
from aigateway.relay.aws_sessions import Assumption, AwsSession, AwsSessions
from aigateway.relay.bedrock_upstream import BedrockUpstream
from aigateway.relay.upstream import Answer, UpstreamRequest
from aigateway.wire.messages import Headers, RequestHead, ResponseHead, value
from aigateway.wire.sigv4 import AwsCredentials, SigningScope, signature_headers
from tests.builders import T0
from tests.clocks import HeldClock
from tests.unit.relay.stand_ins import PROVIDER
from tests.unit.relay.test_bedrock_answer import Body, heard

OWN = AwsCredentials("AKIAOWN", "own-secret", "own-token")
ROLE = "arn:aws:iam::000000000000:role/bedrock"
EXPIRED: Headers = ((b"x-amzn-errortype", b"ExpiredTokenException"),)


def provider(protocol: str = "invoke-model", **settings: Any) -> Provider:  # noqa: ANN401 - members
    plain = {"_type": "bedrock", "_version": 1, "region": "eu-west-1", "protocol": protocol}
    document = {"name": "p", "type": "bedrock", "settings": plain | settings}
    return provider_from(document, allow_byok=True, allowed=())


def request_to(to: Provider, session_name: str | None = "alice") -> UpstreamRequest:
    headers: Headers = ((b"content-type", b"application/json"),)
    return UpstreamRequest(
        to, "POST", b"/model/m/invoke", headers, b"{}", None, 1, 1, session_name=session_name
    )


@final
class Transport:
    def __init__(self) -> None:
        self.sent: list[UpstreamRequest] = []
        self.head = ResponseHead(200, ())
        self.down = False
        self.closed = False

    async def send(self, request: UpstreamRequest) -> Answer:
        self.sent.append(request)
        if self.down:
            raise UpstreamUnreachable("down")
        return Answer(self.head, Body([b'{"message":"no"}']))

    async def aclose(self) -> None:
        self.closed = True


@final
class NoSecrets:
    async def key(self, ref: SecretRef) -> str:
        raise AssertionError(ref)


@final
class Aws:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[Assumption] = []
        self.down = False

    async def own(self) -> AwsCredentials:
        if self.down:
            raise CredentialsUnavailable("this process has no AWS credentials")
        return OWN

    async def assume(self, wanted: Assumption) -> AwsSession:
        self.asked.append(wanted)
        return AwsSession(OWN, T0.replace(year=T0.year + 1))


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def aws() -> Aws:
    return Aws(HeldClock())


@pytest.fixture
def upstream(transport: Transport, aws: Aws) -> BedrockUpstream:
    sessions = AwsSessions(NoSecrets(), aws.clock, aws)
    return BedrockUpstream(transport, NoSecrets(), aws.clock, sessions)


@pytest.mark.parametrize(
    ("protocol", "service", "host"),
    [
        ("invoke-model", "bedrock", b"bedrock-runtime.eu-west-1.amazonaws.com"),
        ("mantle", "bedrock-mantle", b"bedrock-mantle.eu-west-1.api.aws"),
    ],
)
async def test_a_request_is_signed_behind_its_own_headers(
    upstream: BedrockUpstream, transport: Transport, protocol: str, service: str, host: bytes
) -> None:
    request = request_to(provider(protocol))
    await upstream.send(request)
    (sent,) = transport.sent
    signature = signature_headers(
        RequestHead("POST", request.target, request.headers),
        b"{}",
        host=host,
        credentials=OWN,
        scope=SigningScope("eu-west-1", service),
        at=T0,
    )
    assert sent == replace(request, headers=(*request.headers, *signature))


async def test_what_needs_no_signature_passes_as_it_is(
    upstream: BedrockUpstream, transport: Transport, aws: Aws
) -> None:
    aws.down = True
    for request in (request_to(PROVIDER), request_to(provider(), session_name=None)):
        await upstream.send(request)
        assert transport.sent[-1] is request


async def test_answers_of_invoke_model_are_translated_and_those_of_mantle_are_not(
    upstream: BedrockUpstream, transport: Transport
) -> None:
    transport.head = ResponseHead(400, ((b"x-amzn-requestid", b"r-1"),))
    translated = await upstream.send(request_to(provider()))
    assert value(translated.head.headers, b"request-id") == b"r-1"
    assert b'"invalid_request_error"' in (await heard(translated))[0]
    native = await upstream.send(request_to(provider("mantle")))
    assert (native.head, await heard(native)) == (transport.head, (b'{"message":"no"}', False))


async def test_a_session_that_bedrock_calls_expired_is_not_used_again(
    upstream: BedrockUpstream, transport: Transport, aws: Aws
) -> None:
    to = provider(role_arn=ROLE)
    transport.head = ResponseHead(403, ((b"x-amzn-errortype", b"AccessDeniedException"),))
    for _ in range(2):
        await upstream.send(request_to(to))
    assert len(aws.asked) == 1
    transport.head = ResponseHead(403, EXPIRED)
    for _ in range(2):
        head = (await upstream.send(request_to(to))).head
        assert (head.status, value(head.headers, b"x-should-retry")) == (403, b"true")
    assert len(aws.asked) == 2
    assert len(transport.sent) == 4


async def test_keys_that_are_no_session_are_not_tried_again(
    upstream: BedrockUpstream, transport: Transport
) -> None:
    transport.head = ResponseHead(403, EXPIRED)
    answer = await upstream.send(request_to(provider()))
    assert value(answer.head.headers, b"x-should-retry") is None


async def test_without_credentials_nothing_is_sent(
    upstream: BedrockUpstream, transport: Transport, aws: Aws
) -> None:
    aws.down = True
    with pytest.raises(CredentialsUnavailable):
        await upstream.send(request_to(provider()))
    assert transport.sent == []


async def test_faults_and_the_end_are_the_transports(
    upstream: BedrockUpstream, transport: Transport
) -> None:
    transport.down = True
    with pytest.raises(UpstreamUnreachable):
        await upstream.send(request_to(provider()))
    await upstream.aclose()
    assert transport.closed
