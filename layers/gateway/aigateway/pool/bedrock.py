"""Amazon Bedrock as a provider: its settings, addresses and models.

Two protocols. ``mantle`` speaks the vendors' dialects as they are and takes a signature in place
of a key (Amazon Bedrock User Guide, "Endpoints supported by Amazon Bedrock", read 2026-07).
``invoke-model`` is the older API of one route for each model: what is sent and what comes back
is translated.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final, get_args
from urllib.parse import quote

from aigateway.errors import RowInvalid

BedrockProtocol = Literal["invoke-model", "mantle"]
PROTOCOLS: tuple[BedrockProtocol, ...] = get_args(BedrockProtocol)
VERSION = 1
DEFAULT_MODEL = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
DEFAULT_SMALL_FAST_MODEL = "global.anthropic.claude-haiku-4-5-20251001-v1:0"

REGION = re.compile(r"[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._-]{0,2047}")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
"""Of AssumeRole, like the two before it (AWS STS API Reference, read 2026-07)."""

SESSION_NAME_LIMIT = 64
ROLE_HINT = "role"


@final
@dataclass(frozen=True, slots=True)
class BedrockSettings:
    """``role_arn`` is assumed for each caller, with ``external_id`` where there is one.

    ``credentials_id`` and ``credentials_mask`` refer to a secret with a pair of AWS keys;
    without them the process's own credentials sign, or assume the role.
    """

    region: str
    protocol: BedrockProtocol
    model: str
    small_fast_model: str
    role_arn: str | None
    external_id: str | None
    credentials_id: str | None
    credentials_mask: str | None

    @property
    def service(self) -> str:
        """What a signature is good for."""
        return "bedrock-mantle" if self.protocol == "mantle" else "bedrock"

    @property
    def default_base_url(self) -> str:
        if self.protocol == "mantle":
            return f"https://bedrock-mantle.{self.region}.api.aws"
        return f"https://bedrock-runtime.{self.region}.amazonaws.com"

    @property
    def credential_hint(self) -> str:
        """What a record says of the credential."""
        return self.credentials_mask or ROLE_HINT

    @property
    def translates(self) -> bool:
        """Whether requests and answers are translated, not relayed as they are."""
        return self.protocol == "invoke-model"

    def model_for(self, requested: str) -> str:
        """Return the model that serves a request: with ``mantle`` the client's choice."""
        if not self.translates:
            return requested
        return self.small_fast_model if "haiku" in requested.lower() else self.model

    def target_of(self, rest: bytes) -> bytes:
        """Return the path at the endpoint for the path behind the provider's name."""
        if self.protocol == "mantle" and rest.startswith(b"/v1/messages"):
            return b"/anthropic" + rest
        return rest


def settings_from(document: Mapping[str, Any]) -> BedrockSettings | None:
    """Read the member ``settings`` of a provider document; ``None`` where they are no Bedrock's.

    Raises ``RowInvalid``, also for a version of settings that is not known here.
    """
    settings = document.get("settings")
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise RowInvalid("settings: expected an object")
    if settings.get("_type") != "bedrock":
        return None
    if settings.get("_version") != VERSION or isinstance(settings["_version"], bool):
        raise RowInvalid(f"settings._version: expected {VERSION}")
    protocol = settings.get("protocol") or PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise RowInvalid("settings.protocol: expected " + " or ".join(PROTOCOLS))
    region = _matching(settings, "region", REGION, "an AWS region such as us-east-1")
    if region is None:
        raise RowInvalid("settings.region: expected an AWS region such as us-east-1")
    model = "the id or the ARN of a model or an inference profile"
    credentials_id, credentials_mask = _reference(settings.get("credentials_ref"))
    return BedrockSettings(
        region=region,
        protocol=protocol,
        model=_matching(settings, "model", MODEL, model) or DEFAULT_MODEL,
        small_fast_model=(
            _matching(settings, "small_fast_model", MODEL, model) or DEFAULT_SMALL_FAST_MODEL
        ),
        role_arn=_matching(settings, "role_arn", ROLE, "the ARN of a role"),
        external_id=_matching(settings, "external_id", EXTERNAL_ID, "2 to 1224 letters or digits"),
        credentials_id=credentials_id,
        credentials_mask=credentials_mask,
    )


def _matching(
    settings: Mapping[str, Any], name: str, pattern: re.Pattern[str], expected: str
) -> str | None:
    value = settings.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise RowInvalid(f"settings.{name}: expected {expected}")
    return value


def _reference(value: object) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    if isinstance(value, dict):
        key_id, mask = value.get("id"), value.get("masked")
        if isinstance(key_id, str) and isinstance(mask, str):
            return key_id, mask
    raise RowInvalid("settings.credentials_ref: expected an object with id and masked")


def invocation_path(model: str, *, streaming: bool) -> bytes:
    """Return the path that invokes a model (Amazon Bedrock API Reference, ``InvokeModel``)."""
    operation = "invoke-with-response-stream" if streaming else "invoke"
    return f"/model/{quote(model, safe='')}/{operation}".encode()


def session_name_of(username: str, user_id: str) -> str:
    """Return the name that a caller's assumed role bears in CloudTrail."""
    cut = username[:SESSION_NAME_LIMIT]
    return cut if SESSION_NAME.fullmatch(cut) else user_id[:SESSION_NAME_LIMIT]
