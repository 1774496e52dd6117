"""JSON bodies of calls that change something."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, final

from aigateway.errors import InvalidJson, Refusal, RequestTooLarge
from aigateway.sessions.calls import Request
from aigateway.sessions.search import Fault

BODY_LIMIT_BYTES = 256 * 1024
"""A stored item holds 400 KB (DynamoDB quotas, read 2026-07)."""


@final
class BodyInvalid(Refusal):
    """Members that cannot be taken, all of them at once."""

    status, code = 400, "invalid_body"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("The body has invalid values.")
        self.faults = tuple(faults)


def json_in(request: Request) -> Any:  # noqa: ANN401 - JSON of any shape
    """Read the body. Raises ``InvalidJson`` or ``RequestTooLarge``.

    What no JSON text can carry on is refused as well: halves of surrogate pairs, numbers without
    a value (RFC 8259 sections 6 and 8.2).
    """
    if len(request.body) > BODY_LIMIT_BYTES:
        raise RequestTooLarge(f"The body is larger than {BODY_LIMIT_BYTES} bytes.")
    try:
        value = json.loads(request.body)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise InvalidJson("The body is no JSON.") from None
    return value


def document_in(request: Request) -> dict[str, Any]:
    """Read a body that is a JSON object. Raises what ``json_in`` raises."""
    value = json_in(request)
    if not isinstance(value, dict):
        raise InvalidJson("The body is no JSON object.")
    return value


def unknown(document: Mapping[str, Any], known: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for each member of another name."""
    return (Fault(name, "No such member.") for name in document if name not in known)
