"""What an operator sets. The only reader of the environment's values in the package."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, final
from urllib.parse import urlsplit

from aigateway.addresses import Network
from aigateway.errors import SettingsError
from aigateway.header_names import folded, is_free

PREFIXES = ("AIGW_", "CODER_AI_GATEWAY_", "CODER_AIBRIDGE_")
"""Ours first, then the names that the reference product uses and used.

Where it has a name without any of them, that one counts last."""

ACTOR_ID = "X-AI-Bridge-Actor-ID"
ACTOR_USERNAME = "X-AI-Bridge-Actor-Metadata-Username"
ACTOR_EMAIL = "X-AI-Bridge-Actor-Metadata-Email"

LOCAL_ONLY = frozenset({"AIGW_ADMIN_KEY", "AIGW_PROVIDERS_JSON"})
"""Secrets that a start on one machine takes; no setting holds them."""

LOCAL_ONLY_FORM = re.compile(
    rf"(?:{'|'.join(PREFIXES)})"
    "(?:PROVIDER_[0-9]+_[A-Z_]+|(?:OPENAI|ANTHROPIC)_(?:KEY|BASE_URL)"
    "|BEDROCK_(?:REGION|BASE_URL|ACCESS_KEY|ACCESS_KEY_SECRET|MODEL|SMALL_FAST_MODEL|ROLE_ARN"
    "|PROTOCOL))"
)
"""Providers and their keys, in other words: likewise."""

ENDPOINTS = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_LAMBDA",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_STS",
)
MOST_AT_ONCE = 100_000
MEBIBYTE = 1024 * 1024
DEFAULT_STATE_DIR = Path(".aigw")
DEFAULT_RETENTION = timedelta(days=60)
FUNCTION_URL_BYTES = 11 * MEBIBYTE // 2
"""A Function URL refuses events over 6 MB, envelope and base64 included."""

DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)?")
RETENTION = re.compile(r"([0-9]{1,9})(h|d|w)?")
ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?")
HIGHEST_PORT = 65_535
NUMBER = re.compile(r"[0-9]{1,10}")
MOST_REQUESTS = 1000
"""No threshold of a circuit breaker makes sense above it."""
SECRETS_PREFIX = re.compile(r"[A-Za-z0-9/_+=.@-]{1,200}/")
"""What Secrets Manager allows in names (API reference of CreateSecret, read 2026-07)."""
WORKSPACE = re.compile(r"(?:^|\.)aps-workspaces\.([a-z0-9-]+)\.")
"""Amazon Managed Service for Prometheus, user guide, "Service endpoints" (read 2026-07)."""
METRIC_URLS = {"remote-write": "prom_remote_write_url", "pushgateway": "prom_pushgateway_url"}
METRIC_SINKS = frozenset({"emf", "remote-write", "pushgateway", "endpoint"})
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DAY_SECONDS = 86_400


def _seconds(text: str) -> float:
    found = DURATION.fullmatch(text.strip())
    if found is None or (amount := float(found[1]) * SECONDS[found[2] or "s"]) > DAY_SECONDS:
        raise ValueError("a duration such as 15s, 5m or 250ms, at most a day")
    return amount


def _some_seconds(text: str) -> float:
    if (amount := _seconds(text)) == 0:
        raise ValueError("a duration of more than 0")
    return amount


def _retention(text: str) -> timedelta | None:
    found = RETENTION.fullmatch(text.strip())
    if found is None:
        raise ValueError("a duration such as 60d, 2w or 36h, or 0 for ever")
    amount = int(found[1]) * SECONDS[found[2] or "d"]
    if amount > 100 * 366 * DAY_SECONDS:
        raise ValueError("at most a hundred years")
    return timedelta(seconds=amount) if amount else None


def _switch(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.strip().lower() not in words:
        raise ValueError("true or false")
    return words[text.strip().lower()]


def _size(text: str) -> int:
    if NUMBER.fullmatch(text.strip()) is None or not 1 <= int(text) <= 1024 * MEBIBYTE:
        raise ValueError("a number of bytes, from 1 to 1 GiB")
    return int(text)


def _count(text: str) -> int:
    if NUMBER.fullmatch(text.strip()) is None or not 1 <= int(text) <= MOST_REQUESTS:
        raise ValueError(f"a number from 1 to {MOST_REQUESTS}")
    return int(text)


def _limit(text: str) -> int:
    if NUMBER.fullmatch(text.strip()) is None or int(text) > MOST_AT_ONCE:
        raise ValueError("a number, from 0 to 100000")
    return int(text)


def _auth_modes(text: str) -> tuple[str, ...]:
    modes = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if "key" not in modes or not {*modes} <= {"key", "iam"}:
        raise ValueError("key, or key,iam")
    return modes


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("networks such as 10.0.0.0/8, separated by commas") from None


def _text(text: str) -> str | None:
    return text.strip() or None


def _secrets_prefix(text: str) -> str | None:
    if text.strip() and SECRETS_PREFIX.fullmatch(text.strip()) is None:
        raise ValueError("the beginning of names of secrets, with a slash at its end")
    return text.strip() or None


def _path(text: str) -> Path:
    if not text.strip():
        raise ValueError("a directory")
    return Path(text)


def _address(text: str) -> tuple[str, int | None]:
    found = ADDRESS.fullmatch(text.strip())
    port = int(found[3]) if found and found[3] else None
    if found is None or (port is not None and port > HIGHEST_PORT):
        raise ValueError("an address such as 0.0.0.0, 0.0.0.0:4180 or [::]:4180")
    return found[1] or found[2], port


def _header(own: str) -> Callable[[str], str | None]:
    """Read the name of an actor header; of those that begin like ``own`` only itself is free."""

    def read(text: str) -> str | None:
        name = text.strip()
        if name and name.lower() != own.lower() and not is_free(name):
            raise ValueError("the name of a header that has no meaning of its own, or nothing")
        return name or None

    return read


def _sinks(text: str) -> frozenset[str] | None:
    words = frozenset(part.strip() for part in text.split(",") if part.strip())
    if words == {"auto"}:
        return None
    if not words or not words <= METRIC_SINKS:
        raise ValueError("auto, or a list of " + ", ".join(sorted(METRIC_SINKS)))
    return words


def _url(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        parts = urlsplit(text.strip())
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_bare = parts.username is None and parts.port != 0 and not parts.fragment
    except ValueError:
        is_whole = is_bare = False
    if not is_whole or not is_bare or not text.strip().isascii():
        raise ValueError("an absolute URL without user and password")
    return text.strip()


def _prom_auth(text: str) -> str:
    if text.strip() not in ("none", "bearer", "basic", "sigv4"):
        raise ValueError("none, bearer, basic or sigv4")
    return text.strip()


def _label(text: str) -> str:
    if not text.strip().isprintable() or not text.strip():
        raise ValueError("some printable text")
    return text.strip()


def _log_format(text: str) -> str:
    if text.strip().lower() not in ("json", "text"):
        raise ValueError("json or text")
    return text.strip().lower()


def _level(text: str) -> str:
    if text.strip().upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("DEBUG, INFO, WARNING or ERROR")
    return text.strip().upper()


def _backend(text: str) -> str:
    if text.strip() not in ("otlp", "xray", "xray-sdk"):
        raise ValueError("otlp, xray or xray-sdk")
    return text.strip()


def _setting(name: str, read: Callable[[str], Any], default: object, also: str = "") -> Any:  # noqa: ANN401 - the field's own type
    return field(default=default, metadata={"name": name, "read": read, "also": also})


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, each with a default that is safe in production.

    Durations end in ``_seconds``. ``retention`` ``None`` keeps records for ever. ``table``
    ``None`` stores in SQLite below ``state_dir``; ``secrets_prefix`` ``None`` keeps provider keys
    in a file there. The two secrets are names or ARNs, never texts. ``reload_function``: what is
    invoked when a provider has changed; ``spilled_log_group``: where functions leave records that
    they cannot store. ``payload_bucket`` takes the long texts of a table's
    records. ``metrics`` ``None`` publishes wherever a setting says where.
    ``on_lambda``: this process is a function.
    """

    enabled: bool = _setting("ENABLED", _switch, default=True)
    table: str | None = _setting("TABLE", _text, None)
    payload_bucket: str | None = _setting("PAYLOAD_BUCKET", _text, None)
    state_dir: Path = _setting("STATE_DIR", _path, DEFAULT_STATE_DIR)  # noqa: RUF009 - a path is a value
    secrets_prefix: str | None = _setting("SECRETS_PREFIX", _secrets_prefix, None)
    admin_key_secret: str | None = _setting("ADMIN_KEY_SECRET", _text, None)
    providers_seed_secret: str | None = _setting("PROVIDERS_SEED_SECRET", _text, None)
    reload_function: str | None = _setting("RELOAD_FUNCTION", _text, None)
    spilled_log_group: str | None = _setting("SPILLED_LOG_GROUP", _text, None)
    retention: timedelta | None = _setting("RETENTION", _retention, DEFAULT_RETENTION)  # noqa: RUF009 - so is a duration
    max_request_bytes: int = _setting("MAX_REQUEST_BYTES", _size, 32 * MEBIBYTE)
    request_seconds: float = _setting("REQUEST_TIMEOUT", _some_seconds, 120.0)
    close_seconds: float = _setting("CLOSE_SECONDS", _seconds, 5.0)
    exchange_seconds: float = _setting("EXCHANGE_SECONDS", _some_seconds, 900.0)
    first_byte_seconds: float = _setting("FIRST_BYTE_TIMEOUT", _some_seconds, 600.0)
    idle_seconds: float = _setting("IDLE_TIMEOUT", _some_seconds, 300.0)
    auth_modes: tuple[str, ...] = _setting("AUTH_MODES", _auth_modes, ("key",))
    max_concurrency: int = _setting("MAX_CONCURRENCY", _limit, 0)
    requests_per_second: int = _setting("RATE_LIMIT", _limit, 0)
    key_cache_seconds: float = _setting("KEY_CACHE", _seconds, 60.0)
    snapshot_poll_seconds: float = _setting("SNAPSHOT_POLL", _seconds, 15.0)
    reload_interval_seconds: float = _setting("RELOAD_INTERVAL", _some_seconds, 60.0)
    allow_byok: bool = _setting("ALLOW_BYOK", _switch, default=True)
    allow_background: bool = _setting("ALLOW_BACKGROUND", _switch, default=False)
    send_actor_headers: bool = _setting("SEND_ACTOR_HEADERS", _switch, default=False)
    actor_header_id: str | None = _setting("ACTOR_HEADER_ID", _header(ACTOR_ID), ACTOR_ID)
    actor_header_username: str | None = _setting(
        "ACTOR_HEADER_USERNAME", _header(ACTOR_USERNAME), ACTOR_USERNAME
    )
    actor_header_email: str | None = _setting("ACTOR_HEADER_EMAIL", _header(ACTOR_EMAIL), None)
    own_sessions_visible: bool = _setting("OWN_SESSIONS_VISIBLE", _switch, default=True)
    allowed_private_cidrs: tuple[Network, ...] = _setting("ALLOWED_PRIVATE_CIDRS", _networks, ())
    circuit_breaker_enabled: bool = _setting("CIRCUIT_BREAKER_ENABLED", _switch, default=False)
    circuit_breaker_failure_threshold: int = _setting(
        "CIRCUIT_BREAKER_FAILURE_THRESHOLD", _count, 5
    )
    circuit_breaker_interval_seconds: float = _setting(
        "CIRCUIT_BREAKER_INTERVAL", _some_seconds, 10.0
    )
    circuit_breaker_timeout_seconds: float = _setting(
        "CIRCUIT_BREAKER_TIMEOUT", _some_seconds, 30.0
    )
    circuit_breaker_max_requests: int = _setting("CIRCUIT_BREAKER_MAX_REQUESTS", _count, 3)
    http_address: tuple[str, int | None] = _setting("HTTP_ADDRESS", _address, ("127.0.0.1", None))
    log_level: str = _setting("LOG_LEVEL", _level, "INFO")
    log_format: str = _setting("LOG_FORMAT", _log_format, "json")
    structured_logging: bool = _setting("STRUCTURED_LOGGING", _switch, default=True)
    log_content: bool = _setting("LOG_CONTENT", _switch, default=True)
    metrics_per_model: bool = _setting("METRICS_PER_MODEL", _switch, default=False)
    metrics_per_initiator: bool = _setting("METRICS_PER_INITIATOR", _switch, default=False)
    metrics: frozenset[str] | None = _setting("METRICS", _sinks, None)
    metrics_endpoint: bool = _setting("METRICS_ENDPOINT", _switch, default=False)
    metrics_instance: str = _setting("METRICS_INSTANCE", _label, "ai-gateway")
    legacy_metric_names: bool = _setting("LEGACY_METRIC_NAMES", _switch, default=True)
    prom_remote_write_url: str | None = _setting("PROM_REMOTE_WRITE_URL", _url, None)
    prom_pushgateway_url: str | None = _setting("PROM_PUSHGATEWAY_URL", _url, None)
    prom_auth: str = _setting("PROM_AUTH", _prom_auth, "none")
    prom_auth_secret: str | None = _setting("PROM_AUTH_SECRET", _text, None)
    on_lambda: bool = False
    trace_enable: bool = _setting("TRACE_ENABLE", _switch, default=False, also="CODER_TRACE_ENABLE")
    trace_logs: bool = _setting("TRACE_LOGS", _switch, default=False, also="CODER_TRACE_LOGS")
    trace_content: bool = _setting("TRACE_CONTENT", _switch, default=False)
    trace_backend: str = _setting("TRACE_BACKEND", _backend, "otlp")
    trust_traceparent: bool = _setting("TRUST_TRACEPARENT", _switch, default=False)
    otlp_headers_secret: str | None = _setting("OTLP_HEADERS_SECRET", _text, None)
    unknown: tuple[str, ...] = ()

    @property
    def metric_sinks(self) -> frozenset[str]:
        """Where metrics go: to CloudWatch through the log, or where a publisher sends them."""
        if self.metrics is not None:
            return self.metrics
        known = {
            "emf": self.on_lambda,
            "remote-write": self.prom_remote_write_url,
            "pushgateway": self.prom_pushgateway_url,
            "endpoint": self.metrics_endpoint,
        }
        return frozenset(name for name, given in known.items() if given)

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the environment. Raises ``SettingsError`` with every problem at once.

        ``unknown`` names variables that begin like ours and mean nothing: worth a warning.
        """
        read: dict[str, Any] = {}
        known: set[str] = set(LOCAL_ONLY)
        problems: list[str] = []
        for setting, meta in SETTINGS.items():
            names = [*(prefix + meta["name"] for prefix in PREFIXES), meta["also"]]
            known.update(names)
            name = next((name for name in names if name in environment), None)
            if name is None:
                continue
            try:
                read[setting] = meta["read"](environment[name])
            except ValueError as wrong:
                found = len(environment[name].strip())
                problems.append(f"{name}: expected {wrong}; found {found or 'no'} characters")
        if "AWS_LAMBDA_FUNCTION_NAME" in environment:
            read["on_lambda"] = True
            read.setdefault("max_request_bytes", FUNCTION_URL_BYTES)
            problems.extend(_problems_on_lambda(environment))
        made = cls(**read)
        if twice := made.actor_names_given_twice():
            problems.append(f"AIGW_ACTOR_HEADER_{twice}: expected another name than the others'")
        problems.extend(_problems_of_metrics(read))
        if problems:
            raise SettingsError(problems)
        ours = {name for name in environment if name.startswith("AIGW_")} - known
        return replace(made, unknown=tuple(sorted(n for n in ours if not is_local_only(n))))

    @property
    def actor_headers(self) -> tuple[str, ...]:
        """The names by which a provider may be told who asks."""
        names = (self.actor_header_id, self.actor_header_username, self.actor_header_email)
        return tuple(name for name in names if name is not None)

    def actor_names_given_twice(self) -> str | None:
        """Return which name is another one's too."""
        seen: set[bytes] = set()
        for kind in ("ID", "USERNAME", "EMAIL"):
            name = getattr(self, f"actor_header_{kind.lower()}")
            plain = folded(name.encode()) if name else b""
            if plain in seen:
                return kind
            seen |= {plain} - {b""}
        return None


def is_local_only(name: str) -> bool:
    """Whether a variable holds, or may hold, a secret of a start on one machine."""
    return name in LOCAL_ONLY or LOCAL_ONLY_FORM.fullmatch(name) is not None


def _problems_on_lambda(environment: Mapping[str, str]) -> Iterator[str]:
    """Name what only a start on one machine may be given: secrets, and a store elsewhere."""
    for name in sorted(filter(is_local_only, environment)):
        yield f"{name}: not allowed in a function"
    for name in ENDPOINTS:
        if (address := environment.get(name, "").strip()) and not _is_loopback(address):
            yield f"{name}: expected a loopback address, or none in a function"


def _problems_of_metrics(read: Mapping[str, Any]) -> Iterator[str]:
    """Name what a sink or a way to authorize lacks."""
    wanted = read.get("metrics") or frozenset()
    for sink, setting in METRIC_URLS.items():
        if sink in wanted and read.get(setting) is None:
            yield f"AIGW_METRICS: {sink} needs AIGW_{setting.upper()}"
    if read.get("prom_auth") in ("bearer", "basic") and read.get("prom_auth_secret") is None:
        yield "AIGW_PROM_AUTH: bearer and basic need AIGW_PROM_AUTH_SECRET"
    url = read.get("prom_remote_write_url") or ""
    if read.get("prom_auth") == "sigv4" and region_of_workspace(url) is None:
        yield "AIGW_PROM_AUTH: sigv4 needs the address of a workspace in AIGW_PROM_REMOTE_WRITE_URL"


def region_of_workspace(url: str) -> str | None:
    """Read the region in the address of an Amazon Managed Service for Prometheus workspace."""
    found = WORKSPACE.search(urlsplit(url).hostname or "")
    return found[1] if found else None


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


SETTINGS: Mapping[str, Mapping[str, Any]] = {
    name: spec.metadata
    for name, spec in Settings.__dataclass_fields__.items()
    if "name" in spec.metadata
}
"""Field name to the variable's name behind the prefix, and the function that reads its value."""
