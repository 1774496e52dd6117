"""Which headers travel, in both directions."""

import pytest

from aigateway.wire.headers import accept_encoding, towards_client, towards_provider
from aigateway.wire.messages import Headers, RequestHead, text, value, values

READABLE = frozenset({b"identity", b"gzip", b"deflate"})
OURS = ((b"accept-encoding", b"identity"),)
AGENT = ((b"user-agent", b"claude-cli/2.1.330"),)


def sent(*headers: tuple[bytes, bytes], central: bool = True) -> Headers:
    """Return what a provider gets, without the two headers that are always there."""
    found = towards_provider(
        (*headers, *AGENT), credential=None, central=central, readable=READABLE, user_agent=b"aigw"
    )
    assert found[-2:] == AGENT + OURS
    return found[:-2]


@pytest.mark.parametrize(
    "name",
    [
        # of one connection
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        # made anew
        b"host",
        b"content-length",
        # credentials
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-ai-gateway-token",
        b"x-coder-ai-governance-token",
        b"coder-session-token",
        b"cookie",
        # the path of the request
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-port",
        b"via",
        # the edge
        b"x-amzn-trace-id",
        b"x-amz-date",
        b"cloudfront-viewer-country",
        # correlation, tenant, actor
        b"x-coder-agent-firewall-session-id",
        b"x-coder-agent-firewall-sequence-number",
        b"x-coder-ai-governance-request-id",
        b"anthropic-workspace-id",
        b"x-ai-bridge-actor-id",
        b"x-ai-bridge-actor-metadata-username",
    ],
)
@pytest.mark.parametrize("central", [True, False])
def test_headers_that_are_not_for_providers_are_removed(name: bytes, *, central: bool) -> None:
    assert sent((name, b"v"), (name.upper(), b"w"), central=central) == ()


@pytest.mark.parametrize("name", [b"x_api_key", b"X_AI_Bridge_Actor_ID", b"x_amz_date"])
def test_an_underscore_hides_no_name(name: bytes) -> None:
    assert sent((name, b"v")) == ()
    assert sent((b"session_id", b"s")) == ((b"session_id", b"s"),)


def test_what_the_gateway_sets_is_nobody_elses() -> None:
    found = towards_provider(
        ((b"X-User", b"forged"), (b"x_user", b"forged"), (b"connection", b"x-user"), *AGENT),
        credential=None,
        central=False,
        readable=READABLE,
        user_agent=b"aigw",
        added=((b"X-User", b"alice"),),
        ours=frozenset({b"x-user"}),
    )
    assert found == (*AGENT, *OURS, (b"X-User", b"alice"))


@pytest.mark.parametrize("name", [b"openai-organization", b"OpenAI-Project"])
def test_a_tenant_goes_only_with_the_callers_own_key(name: bytes) -> None:
    assert sent((name, b"org_1"), central=True) == ()
    assert sent((name, b"org_1"), central=False) == ((name, b"org_1"),)


def test_i02_everything_else_travels_unchanged_and_in_order() -> None:
    headers = (
        (b"anthropic-version", b"2023-06-01"),
        (b"anthropic-beta", b"a"),
        (b"X-Stainless-Retry-Count", b"1"),
        (b"anthropic-beta", b"b"),
        (b"x-claude-code-session-id", b"s"),
        (b"content-type", b"application/json"),
        (b"content-encoding", b"zstd"),
        (b"x-unheard-of", b"\xff"),
    )
    assert sent(*headers) == headers


def test_names_that_connection_lists_are_removed() -> None:
    headers = ((b"connection", b"close, X-One"), (b"connection", b"x-two"))
    kept = (b"x-three", b"3")
    assert sent(*headers, (b"x-one", b"1"), (b"X-Two", b"2"), kept) == (kept,)


def test_the_providers_credential_is_set_once_and_survives_any_connection_header() -> None:
    key = (b"x-api-key", b"provider-key")
    headers = ((b"x-api-key", b"client-key"), (b"connection", b"x-api-key"))
    found = towards_provider(
        headers, credential=key, central=True, readable=READABLE, user_agent=b"aigw"
    )
    assert values(found, b"x-api-key") == (b"provider-key",)


@pytest.mark.parametrize(("shown", "expected"), [(None, b"aigw/1"), (b"", b""), (b"x/1", b"x/1")])
def test_our_agent_stands_in_only_where_the_client_sent_none(
    shown: bytes | None, expected: bytes
) -> None:
    headers = () if shown is None else ((b"User-Agent", shown),)
    found = towards_provider(
        headers, credential=None, central=True, readable=READABLE, user_agent=b"aigw/1"
    )
    assert values(found, b"user-agent") == (expected,)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ((), b"identity"),
        ((b"",), b"identity"),
        ((b"gzip, deflate",), b"gzip, deflate"),
        ((b"gzip, deflate, br, zstd",), b"gzip, deflate"),
        ((b"br",), b"identity"),
        ((b"*",), b"identity"),
        ((b"GZIP;q=0.5, br;q=1", b"identity;q=0.1"), b"GZIP;q=0.5, identity;q=0.1"),
    ],
)
def test_only_codings_that_can_be_read_are_asked_for(
    shown: tuple[bytes, ...], expected: bytes
) -> None:
    headers = tuple((b"Accept-Encoding", each) for each in shown)
    assert accept_encoding(headers, READABLE) == expected


def test_i01_a_providers_headers_reach_the_client() -> None:
    headers = (
        (b"Content-Type", b"text/event-stream"),
        (b"request-id", b"req_1"),
        (b"retry-after", b"7"),
        (b"x-should-retry", b"true"),
        (b"x-ratelimit-remaining-tokens", b"5"),
        (b"anthropic-ratelimit-requests-reset", b"never"),
        (b"openai-processing-ms", b"3"),
        (b"content-encoding", b"br"),
        (b"x-repeated", b"1"),
        (b"x-repeated", b"2"),
    )
    lower = tuple((name.lower(), content) for name, content in headers)
    ours = ((b"x-ai-gateway-interception-id", b"id"),)
    assert towards_client(headers, ours) == lower + ours


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"Keep-Alive",
        b"Transfer-Encoding",
        b"Trailer",
        b"Upgrade",
        b"Proxy-Authenticate",
        b"Content-Length",
        b"Date",
        b"Set-Cookie",
        b"Alt-Svc",
        b"X-AI-Gateway-Error",
        b"x-ai-gateway-interception-id",
    ],
)
def test_what_is_of_one_connection_or_ours_to_say_stays_away_from_the_client(name: bytes) -> None:
    assert towards_client(((name, b"v"),)) == ()


def test_a_target_is_split_at_its_first_question_mark() -> None:
    head = RequestHead("GET", b"/a%2Fb?x=1?y=2", ())
    assert (head.path, head.query) == (b"/a%2Fb", b"?x=1?y=2")
    assert RequestHead("GET", b"/a?", ()).query == b"?"
    assert RequestHead("GET", b"/a", ()).query == b""


def test_header_names_compare_without_case_and_blank_texts_count_as_absent() -> None:
    headers = ((b"X-One", b" a "), (b"x-one", b"b"), (b"x-two", b"  "), (b"x-three", b"\xe9"))
    assert values(headers, b"x-one") == (b" a ", b"b")
    assert value(headers, b"x-one") == b" a "
    assert text(headers, b"x-one") == "a"
    assert text(headers, b"x-two") is None
    assert text(headers, b"x-three") == "é"
    assert value(headers, b"x-four") is None


@pytest.mark.parametrize(
    ("target", "content", "is_plain"),
    [
        (b"/a%2Fb?x=%0d", b"a \t\xff", True),
        (b"/a", b"\x1b[31m", False),
        (b"/a", b"a\nb", False),
        (b"/a", b"\x7f", False),
        (b"/a", b"\0", False),
        (b"/a b", b"", False),
        (b"/\xc3\xa9", b"", False),
        (b"", b"", False),
    ],
)
def test_a_head_may_hold_no_control_character(
    target: bytes, content: bytes, *, is_plain: bool
) -> None:
    assert RequestHead("GET", target, ((b"x", b"1"), (b"y", content))).is_plain == is_plain
