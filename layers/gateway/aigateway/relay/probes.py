"""Questions that need no key, no provider and no record."""

import re

from aigateway import __version__
from aigateway.relay.refusals import OwnAnswer, json_answer
from aigateway.wire.messages import RequestHead, text

HELLO = re.compile(rb"/[a-z0-9-]{1,63}/api/hello")


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
    """Some platforms take the Upgrade header away: the key of the handshake tells too."""
    upgrade = (text(head.headers, b"upgrade") or "").lower()
    return upgrade == "websocket" or text(head.headers, b"sec-websocket-key") is not None
