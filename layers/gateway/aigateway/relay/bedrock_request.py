"""A request as Amazon Bedrock takes it, unsigned."""

from dataclasses import replace

from aigateway.errors import Misheard, UnreadableBody
from aigateway.pool.bedrock import BedrockSettings, invocation_path
from aigateway.pool.invocations import invocation_body
from aigateway.relay.upstream import UpstreamRequest
from aigateway.transcript.facts import Dialect
from aigateway.wire.inflate import inflated
from aigateway.wire.jsontext import loads
from aigateway.wire.messages import Headers, value, values

BETA = b"anthropic-beta"
REPLACED = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"content-encoding",
        b"content-type",
        b"anthropic-version",
        BETA,
    }
)
GIVEN: Headers = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
)


def for_bedrock(
    request: UpstreamRequest, settings: BedrockSettings, dialect: Dialect | None
) -> UpstreamRequest:
    """Return the request with path, headers and body of the provider's protocol.

    A caller's own key is one of Bedrock's API keys, which travel as bearer tokens (Amazon
    Bedrock User Guide, "API keys", read 2026-07). A body that is no JSON object stays as it is:
    such a request is refused and goes nowhere. Raises ``UnreadableBody`` for what cannot be read
    for another reason, and so cannot be translated.
    """
    own = value(request.headers, b"x-api-key")
    if own is not None:
        kept = tuple(pair for pair in request.headers if pair[0].lower() != b"x-api-key")
        headers = (*kept, (b"authorization", b"Bearer " + own))
        request = replace(request, headers=headers)
    if settings.translates and dialect is Dialect.MESSAGES:
        return _invocation(request, settings)
    return request


def _invocation(request: UpstreamRequest, settings: BedrockSettings) -> UpstreamRequest:
    codings = b",".join(values(request.headers, b"content-encoding"))
    try:
        body = inflated(request.body, codings)
        document = loads(body)
    except Misheard as misheard:
        if misheard.reason == "not_json":
            return request
        reason = f"the body cannot be translated for Bedrock: {misheard.reason}"
        raise UnreadableBody(reason) from misheard
    if not isinstance(document, dict):
        return request
    model = settings.model_for(str(document.get("model")))
    flags = b",".join(values(request.headers, BETA)).decode("latin-1").split(",")
    path = invocation_path(model, streaming=document.get("stream") is True)
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in REPLACED)
    return replace(
        request,
        target=request.provider.base_url.path.encode() + path,
        headers=(*kept, *GIVEN),
        body=invocation_body(body, document, model, (flag.strip() for flag in flags)),
    )
