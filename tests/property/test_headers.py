"""Header laws, for any headers at all."""

from hypothesis import given
from hypothesis import strategies as some

from aigateway.header_names import CREDENTIALS, HOP_BY_HOP, NOT_FOR_PROVIDERS
from aigateway.wire.headers import NOT_FOR_CLIENTS, towards_client, towards_provider
from aigateway.wire.messages import Headers, values

LISTED = sorted(NOT_FOR_PROVIDERS | NOT_FOR_CLIENTS | {b"openai-project", b"x-amz-date"})
NAMES = some.one_of(
    some.sampled_from(LISTED),
    some.from_regex(rb"[a-z][a-z0-9-]{0,12}", fullmatch=True),
).flatmap(lambda name: some.sampled_from([name, name.upper(), name.title()]))
PAIRS = some.tuples(NAMES, some.binary(max_size=12))
HEADERS = some.lists(PAIRS, max_size=10).map(tuple)
READABLE = frozenset({b"identity", b"gzip"})
PLANTED = b"planted-secret"


def to_provider(headers: Headers, *, central: bool = True) -> Headers:
    return towards_provider(
        headers, credential=None, central=central, readable=READABLE, user_agent=b"aigw"
    )


def is_subsequence(few: Headers, many: Headers) -> bool:
    rest = iter(many)
    return all(any(pair == other for other in rest) for pair in few)


@given(HEADERS, some.booleans())
def test_i02_headers_keep_their_order_repetition_and_content(
    headers: Headers,
    central: bool,
) -> None:
    found = to_provider(headers, central=central)
    kept = (pair for pair in found if pair[0] != b"accept-encoding")
    assert is_subsequence(tuple(pair for pair in kept if pair != (b"user-agent", b"aigw")), headers)


@given(HEADERS)
def test_nothing_listed_reaches_a_provider(headers: Headers) -> None:
    names = {name.lower() for name, _ in to_provider(headers)}
    assert not names & (NOT_FOR_PROVIDERS - {b"accept-encoding"})
    assert not any(name.startswith((b"x-amz", b"x-ai-bridge-actor")) for name in names)


@given(HEADERS)
def test_a_provider_gets_one_accept_encoding_that_we_can_read(headers: Headers) -> None:
    (asked,) = values(to_provider(headers), b"accept-encoding")
    codings = {coding.partition(b";")[0].strip().lower() for coding in asked.split(b",")}
    assert codings <= READABLE


@given(HEADERS)
def test_dropping_twice_is_dropping_once(headers: Headers) -> None:
    once = to_provider(headers)
    assert to_provider(once) == once
    out = towards_client(headers)
    assert towards_client(out) == out


@given(HEADERS, some.sampled_from(sorted(CREDENTIALS)), some.integers(0, 10))
def test_i10_no_credential_of_the_caller_passes(headers: Headers, name: bytes, at: int) -> None:
    planted = (*headers[:at], (name, PLANTED), *headers[at:])
    assert PLANTED not in b"".join(content for _, content in to_provider(planted))


@given(HEADERS)
def test_i01_a_client_gets_every_end_to_end_header_but_the_listed(headers: Headers) -> None:
    dropped = NOT_FOR_CLIENTS | {
        name.strip().lower()
        for listed in values(headers, b"connection")
        for name in listed.split(b",")
    }
    expected = [
        (name.lower(), content)
        for name, content in headers
        if name.lower() not in dropped and not name.lower().startswith(b"x-ai-gateway")
    ]
    assert list(towards_client(headers)) == expected
    assert not {name for name, _ in towards_client(headers)} & HOP_BY_HOP
