"""What an application may ask about the invocation it serves.

The attributes are those of the stock Python runtime, so that a library which expects its context
finds the same names here (AWS Lambda developer guide, "Python context", read 2026-07).
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final


class Invoked(Protocol):
    """What the Runtime API tells about an invocation, beside its event."""

    @property
    def request_id(self) -> str: ...
    @property
    def deadline_ms(self) -> int: ...
    @property
    def function_arn(self) -> str: ...
    @property
    def client_context(self) -> str | None: ...
    @property
    def cognito_identity(self) -> str | None: ...
    @property
    def tenant_id(self) -> str | None: ...


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """The Cognito identity that invoked the function; both ``None`` where there was none."""

    cognito_identity_id: str | None
    cognito_identity_pool_id: str | None


@final
@dataclass(frozen=True, slots=True)
class ClientContext:
    """What a mobile SDK said about itself."""

    client: Mapping[str, Any] | None
    custom: Mapping[str, Any] | None
    env: Mapping[str, Any] | None


@final
@dataclass(frozen=True, slots=True)
class Context:
    """One invocation's context. The memory limit is text, in MB, as in the stock runtime."""

    aws_request_id: str
    invoked_function_arn: str
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    identity: Identity
    client_context: ClientContext | None
    tenant_id: str | None
    deadline_ms: int
    now: Callable[[], float] = time.time

    @classmethod
    def of(cls, invoked: Invoked, environment: Mapping[str, str]) -> "Context":
        """Return the context of an invocation in the environment Lambda gave the process."""
        identity = _json(invoked.cognito_identity) or {}
        said = _json(invoked.client_context)
        return cls(
            aws_request_id=invoked.request_id,
            invoked_function_arn=invoked.function_arn,
            function_name=environment.get("AWS_LAMBDA_FUNCTION_NAME", ""),
            function_version=environment.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
            memory_limit_in_mb=environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""),
            log_group_name=environment.get("AWS_LAMBDA_LOG_GROUP_NAME", ""),
            log_stream_name=environment.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
            identity=Identity(
                identity.get("cognitoIdentityId"), identity.get("cognitoIdentityPoolId")
            ),
            client_context=None
            if said is None
            else ClientContext(said.get("client"), said.get("custom"), said.get("env")),
            tenant_id=invoked.tenant_id,
            deadline_ms=invoked.deadline_ms,
        )

    def get_remaining_time_in_millis(self) -> int:
        """Return how long Lambda lets the invocation run on, by the wall clock; never below 0."""
        return max(0, self.deadline_ms - int(self.now() * 1000))


def _json(header: str | None) -> Any:  # noqa: ANN401 - JSON
    """Return the object in a header; what is no object says nothing, and fails no invocation."""
    try:
        found = json.loads(header or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
