"""HTTP request → event of a Function URL, payload format 2.0 (Lambda guide, "urls-invocation")."""

import base64
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final
from urllib.parse import parse_qsl

from local.front.http1 import Request

HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
SIGNATURE = re.compile(r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/")
TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})

Event = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What the front knows of a request beside its bytes. ``trace``: the trace header's text.

    ``user_arn``: who signed it, where the URL asks for that (AuthType AWS_IAM).
    """

    request_id: str
    trace: str
    source_ip: str
    url_id: str
    user_arn: str | None = None


def new_trace(given: str | None, *, sampled: bool = False) -> str:
    """A trace header under the root that the client gave; ``sampled``: if it does not say."""
    parts = dict(part.strip().partition("=")[::2] for part in (given or "").split(";"))
    root = parts.get("Root") or f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    parent = parts.get("Parent") or secrets.token_hex(8)
    return f"Root={root};Parent={parent};Sampled={parts.get('Sampled') or int(sampled)}"


def encoded_event(request: Request, body: bytes, seen: Seen) -> bytes:
    event = event_of(request, body, seen)
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def event_of(request: Request, body: bytes, seen: Seen) -> Event:
    path, _, query = request.target.partition("?")
    cookies = [
        cookie.strip()
        for name, value in request.headers
        if name == "cookie"
        for cookie in value.split(";")
        if cookie.strip()
    ]
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": _headers(request, seen),
        "requestContext": _context(request, path, seen),
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = _joined(
            parse_qsl(query, keep_blank_values=True, errors="replace")
        )
    if body:
        text = _text(request, body)
        event["isBase64Encoded"] = text is None
        event["body"] = base64.b64encode(body).decode() if text is None else text
    return event


def _headers(request: Request, seen: Seen) -> dict[str, str]:
    named = {name.strip().lower() for name in (request.value("connection") or "").split(",")}
    gone = HOP_BY_HOP | named | {"cookie", "x-amzn-trace-id"}
    kept = [(name, value) for name, value in request.headers if name not in gone]
    return _joined([*kept, ("x-forwarded-for", seen.source_ip)]) | {
        "x-forwarded-proto": "https",
        "x-forwarded-port": "443",
        "x-amzn-trace-id": seen.trace,
        "x-amzn-tls-version": "TLSv1.3",
        "x-amzn-tls-cipher-suite": "TLS_AES_128_GCM_SHA256",
    }


def signer_of(request: Request, signers: Mapping[str, str]) -> str | None:
    """Return whose access key a request names in its signature.

    Whether the signature is right only the service can tell.
    """
    found = SIGNATURE.match(request.value("authorization") or "")
    return None if found is None else signers.get(found[1])


def _identity(user_arn: str | None) -> Event:
    if user_arn is None:
        return {"accountId": "anonymous"}
    account, name = user_arn.split(":")[4], user_arn.rpartition("/")[2]
    is_role = ":assumed-role/" in user_arn
    unique_id = f"AROAEXAMPLE:{name}" if is_role else "AIDAEXAMPLE"
    iam = {
        "accessKey": "AKIDEXAMPLE",
        "accountId": account,
        "callerId": unique_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": user_arn,
        "userId": unique_id,
    }
    return {"accountId": account, "authorizer": {"iam": iam}}


def _context(request: Request, path: str, seen: Seen) -> Event:
    now = time.time()
    return {
        **_identity(seen.user_arn),
        "apiId": seen.url_id,
        "domainName": f"{seen.url_id}.lambda-url.us-east-1.on.aws",
        "domainPrefix": seen.url_id,
        "requestId": seen.request_id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": seen.source_ip,
            "userAgent": request.value("user-agent") or "",
        },
        "routeKey": "$default",
        "stage": "$default",
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _text(request: Request, body: bytes) -> str | None:
    """The body as text; ``None`` when the event has to carry it as base64."""
    kind = (request.value("content-type") or "").partition(";")[0].strip().lower()
    is_text = kind.startswith("text/") or kind in TEXT_TYPES or kind.endswith(("+json", "+xml"))
    if not is_text or request.value("content-encoding"):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
