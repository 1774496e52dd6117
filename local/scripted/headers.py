"""Response headers as the two services send them, with invented values."""

from collections.abc import Mapping

from local.scripted.script import identifier

ANTHROPIC = (
    (b"anthropic-organization-id", b"00000000-0000-4000-8000-000000000000"),
    (b"anthropic-ratelimit-requests-limit", b"4000"),
    (b"anthropic-ratelimit-requests-remaining", b"3999"),
    (b"anthropic-ratelimit-requests-reset", b"2026-01-01T00:00:01Z"),
    (b"anthropic-ratelimit-tokens-limit", b"400000"),
    (b"anthropic-ratelimit-tokens-remaining", b"399000"),
    (b"anthropic-ratelimit-tokens-reset", b"2026-01-01T00:00:01Z"),
)
OPENAI = (
    (b"openai-organization", b"scripted"),
    (b"openai-processing-ms", b"42"),
    (b"openai-version", b"2020-10-01"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-limit-tokens", b"2000000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
    (b"x-ratelimit-remaining-tokens", b"1999000"),
    (b"x-ratelimit-reset-requests", b"6ms"),
    (b"x-ratelimit-reset-tokens", b"0s"),
)
BOTH = (
    (b"server", b"cloudflare"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"),
    (b"cf-cache-status", b"DYNAMIC"),
    (b"set-cookie", b"__cf_bm=scripted; path=/; HttpOnly"),
    (b"alt-svc", b'h3=":443"; ma=86400'),
)


def is_anthropic(path: str, headers: Mapping[str, str]) -> bool:
    """Whose dialect a request speaks; both services have ``/v1/models``."""
    return "/messages" in path or path.startswith("/api/") or "anthropic-version" in headers


def answer_headers(serial: str, kind: str, *, anthropic: bool) -> list[tuple[bytes, bytes]]:
    """``kind`` is the content type."""
    prefix, name = (b"req_011", b"request-id") if anthropic else (b"req_", b"x-request-id")
    request_id = prefix + identifier(serial, "request").encode()
    caching = [(b"cache-control", b"no-cache")] if "event-stream" in kind else []
    own = ANTHROPIC if anthropic else OPENAI
    return [(b"content-type", kind.encode()), *caching, (name, request_id), *own, *BOTH]


def request_id_of(headers: list[tuple[bytes, bytes]]) -> str:
    """The service's own name for the request."""
    return next(value.decode() for name, value in headers if name.endswith(b"request-id"))
