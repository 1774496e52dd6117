"""Signatures, against the signer of botocore."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as some

from aigateway.wire.messages import Headers, RequestHead, value
from aigateway.wire.sigv4 import AwsCredentials, SigningScope, signature_headers

SCOPE = SigningScope("eu-central-1", "bedrock")
HOST = b"bedrock-runtime.eu-central-1.amazonaws.com"
MODEL = "/model/global.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"
ARN = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A000000000000%3Ainference-profile%2Fx/invoke"

SEGMENTS = some.text(alphabet="abz09-._~:%/ !$&'()*+,;=@[]|^{}AF", max_size=12)
PATHS = some.lists(SEGMENTS, max_size=5).map(lambda found: "/" + "/".join(found))
WORDS = some.text(alphabet="abYZ09-._~%:+*/", max_size=8)
QUERIES = some.lists(some.one_of(WORDS, some.tuples(WORDS, WORDS).map("=".join)), max_size=4).map(
    "&".join
)
VALUES = some.text(alphabet="ab,;= \t09", max_size=10)
NAMES = some.sampled_from(
    ["content-type", "x-amz-target", "X-Amz-Meta", "x-amz-b", "User-Agent", "accept", "Via"]
)
HEADERS = some.lists(some.tuples(NAMES, VALUES), max_size=6)
KEYS = some.builds(
    AwsCredentials,
    access_key=some.just("AKIDEXAMPLE"),
    secret_key=some.text(alphabet="ab+/9", min_size=1, max_size=40),
    session_token=some.one_of(some.none(), some.text(alphabet="ab+/=9", min_size=1, max_size=40)),
)
TIMES = some.datetimes(min_value=datetime(2015, 8, 30), timezones=some.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone


def by_botocore(
    method: str, target: str, headers: Headers, body: bytes, keys: AwsCredentials, at: datetime
) -> str:
    """Sign with the steps of the signer that do not look at the clock."""
    request = AWSRequest(method, f"https://{HOST.decode()}{target}", data=body)
    for name, content in headers:
        if name.lower() == b"content-type" or name.lower().startswith(b"x-amz-"):
            request.headers.add_header(name.decode(), content.decode())
    stamp = request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = stamp
    if keys.session_token is not None:
        request.headers["X-Amz-Security-Token"] = keys.session_token
    frozen = Credentials(keys.access_key, keys.secret_key, keys.session_token)
    signer = SigV4Auth(frozen, SCOPE.service, SCOPE.region)
    signature = signer.signature(
        signer.string_to_sign(request, signer.canonical_request(request)), request
    )
    return (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, "
        f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))}, "
        f"Signature={signature}"
    )


@given(
    some.sampled_from(["GET", "POST", "post", "DELETE"]),
    PATHS,
    QUERIES,
    HEADERS,
    some.binary(max_size=40),
    KEYS,
    TIMES,
)
@example("POST", MODEL, "", [], b"{}", AwsCredentials("AKIDEXAMPLE", "s"), datetime.now(UTC))
@example("POST", ARN, "", [], b"", AwsCredentials("AKIDEXAMPLE", "s", "t"), datetime.now(UTC))
@example(
    "GET", "/a//../%2f/./b/", "b&a=2&a=1&=", [], b"", AwsCredentials("A", "s"), datetime.now(UTC)
)
def test_a_signature_is_that_of_botocore(
    method: str,
    path: str,
    query: str,
    headers: list[tuple[str, str]],
    body: bytes,
    keys: AwsCredentials,
    at: datetime,
) -> None:
    target = path + (f"?{query}" if query else "")
    sent = tuple((name.encode(), content.encode()) for name, content in headers)
    added = signature_headers(
        RequestHead(method, target.encode(), sent),
        body,
        host=HOST,
        credentials=keys,
        scope=SCOPE,
        at=at,
    )
    expected = by_botocore(method, target, sent, body, keys, at)
    assert (value(added, b"authorization") or b"").decode() == expected
    token = keys.session_token
    assert value(added, b"x-amz-security-token") == (token.encode() if token else None)


@given(KEYS, some.binary(max_size=40), some.binary(max_size=40))
def test_other_bytes_have_another_signature(keys: AwsCredentials, one: bytes, other: bytes) -> None:
    head = RequestHead("POST", MODEL.encode(), ())
    at = datetime(2026, 1, 2, tzinfo=UTC)
    first, second = (
        signature_headers(head, body, host=HOST, credentials=keys, scope=SCOPE, at=at)
        for body in (one, other)
    )
    assert (first == second) == (hashlib.sha256(one).digest() == hashlib.sha256(other).digest())


@given(TIMES, some.integers(-12, 12))
def test_the_time_is_signed_in_utc(at: datetime, hours: int) -> None:
    head = RequestHead("POST", MODEL.encode(), ())
    keys = AwsCredentials("AKIDEXAMPLE", "s")
    elsewhere = at.astimezone(timezone(timedelta(hours=hours)))
    first, second = (
        signature_headers(head, b"", host=HOST, credentials=keys, scope=SCOPE, at=moment)
        for moment in (at, elsewhere)
    )
    assert first == second
