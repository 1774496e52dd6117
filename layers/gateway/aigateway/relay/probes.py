"""Questions that need no key, no provider and no record."""

import re

from aigateway import __version__
from aigateway.relay.refusals import OwnAnswer, json_answer
from aigateway.wire.messages import RequestHead, text, values

HELLO = re.compile(rb"(?:/api/v2/(?:ai-gateway|aibridge))?/[a-z0-9-]{1,63}/api/hello")


def probe_answer(head: RequestHead, *, ready: bool) -> OwnAnswer | None:
    """Answer a probe, or return ``None`` when the request is none.

    ``HEAD`` is a probe on any path: coding agents send it without a key before they start.
    """
    if head.method == "HEAD":
        return OwnAnswer(
            200, ((b"x-ai-gateway", b"1"), (b"content-type", b"application/json")), b""
        )
    if head.method == "OPTIONS":
        return json_answer(200, {})
    if head.method != "GET":
        return None
    if head.path == b"/":
        return json_answer(200, {"name": "aigateway", "version": __version__})
    if head.path == b"/healthz":
        return json_answer(200, {"status": "ok"})
    if head.path == b"/readyz":
        if ready:
            return json_answer(200, {"status": "ok"})
        return json_answer(
            503, {"message": "Not ready.", "detail": "no provider pool, or the store is down"}
        )
    return json_answer(200, {}) if HELLO.fullmatch(head.path) else None


def asks_for_websocket(head: RequestHead) -> bool:
    """Whether a socket is wanted (RFC 6455 section 4.1: always by GET).

    Some platforms take the Upgrade header away: the key of the handshake tells too.
    """
    wanted = b",".join(values(head.headers, b"upgrade")).lower().split(b",")
    is_asked = b"websocket" in {protocol.strip() for protocol in wanted}
    has_key = text(head.headers, b"sec-websocket-key") is not None
    return head.method == "GET" and (is_asked or has_key)
