"""Providers: rows as they are stored, and what is built from them, each row on its own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

from aigateway.addresses import Network
from aigateway.errors import RowInvalid
from aigateway.globs import GLOB_LIMIT, is_glob
from aigateway.pool.base_url import BaseUrl, base_url_from
from aigateway.pool.bedrock import BedrockSettings, settings_from
from aigateway.pool.breaker_settings import NO_OVERRIDES, BreakerOverrides, overrides_from
from aigateway.pool.key_refs import arns_from, key_id_of_arn
from aigateway.pool.passages import templates_from
from aigateway.pool.tenant import tenant_from
from aigateway.wire.masking import mask
from aigateway.wire.messages import Headers

ProviderType = Literal[
    "openai",
    "anthropic",
    "bedrock",
    "copilot",
    "azure",
    "google",
    "openrouter",
    "vercel",
    "openai-compat",
]
PROVIDER_TYPES: tuple[ProviderType, ...] = get_args(ProviderType)
RuntimeType = Literal["anthropic", "openai", "copilot"]
ProviderStatus = Literal["enabled", "disabled", "error"]

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAME_LIMIT = 63
MODELS_LIMIT = 100
PRINTED = re.compile(r"[!-~]+")
RESERVED = frozenset(
    {
        "api",
        "healthz",
        "readyz",
        "metrics",
        "sessions",
        "interceptions",
        "models",
        "clients",
        "providers",
        "proxy",
    }
)
KEYLESS = frozenset({"bedrock", "copilot"})
"""Signed with AWS credentials, or used only with the caller's own."""

DEFAULT_BASE_URLS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1/",
    "anthropic": "https://api.anthropic.com/",
    "copilot": "https://api.individual.githubcopilot.com",
}


CHATGPT_HOST = "chatgpt.com"
CHATGPT = f"https://{CHATGPT_HOST}/backend-api/codex"
"""What Codex talks to when it is signed in with a ChatGPT plan."""


def is_chatgpt_plan(kind: ProviderType, name: str) -> bool:
    """Whether a provider is used with the callers' own ChatGPT sign-in, never with a key."""
    return kind == "openai" and name == "chatgpt"


def runtime_type(kind: ProviderType) -> RuntimeType:
    """Return the family of dialects that a configured type speaks."""
    if kind in ("anthropic", "bedrock"):
        return "anthropic"
    return "copilot" if kind == "copilot" else "openai"


@final
@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider as it is stored: a JSON document without secrets, and its version."""

    name: str
    document: Mapping[str, object]
    version: int

    @classmethod
    def read(cls, name: str, text: str, version: int) -> "ProviderRow":
        """Read a stored document; one that is no JSON object is empty, and breaks this row only."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        return cls(name, document if isinstance(document, dict) else {}, version)

    @property
    def is_deleted(self) -> bool:
        """A deleted provider keeps its row: what is recorded names it, and nothing else does."""
        return "deleted_at" in self.document


@final
@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a provider key lies, and its mask; never the key.

    ``arn``: the operator's own secret; without it the key lies with the others of this deployment.
    """

    provider: str
    key_id: str
    mask: str
    arn: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that can serve. Times in seconds; ``None``: the deployment's setting.

    ``inject_usage``: chat streams are asked for their tokens where the client does not ask.
    ``bedrock``: how it is reached through Amazon Bedrock, if it is.
    ``models_allow``: patterns of the only models that anybody may use here. ``tenant``: headers
    that go with the deployment's key.
    """

    name: str
    type: ProviderType
    base_url: BaseUrl
    credentials: tuple[SecretRef, ...]
    enabled: bool
    first_byte_seconds: float | None = None
    idle_seconds: float | None = None
    inject_usage: bool = True
    circuit_breaker: BreakerOverrides = NO_OVERRIDES
    bedrock: BedrockSettings | None = None
    models_allow: tuple[str, ...] | None = None
    extra_passthrough: tuple[str, ...] = ()
    tenant: Headers = ()

    @property
    def runtime_type(self) -> RuntimeType:
        return runtime_type(self.type)

    @property
    def aws_keys(self) -> SecretRef | None:
        """Where its own pair of AWS keys lies, if it has one."""
        if self.bedrock is None or self.bedrock.credentials_id is None:
            return None
        mask = self.bedrock.credentials_mask or ""
        return SecretRef(self.name, self.bedrock.credentials_id, mask)

    @property
    def needs_own_key(self) -> bool:
        """Whether only callers with a credential of their own can use it."""
        return not self.credentials and self.bedrock is None and self.type != "openai-compat"


@final
@dataclass(frozen=True, slots=True)
class ProviderFault:
    """A provider that is configured and cannot be built; ``enabled`` as its row says."""

    name: str
    type: ProviderType | None
    reason: str
    enabled: bool = True


def is_provider_name(text: str) -> bool:
    """Lower-case words joined by hyphens, at most 63 characters, and no route of ours."""
    return len(text) <= NAME_LIMIT and NAME.fullmatch(text) is not None and text not in RESERVED


def provider_from(
    document: Mapping[str, Any], *, allow_byok: bool, allowed: tuple[Network, ...]
) -> Provider:
    """Build one provider from its stored document. Raises ``RowInvalid`` with the reason."""
    kind = document.get("type")
    if kind not in PROVIDER_TYPES:
        raise RowInvalid("type: expected one of " + ", ".join(PROVIDER_TYPES))
    name = document.get("name")
    if not isinstance(name, str) or not is_provider_name(name):
        raise RowInvalid("name: expected lower-case words joined by hyphens, not a reserved word")
    bedrock, plan = _bedrock(kind, document), is_chatgpt_plan(kind, name)
    usual = bedrock.default_base_url if bedrock else DEFAULT_BASE_URLS.get(kind)
    url = document.get("base_url") or (CHATGPT if plan else usual)
    if not isinstance(url, str):
        raise RowInvalid(f"base_url: a provider of type {kind} needs one")
    base_url = base_url_from(url, allowed)
    if base_url.host == CHATGPT_HOST and not plan:
        raise RowInvalid(f"name: a provider at {CHATGPT_HOST} is of type openai, named chatgpt")
    refs = (
        *_refs(name, document.get("api_keys")),
        *(
            SecretRef(name, key_id_of_arn(arn), mask(arn), arn)
            for arn in arns_from(document.get("api_key_refs"))
        ),
    )
    if refs and (kind in KEYLESS or bedrock):
        raise RowInvalid(f"api_keys: a provider of type {kind} takes none")
    if refs and plan:
        raise RowInvalid("api_keys: the ChatGPT plan is used with the callers' own sign-in")
    if not refs and not allow_byok and kind != "openai-compat" and not bedrock:
        raise RowInvalid("api_keys: no key, and callers may not bring their own")
    return Provider(
        name=name,
        type=kind,
        base_url=base_url,
        credentials=refs,
        enabled=_switch(document, "enabled"),
        first_byte_seconds=_seconds(document, "first_byte_timeout_s"),
        idle_seconds=_seconds(document, "idle_timeout_s"),
        inject_usage=_switch(document, "inject_usage"),
        circuit_breaker=overrides_from(document.get("circuit_breaker")),
        bedrock=bedrock,
        models_allow=models_from(document.get("models_allow")),
        extra_passthrough=templates_from(document.get("extra_passthrough")),
        tenant=tenant_from(document.get("settings"), runtime_type(kind)),
    )


def _bedrock(kind: ProviderType, document: Mapping[str, Any]) -> BedrockSettings | None:
    settings = settings_from(document)
    if settings is not None and kind not in ("anthropic", "bedrock"):
        raise RowInvalid(f"settings: a provider of type {kind} takes none of Bedrock")
    if settings is None and kind == "bedrock":
        raise RowInvalid("settings: a provider of type bedrock needs them")
    return settings


def _refs(name: str, keys: object) -> list[SecretRef]:
    if keys is None:
        return []
    if not isinstance(keys, list):
        raise RowInvalid("api_keys: expected a list")
    refs = [
        SecretRef(name, key["id"], key["masked"])
        for key in keys
        if isinstance(key, dict)
        and isinstance(key.get("id"), str)
        and isinstance(key.get("masked"), str)
    ]
    if len(refs) != len(keys):
        raise RowInvalid("api_keys: expected objects with id and masked")
    return refs


def _switch(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, True)
    if not isinstance(value, bool):
        raise RowInvalid(f"{name}: expected true or false")
    return value


def models_from(value: object) -> tuple[str, ...] | None:
    """Read ``models_allow``; without it every model may be used. Raises ``RowInvalid``."""
    if value is None:
        return None
    if not isinstance(value, list) or not 1 <= len(value) <= MODELS_LIMIT:
        raise RowInvalid(f"models_allow: expected a list of 1 to {MODELS_LIMIT} patterns, or none")
    if not all(is_glob(glob) for glob in value):
        raise RowInvalid(
            f"models_allow: expected patterns of 1 to {GLOB_LIMIT} printable characters"
        )
    return tuple(value)


def _seconds(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:  # noqa: PLR2004
        raise RowInvalid(f"{name}: expected seconds, more than 0 and at most 3600")
    return float(value)
