"""Which route a request means: recorded, passed through, or none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final
from urllib.parse import unquote_to_bytes

from aigateway.errors import (
    MethodNotAllowed,
    ProviderBroken,
    ProviderDisabled,
    RouteNotSupported,
)
from aigateway.pool.providers import Provider, ProviderFault
from aigateway.pool.snapshot import Snapshot
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import RequestHead

TREES = (b"/api/v2/ai-gateway", b"/api/v2/aibridge")
"""The whole tree of the gateway is served below these too."""

OPENAI_BRIDGED = {
    f"{version}{path}": dialect
    for version in ("/v1", "")
    for path, dialect in (
        ("/chat/completions", Dialect.CHAT),
        ("/responses", Dialect.RESPONSES),
        ("/responses/compact", Dialect.RESPONSES),
    )
}
ANTHROPIC_BRIDGED = {"/v1/messages": Dialect.MESSAGES}
MANTLE_BRIDGED = ANTHROPIC_BRIDGED | {
    "/v1/chat/completions": Dialect.CHAT,
    "/v1/responses": Dialect.RESPONSES,
}
COPILOT_BRIDGED = {
    "/chat/completions": Dialect.CHAT,
    "/responses": Dialect.RESPONSES,
    "/v1/messages": Dialect.MESSAGES,
}
READ = ("GET",)
ASKED = ("GET", "POST")
KEPT = ("GET", "POST", "DELETE")
OPENAI_PASSED = {
    "/v1/models": READ,
    "/v1/models/*": READ,
    "/v1/conversations": KEPT,
    "/v1/conversations/*": KEPT,
    "/v1/responses/*": KEPT,
}
ANTHROPIC_PASSED = {
    "/v1/messages/count_tokens": ("POST",),
    "/v1/models": READ,
    "/v1/models/*": READ,
    "/api/event_logging/*": ("POST",),
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
UNPROMPTED = frozenset({"/v1/responses/compact", "/responses/compact"})
"""Recorded, but what they send is no person's prompt."""

MOST_DECODINGS = 4
NO_NAMES = (b"", b".", b"..")
UNPLAIN = re.compile(rb"[/\\\x00-\x1f\x7f]")

DIALECT_OF_END = re.compile(rb"/(messages|chat/completions|responses(?:/compact)?)\Z")


@final
@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes. ``dialect`` ``None``: passed through, not recorded.

    ``template`` is the path behind the provider's name, ids replaced by ``*``; ``target`` the
    raw path and query at the provider.
    """

    provider: Provider
    dialect: Dialect | None
    template: str
    target: bytes

    @property
    def prompted(self) -> bool:
        """Whether what it sends may be a person's prompt."""
        return self.template not in UNPROMPTED


@final
@dataclass(frozen=True, slots=True)
class Place:
    """The provider's name and the raw path behind it."""

    name: str
    rest: bytes


def place_of(path: bytes) -> Place:
    """Split a raw path into provider name and rest; names that cannot be one give ""."""
    for tree in TREES:
        if path.startswith(tree + b"/"):
            path = path[len(tree) :]
            break
    if not path.startswith(b"/"):
        return Place("", path)
    name, slash, rest = path[1:].partition(b"/")
    return Place(name.decode("latin-1"), slash + rest)


def dialect_of_path(path: bytes) -> Dialect | None:
    """Guess the dialect from a path alone, for errors that come before the provider is known."""
    found = DIALECT_OF_END.search(path)
    if found is None:
        return None
    words = {b"messages": Dialect.MESSAGES, b"chat/completions": Dialect.CHAT}
    return words.get(found.group(1), Dialect.RESPONSES)


def _bridged(provider: Provider) -> Mapping[str, Dialect]:
    if provider.bedrock is not None and not provider.bedrock.translates:
        return MANTLE_BRIDGED
    if provider.type in ("anthropic", "bedrock"):
        return ANTHROPIC_BRIDGED
    return COPILOT_BRIDGED if provider.type == "copilot" else OPENAI_BRIDGED


def _passed(provider: Provider) -> Mapping[str, tuple[str, ...]]:
    table: Mapping[str, tuple[str, ...]] = OPENAI_PASSED
    if provider.type in ("anthropic", "bedrock"):
        table = ANTHROPIC_PASSED
    elif provider.type == "copilot":
        table = COPILOT_PASSED
    more = {each: ASKED for each in provider.extra_passthrough if each not in table}
    return {**table, **more} if more else table


def route_of(head: RequestHead, snapshot: Snapshot) -> Route:
    """Find the route.

    Raises ``RouteNotSupported``, ``MethodNotAllowed``, ``ProviderDisabled``, ``ProviderBroken``.
    """
    place = place_of(head.path)
    provider = _provider(place.name, snapshot)
    if provider is None:
        raise RouteNotSupported(f"there is no provider at {_shown(head.path)}")
    rest = place.rest.decode("latin-1")
    target = _target(provider, place.rest) + head.query
    if (dialect := _bridged(provider).get(rest)) is not None:
        if head.method != "POST":
            raise MethodNotAllowed(f"{rest} takes POST", ("POST",))
        return Route(provider, dialect, rest, target)
    passed = _passed(provider)
    template = _template(passed, place.rest)
    if template is None:
        raise RouteNotSupported(_unknown_route(head, provider, rest))
    methods = passed[template]
    if head.method not in methods:
        raise MethodNotAllowed(f"{template} takes {', '.join(methods)}", methods)
    return Route(provider, None, template, target)


def _provider(name: str, snapshot: Snapshot) -> Provider | None:
    found = snapshot.faults.get(name) or snapshot.providers.get(name)
    if found is not None and not found.enabled:
        raise ProviderDisabled(f"provider {name} is disabled")
    if isinstance(found, ProviderFault):
        raise ProviderBroken(f"provider {name} cannot be used: {found.reason}")
    return found


def _template(passed: Mapping[str, tuple[str, ...]], rest: bytes) -> str | None:
    path = rest.decode("latin-1")
    if path in passed:
        return path
    if not all(map(_is_plain, rest.split(b"/")[1:])):
        return None
    return next((t for t in passed if t.endswith("/*") and path.startswith(t[:-1])), None)


def _is_plain(segment: bytes) -> bool:
    """Whether every server takes it for one name, however often it decodes.

    Some cut off what follows a semicolon before they look for dots.
    """
    for _ in range(MOST_DECODINGS):
        plain = unquote_to_bytes(segment)
        if plain == segment:
            return plain.partition(b";")[0] not in NO_NAMES and UNPLAIN.search(plain) is None
        segment = plain
    return False


def _target(provider: Provider, rest: bytes) -> bytes:
    if provider.runtime_type == "openai" and rest.startswith(b"/v1/"):
        rest = rest[3:]
    if provider.bedrock is not None:
        rest = provider.bedrock.target_of(rest)
    return provider.base_url.path.encode() + rest


def _unknown_route(head: RequestHead, provider: Provider, rest: str) -> str:
    ending = "" if provider.runtime_type != "openai" else "/v1"
    return (
        f"route not supported: {head.method} {_shown(rest.encode('latin-1'))}; "
        f"the base URL of this provider ends in /{provider.name}{ending}"
    )


def _shown(path: bytes) -> str:
    return repr(path[:200].decode("latin-1"))
