"""The table of routes, and everything that is not on it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from aigateway.errors import (
    MethodNotAllowed,
    ProviderBroken,
    ProviderDisabled,
    RouteNotSupported,
)
from aigateway.pool.base_url import BaseUrl
from aigateway.pool.providers import (
    Provider,
    ProviderFault,
    ProviderType,
    provider_from,
)
from aigateway.pool.routes import Route, dialect_of_path, place_of, route_of
from aigateway.pool.snapshot import Snapshot
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import RequestHead

OPENAI_TYPES: tuple[ProviderType, ...] = (
    "openai",
    "azure",
    "google",
    "openrouter",
    "vercel",
    "openai-compat",
)
ANTHROPIC_TYPES: tuple[ProviderType, ...] = ("anthropic", "bedrock")
OPENAI_BRIDGED = {
    "/v1/chat/completions": Dialect.CHAT,
    "/v1/responses": Dialect.RESPONSES,
    "/v1/responses/compact": Dialect.RESPONSES,
    "/chat/completions": Dialect.CHAT,
    "/responses": Dialect.RESPONSES,
    "/responses/compact": Dialect.RESPONSES,
}
COPILOT_BRIDGED = {
    "/chat/completions": Dialect.CHAT,
    "/responses": Dialect.RESPONSES,
    "/v1/messages": Dialect.MESSAGES,
}
READ, KEPT, ASKED = "GET", "GET POST DELETE", "GET POST"
OPENAI_PASSED = {
    "/v1/models": READ,
    "/v1/models/*": READ,
    "/v1/conversations": KEPT,
    "/v1/conversations/*": KEPT,
    "/v1/responses/*": KEPT,
}
ANTHROPIC_PASSED = {
    "/v1/messages/count_tokens": "POST",
    "/v1/models": READ,
    "/v1/models/*": READ,
    "/api/event_logging/*": "POST",
}
COPILOT_PASSED = {
    "/_ping": ASKED,
    "/auto": ASKED,
    "/models": ASKED,
    "/models/*": ASKED,
    "/agents/*": ASKED,
    "/mcp/*": KEPT,
    "/.well-known/*": ASKED,
}


def bridged() -> Iterator[tuple[ProviderType, str, Dialect]]:
    for kind in OPENAI_TYPES:
        yield from ((kind, path, dialect) for path, dialect in OPENAI_BRIDGED.items())
    for kind in ANTHROPIC_TYPES:
        yield kind, "/v1/messages", Dialect.MESSAGES
    yield from (("copilot", path, dialect) for path, dialect in COPILOT_BRIDGED.items())


def passed() -> Iterator[tuple[ProviderType, str, str]]:
    for kinds, table in (
        (OPENAI_TYPES, OPENAI_PASSED),
        (ANTHROPIC_TYPES, ANTHROPIC_PASSED),
        (("copilot",), COPILOT_PASSED),
    ):
        for kind in kinds:
            yield from ((kind, path, methods) for path, methods in table.items())


def provider(kind: ProviderType, *, enabled: bool = True, path: str = "/base") -> Provider:
    url = BaseUrl("https", "h.example", 443, path)
    return Provider("p", kind, url, (), enabled)


def routed(kind: ProviderType, target: str, method: str = "POST", base: str = "/base") -> Route:
    snapshot = Snapshot(1, {"p": provider(kind, path=base)}, {})
    return route_of(RequestHead(method, target.encode("latin-1"), ()), snapshot)


@pytest.mark.parametrize(("kind", "path", "dialect"), list(bridged()))
def test_recorded_routes_of_every_type(kind: ProviderType, path: str, dialect: Dialect) -> None:
    route = routed(kind, f"/p{path}")
    assert (route.dialect, route.template) == (dialect, path)
    assert route.prompted is not path.endswith("/compact")


@pytest.mark.parametrize(("kind", "path", "dialect"), list(bridged()))
def test_a_recorded_route_takes_nothing_but_post(
    kind: ProviderType, path: str, dialect: Dialect
) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        with pytest.raises(MethodNotAllowed) as raised:
            routed(kind, f"/p{path}", method)
        assert raised.value.allow == ("POST",)


@pytest.mark.parametrize(("kind", "path", "methods"), list(passed()))
def test_passed_routes_of_every_type_and_their_methods(
    kind: ProviderType, path: str, methods: str
) -> None:
    concrete = path.replace("*", "some/id-1:x%20y")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        if method in methods.split():
            route = routed(kind, f"/p{concrete}", method)
            assert (route.dialect, route.template) == (None, path)
        else:
            with pytest.raises(MethodNotAllowed) as raised:
                routed(kind, f"/p{concrete}", method)
            assert raised.value.allow == tuple(methods.split())


EXTRA = ("/v1/embeddings", "/v1/files/*", "/v1/models")


def with_extra(target: str, method: str) -> Route:
    made = replace(provider("openai", path="/base/v1"), extra_passthrough=EXTRA)
    head = RequestHead(method, target.encode(), ())
    return route_of(head, Snapshot(1, {"p": made}, {}))


@pytest.mark.parametrize(
    ("path", "template", "target"),
    [
        ("/v1/embeddings?x=1", "/v1/embeddings", b"/base/v1/embeddings?x=1"),
        ("/v1/files/file-1/content", "/v1/files/*", b"/base/v1/files/file-1/content"),
    ],
)
def test_a_providers_further_paths_are_passed_through(
    path: str, template: str, target: bytes
) -> None:
    for method in ("GET", "POST"):
        route = with_extra(f"/p{path}", method)
        assert (route.dialect, route.template, route.target) == (None, template, target)
    for method in ("DELETE", "PUT", "PATCH"):
        with pytest.raises(MethodNotAllowed) as raised:
            with_extra(f"/p{path}", method)
        assert raised.value.allow == ("GET", "POST")


@pytest.mark.parametrize(
    "path",
    ["/v1/files", "/v1/files/", "/v1/files/../organization", "/v1/files/%2e%2e/x",
     "/v1/embeddings/x", "/v1/embedding"],
)  # fmt: skip
def test_what_lies_beside_a_further_path_is_refused(path: str) -> None:
    with pytest.raises(RouteNotSupported):
        with_extra(f"/p{path}", "GET")


def test_a_further_path_changes_nothing_about_those_of_the_type() -> None:
    assert with_extra("/p/v1/models", "GET").template == "/v1/models"
    with pytest.raises(MethodNotAllowed):
        with_extra("/p/v1/models", "POST")
    assert with_extra("/p/v1/responses", "POST").dialect is Dialect.RESPONSES


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("openai", "/v1/completions"),
        ("openai", "/v1/files"),
        ("openai", "/v1/organization/admin_api_keys"),
        ("openai", "/v1/messages"),
        ("openai", "/v1/models-x"),
        ("openai", "/models"),
        ("openai", "/v1"),
        ("openai", "/V1/models"),
        ("anthropic", "/v1/chat/completions"),
        ("anthropic", "/v1/organizations/me"),
        ("anthropic", "/v1/messages/batches"),
        ("anthropic", "/messages"),
        ("anthropic", "/v1/v1/messages"),
        ("anthropic", "/api/event_logging"),
        ("bedrock", "/model/m/invoke"),
        ("copilot", "/v1/chat/completions"),
        ("copilot", "/agents"),
        ("copilot", "/user"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_is_on_no_list_is_refused(kind: ProviderType, path: str, method: str) -> None:
    with pytest.raises(RouteNotSupported):
        routed(kind, f"/p{path}", method)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/..",
        "/v1/models/.",
        "/v1/models/../organization/admin_api_keys",
        "/v1/models/x/../../files",
        "/v1/models/%2e%2e/files",
        "/v1/models/%2E%2e/files",
        "/v1/models/.%2e/files",
        "/v1/models/%2e",
        "/v1/models/%252e%252e/files",
        "/v1/models/%25252525252e%2525252525252e/files",
        "/v1/models/..;/files",
        "/v1/models/a%252f..",
        "/v1/models/a%00b",
        "/v1/models/a%0d%0ab",
        "/v1/models/..%2Ffiles",
        "/v1/models/x%2Fy",
        "/v1/models/x%5c..%5cfiles",
        "/v1/models/x\\..\\files",
        "/v1/models//x",
        "/v1//models/x",
        "//v1/models",
        "/v1/models/",
        "/v1/models/x/",
        "/v1/models/*/../x",
        "/v1/responses/",
        "/v1/responses/../files",
        "/../p/v1/models",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_that_mean_another_place_match_nothing(path: str, method: str) -> None:
    with pytest.raises(RouteNotSupported):
        routed("openai", f"/p{path}", method)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages/",
        "/v1//messages",
        "//v1/messages",
        "/v1/./messages",
        "/v1/x/../messages",
        "/v1/%6dessages",
        "/v1%2Fmessages",
        "/v1/messages;x=1",
        "/v1/Messages",
    ],
)
def test_a_recorded_route_has_exactly_one_spelling(path: str) -> None:
    with pytest.raises(RouteNotSupported):
        routed("anthropic", f"/p{path}")


@pytest.mark.parametrize(
    ("kind", "base", "target", "expected"),
    [
        ("openai", "/v1", "/p/v1/responses", b"/v1/responses"),
        ("openai", "/x/v1", "/p/v1/responses", b"/x/v1/responses"),
        ("openai", "/x/v1", "/p/responses", b"/x/v1/responses"),
        ("openai", "", "/p/v1/chat/completions", b"/chat/completions"),
        ("azure", "/openai/v1", "/p/v1/responses?api=1", b"/openai/v1/responses?api=1"),
        ("anthropic", "", "/p/v1/messages?beta=true", b"/v1/messages?beta=true"),
        ("anthropic", "/x", "/p/v1/messages?a=%2F..&a=&b=?", b"/x/v1/messages?a=%2F..&a=&b=?"),
        ("anthropic", "", "/p/v1/messages?", b"/v1/messages?"),
        ("copilot", "", "/p/responses", b"/responses"),
        ("copilot", "/x", "/p/v1/messages", b"/x/v1/messages"),
    ],
)  # fmt: skip
def test_paths_are_mapped_and_queries_travel_byte_for_byte(
    kind: ProviderType, base: str, target: str, expected: bytes
) -> None:
    assert routed(kind, target, base=base).target == expected


def test_a_concrete_id_reaches_the_provider_and_not_the_label() -> None:
    route = routed("openai", "/p/v1/models/ft%3Agpt:x?after=a", "GET", "/v1")
    assert route.target == b"/v1/models/ft%3Agpt:x?after=a"
    assert route.template == "/v1/models/*"


@pytest.mark.parametrize("tree", ["", "/api/v2/ai-gateway", "/api/v2/aibridge"])
def test_the_same_tree_is_served_below_the_older_paths(tree: str) -> None:
    route = routed("anthropic", f"{tree}/p/v1/messages?beta=true", base="")
    assert (route.template, route.target) == ("/v1/messages", b"/v1/messages?beta=true")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "*",
        "xp/v1/messages",
        "/p",
        "/other/v1/messages",
        "/%70/v1/messages",
        "/P/v1/messages",
        "//p/v1/messages",
        "/api/v2/aibridge",
        "/api/v2/aibridge/sessions",
        "/api/v2/aibridge/api/v2/aibridge/p/v1/messages",
        "/api/v2/other/p/v1/messages",
        "/sessions",
    ],
)
def test_a_path_without_a_known_provider_is_refused(path: str) -> None:
    with pytest.raises(RouteNotSupported):
        routed("anthropic", path)


def test_a_refused_route_names_the_base_url_but_no_query() -> None:
    with pytest.raises(RouteNotSupported) as raised:
        routed("openai", "/p/v1/completions?key=planted")
    assert str(raised.value) == (
        "route not supported: POST '/v1/completions'; the base URL of this provider ends in /p/v1"
    )


@pytest.mark.parametrize("path", ["/p/v1/messages", "/p/v1/models", "/p/anything"])
def test_a_provider_that_is_switched_off_or_broken_says_so_on_every_path(path: str) -> None:
    head = RequestHead("POST", path.encode(), ())
    off = Snapshot(1, {"p": provider("anthropic", enabled=False)}, {})
    with pytest.raises(ProviderDisabled):
        route_of(head, off)
    off_and_broken = Snapshot(1, {}, {"p": ProviderFault("p", None, "type: …", enabled=False)})
    with pytest.raises(ProviderDisabled):
        route_of(head, off_and_broken)
    broken = Snapshot(1, {}, {"p": ProviderFault("p", "anthropic", "base_url: …")})
    with pytest.raises(ProviderBroken, match="base_url"):
        route_of(head, broken)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        (b"/p/v1/messages", Dialect.MESSAGES),
        (b"/anything/chat/completions", Dialect.CHAT),
        (b"/p/v1/responses", Dialect.RESPONSES),
        (b"/p/v1/responses/compact", Dialect.RESPONSES),
        (b"/p/v1/models", None),
        (b"/p/v1/messages/count_tokens", None),
        (b"/p/v1/messages\n", None),
        (b"/", None),
    ],
)
def test_a_path_alone_tells_the_dialect_of_an_early_error(
    path: bytes, dialect: Dialect | None
) -> None:
    assert dialect_of_path(path) is dialect


def test_the_rest_of_a_place_is_raw() -> None:
    place = place_of(b"/p/a%2Fb//")
    assert (place.name, place.rest) == ("p", b"/a%2Fb//")


def bedrock(protocol: str, path: str, method: str = "POST") -> Route:
    settings = {"_type": "bedrock", "_version": 1, "region": "us-east-1", "protocol": protocol}
    row = {"name": "p", "type": "bedrock", "settings": settings}
    provider = provider_from(row, allow_byok=True, allowed=())
    return route_of(
        RequestHead(method, f"/p{path}?beta=true".encode(), ()), Snapshot(1, {"p": provider}, {})
    )


@pytest.mark.parametrize(
    ("path", "dialect", "target"),
    [
        ("/v1/messages", Dialect.MESSAGES, b"/anthropic/v1/messages?beta=true"),
        ("/v1/messages/count_tokens", None, b"/anthropic/v1/messages/count_tokens?beta=true"),
        ("/v1/chat/completions", Dialect.CHAT, b"/v1/chat/completions?beta=true"),
        ("/v1/responses", Dialect.RESPONSES, b"/v1/responses?beta=true"),
    ],
)
def test_mantle_speaks_three_dialects_each_at_its_place(
    path: str, dialect: Dialect | None, target: bytes
) -> None:
    found = bedrock("mantle", path)
    assert (found.dialect, found.template, found.target) == (dialect, path, target)


def test_invoke_model_speaks_messages_alone() -> None:
    assert bedrock("invoke-model", "/v1/messages").dialect is Dialect.MESSAGES
    with pytest.raises(RouteNotSupported):
        bedrock("invoke-model", "/v1/chat/completions")
