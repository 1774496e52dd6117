"""Every metric family that there is: name, type, labels, help. Data, no logic.

Names, types, labels and buckets are those of the reference product (coder/coder, monitoring page
and aibridge/metrics/metrics.go), so that its dashboards and alerts work. It renamed its families
once; a twin under the older name carries the same values for those who still read that one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

from aigateway.steps import DURATION_SECONDS, FIRST_BYTE_SECONDS, KEY_ATTEMPTS

Kind = Literal["counter", "gauge", "histogram"]

ENFORCEMENT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


@final
@dataclass(frozen=True, slots=True)
class Family:
    """``buckets`` are upper bounds, without the infinite one. ``legacy_name``: of its twin."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    legacy_name: str | None = None


def _gateway(
    name: str, kind: Kind, labels: tuple[str, ...], text: str, buckets: tuple[float, ...] = ()
) -> Family:
    return Family(
        f"coder_ai_gateway_{name}", kind, labels, text, buckets, f"coder_aibridged_{name}"
    )


def _cost_control(
    name: str, kind: Kind, labels: tuple[str, ...], text: str, buckets: tuple[float, ...] = ()
) -> Family:
    """The reference added these after it had renamed the others: no twins."""
    return Family(f"coder_ai_gateway_cost_control_{name}", kind, labels, text, buckets)


def _proxy(name: str, kind: Kind, labels: tuple[str, ...], text: str) -> Family:
    twin = f"coder_aibridgeproxyd_{name}"
    return Family(f"coder_ai_gateway_proxy_{name}", kind, labels, text, (), twin)


def _own(
    name: str, kind: Kind, labels: tuple[str, ...], text: str, buckets: tuple[float, ...] = ()
) -> Family:
    return Family(f"aigw_{name}", kind, labels, text, buckets)


INTERCEPTIONS = _gateway(
    "interceptions_total",
    "counter",
    ("provider", "model", "status", "route", "method", "initiator_id", "client"),
    "Recorded requests that ended; status is completed or failed.",
)
INFLIGHT = _gateway(
    "interceptions_inflight",
    "gauge",
    ("provider", "model", "route"),
    "Recorded requests that have not ended.",
)
DURATION = _gateway(
    "interceptions_duration_seconds",
    "histogram",
    ("provider", "model"),
    "Time from the start of a recorded request to its end, the provider's time included.",
    DURATION_SECONDS,
)
PASSTHROUGH = _gateway(
    "passthrough_total",
    "counter",
    ("provider", "route", "method"),
    "Requests that were relayed without a record.",
)
PROMPTS = _gateway(
    "prompts_total",
    "counter",
    ("provider", "model", "initiator_id", "client"),
    "Prompts that a human wrote.",
)
TOKENS = _gateway(
    "tokens_total",
    "counter",
    ("provider", "model", "type", "initiator_id", "client"),
    "Tokens as the provider reported them.",
)
INJECTED_TOOLS = _gateway(
    "injected_tool_invocations_total",
    "counter",
    ("provider", "model", "server", "name"),
    "Calls of tools that the gateway added to a request and ran itself.",
)
TOOLS = _gateway(
    "non_injected_tool_selections_total",
    "counter",
    ("provider", "model", "name"),
    "Calls of tools that the client or the provider brought.",
)
BREAKER_STATE = _gateway(
    "circuit_breaker_state",
    "gauge",
    ("provider", "endpoint", "model"),
    "0 closed, 0.5 half-open, 1 open.",
)
BREAKER_TRIPS = _gateway(
    "circuit_breaker_trips_total",
    "counter",
    ("provider", "endpoint", "model"),
    "Times that a circuit breaker opened.",
)
BREAKER_REJECTS = _gateway(
    "circuit_breaker_rejects_total",
    "counter",
    ("provider", "endpoint", "model"),
    "Requests that an open circuit breaker refused.",
)
KEY_STATE = _gateway(
    "key_pool_state",
    "gauge",
    ("provider", "state"),
    "Keys of a provider by state: valid, temporary (cooling), permanent (never here).",
)
KEY_TRANSITIONS = _gateway(
    "key_pool_state_transitions_total",
    "counter",
    ("provider", "reason"),
    "Times that a key was marked, and what the provider had said.",
)
KEY_EXHAUSTIONS = _gateway(
    "key_pool_exhaustions_total",
    "counter",
    ("provider", "outcome"),
    "Requests for which no key was left.",
)
FAILOVERS = _gateway(
    "key_pool_failover_attempts",
    "histogram",
    ("provider",),
    "Keys that were tried for a request.",
    KEY_ATTEMPTS,
)
PROVIDER_INFO = _gateway(
    "provider_info",
    "gauge",
    ("provider_name", "provider_type", "status"),
    "1 for each provider; status is enabled, disabled or error.",
)
RELOAD_ATTEMPT = _gateway(
    "providers_last_reload_timestamp_seconds",
    "gauge",
    (),
    "When the providers were last looked at.",
)
RELOAD_SUCCESS = _gateway(
    "providers_last_reload_success_timestamp_seconds",
    "gauge",
    (),
    "When the providers were last read and published; 0 before the first time.",
)
GATEWAY: tuple[Family, ...] = (
    INTERCEPTIONS,
    INFLIGHT,
    DURATION,
    PASSTHROUGH,
    PROMPTS,
    TOKENS,
    INJECTED_TOOLS,
    TOOLS,
    BREAKER_STATE,
    BREAKER_TRIPS,
    BREAKER_REJECTS,
    KEY_STATE,
    KEY_TRANSITIONS,
    KEY_EXHAUSTIONS,
    FAILOVERS,
    PROVIDER_INFO,
    RELOAD_ATTEMPT,
    RELOAD_SUCCESS,
)

UNPRICED = _cost_control(
    "unpriced_token_usage_records_total",
    "counter",
    ("provider", "provider_type", "model"),
    "Token counts without a price.",
)
COST_CONTROL: tuple[Family, ...] = (
    _cost_control(
        "blocked_requests_total",
        "counter",
        ("group_id",),
        "Requests that a spent budget refused.",
    ),
    _cost_control(
        "blocked_users",
        "gauge",
        ("group_id",),
        "Users whose budget is spent.",
    ),
    _cost_control(
        "enforcement_duration_seconds",
        "histogram",
        ("outcome",),
        "Time that the check of a budget took; outcome is allowed, blocked or error.",
        ENFORCEMENT_SECONDS,
    ),
    UNPRICED,
)

PROXY: tuple[Family, ...] = (
    _proxy(
        "connect_sessions_total",
        "counter",
        ("type",),
        "Accepted CONNECT requests; type is mitm or tunneled.",
    ),
    _proxy("mitm_requests_total", "counter", ("provider",), "Decrypted requests."),
    _proxy(
        "inflight_mitm_requests",
        "gauge",
        ("provider",),
        "Decrypted requests without an answer yet.",
    ),
    _proxy(
        "mitm_responses_total",
        "counter",
        ("code", "provider"),
        "Answers to decrypted requests, by status.",
    ),
    _proxy(
        "provider_info",
        "gauge",
        ("provider_name", "provider_type", "status"),
        "1 for each provider that the proxy knows; status may also be proxy_excluded.",
    ),
    _proxy(
        "providers_last_reload_timestamp_seconds",
        "gauge",
        (),
        "When the proxy last looked for providers.",
    ),
    _proxy(
        "providers_last_reload_success_timestamp_seconds",
        "gauge",
        (),
        "When the proxy last read its providers; 0 before the first time.",
    ),
)

REJECTED = _own(
    "rejected_total", "counter", ("reason",), "Requests that were refused before a record."
)
USAGE_MISSING = _own(
    "usage_missing_total",
    "counter",
    ("provider", "model", "reason"),
    "Recorded requests without token counts; reason is absent, cut, unread or invalid.",
)
FIRST_BYTE = _own(
    "time_to_first_byte_seconds",
    "histogram",
    ("provider", "model"),
    "Time from the start of a recorded request to the first byte of its answer.",
    FIRST_BYTE_SECONDS,
)
RECORDER_ERRORS = _own(
    "recorder_errors_total", "counter", ("op",), "Writes of records that failed."
)
SPILLED = _own(
    "records_spilled_total", "counter", (), "Records that only the log holds until they are stored."
)
ORPHANS = _own(
    "orphans_closed_total", "counter", (), "Records that their gateway never closed, closed later."
)
PASSTHROUGH_DURATION = _own(
    "passthrough_duration_seconds",
    "histogram",
    ("provider", "route"),
    "Time of a request that was relayed without a record.",
    DURATION_SECONDS,
)
COST = _own(
    "cost_usd_total",
    "counter",
    ("initiator_id", "provider", "model"),
    "Estimated cost in US dollars.",
)
LAST_PUSH = _own(
    "publisher_last_push_timestamp_seconds", "gauge", (), "When these figures were published."
)
PUBLISHED_SERIES = _own("publisher_series", "gauge", (), "Series that were published.")
PUBLISHER_ERRORS = _own(
    "publisher_errors_total", "counter", ("stage",), "What failed while publishing."
)
OWN: tuple[Family, ...] = (
    REJECTED,
    USAGE_MISSING,
    FIRST_BYTE,
    RECORDER_ERRORS,
    SPILLED,
    ORPHANS,
    PASSTHROUGH_DURATION,
    COST,
    LAST_PUSH,
    PUBLISHED_SERIES,
    PUBLISHER_ERRORS,
)

FAMILIES: tuple[Family, ...] = (*GATEWAY, *COST_CONTROL, *PROXY, *OWN)

TWINS: Mapping[str, Family] = {
    family.name: replace(family, name=family.legacy_name, legacy_name=None)
    for family in FAMILIES
    if family.legacy_name is not None
}
"""The same families under their older names, by the newer ones."""


@final
@dataclass(frozen=True, slots=True)
class EmfMetric:
    """A metric of CloudWatch: an operational copy, told about once, as a difference.

    Each combination of values of its dimensions is paid for as a metric of its own.
    """

    name: str
    unit: Literal["Count", "Seconds"]
    dimensions: tuple[str, ...]


EMF_NAMESPACE = "AIGateway"
EMF_SERVICE = "ai-gateway"
"""The value of the dimension ``service``, which every metric has."""


def _of_deployment(*named: str, unit: Literal["Count", "Seconds"] = "Count") -> list[EmfMetric]:
    return [EmfMetric(name, unit, ("service",)) for name in named]


def _of_provider(*named: str, unit: Literal["Count", "Seconds"] = "Count") -> list[EmfMetric]:
    return [EmfMetric(name, unit, ("Provider", "service")) for name in named]


EMF_METRICS: tuple[EmfMetric, ...] = (
    *_of_provider("Interceptions", "Failed", "UsageMissing", "Prompts", "ToolCalls", "CostMicros"),
    *_of_provider("TokensInput", "TokensOutput", "TokensCacheRead", "TokensCacheWrite"),
    *_of_provider("Duration", "TimeToFirstByte", unit="Seconds"),
    *_of_deployment("Rejected", "RecorderErrors", "OrphansClosed"),
    EmfMetric("ProviderNotEnabled", "Count", ("ProviderName", "service")),
    *_of_deployment("ProvidersNotEnabled", "ReloadAttempts", "PublisherOk", "Inflight"),
    *_of_deployment("ReloadSuccessAgeSeconds", unit="Seconds"),
)
