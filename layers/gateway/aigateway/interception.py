"""One record: opened before the provider is asked, closed once when the answer is over.

``Opened`` is what is known from the request, ``Closed`` what the answer added. Both are values:
a store gives back what was put in, equal field by field.
"""

import hashlib
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, final

from aigateway.caller.clients import Client
from aigateway.caller.lineage import Lineage
from aigateway.pool.providers import ProviderType, RuntimeType
from aigateway.transcript.facts import (
    AnsweredCall,
    Dialect,
    ErrorType,
    Outcome,
    Prompt,
    Thought,
    TokenUsage,
    ToolUsage,
)

UNKNOWN_MODEL = "unknown"


def expiry(started_at: datetime, retention: timedelta | None) -> datetime | None:
    """Return when a record expires, in whole seconds: the unit of the table's TTL."""
    return None if retention is None else started_at.replace(microsecond=0) + retention


@final
@dataclass(frozen=True, slots=True)
class Parents:
    """The interception whose tool call this one answers, and the root of that thread."""

    thread_parent_id: str
    thread_root_id: str


@final
@dataclass(frozen=True, slots=True)
class Credential:
    """Whose key goes to the provider, and its mask (``None`` until it is known)."""

    kind: Literal["centralized", "byok"]
    hint: str | None


@final
@dataclass(frozen=True, slots=True)
class Opened:
    """A request on its way to a provider.

    ``id`` is a UUIDv7 made from ``started_at``. ``route`` is the template behind the provider's
    name. ``metadata`` holds strings and numbers for readers: the operator's tags, the version of
    the prompt filter. ``expires_at`` is in whole seconds; ``None`` keeps the record for ever.
    """

    id: str
    initiator_id: str
    initiator_username: str
    api_key_id: str
    provider: RuntimeType
    provider_name: str
    provider_type: ProviderType
    model: str
    dialect: Dialect
    route: str
    method: str
    streaming: bool
    client: Client
    lineage: Lineage
    credential: Credential
    started_at: datetime
    expires_at: datetime | None
    request_bytes: int
    request_sha256: str
    prompt: Prompt | None = None
    answered_calls: tuple[AnsweredCall, ...] = ()
    previous_response_id: str | None = None
    parents: Parents | None = None
    retry_count: int | None = None
    agent_firewall_session_id: str | None = None
    agent_firewall_sequence_number: int | None = None
    metadata: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def session_id(self) -> str:
        """The session as people see it."""
        return self.lineage.client_session_id or self._root

    @property
    def session_key(self) -> str:
        """The session as it is stored: 26 characters, different for every initiator."""
        client_session = self.lineage.client_session_id
        kind, key = ("c", client_session) if client_session else ("r", self._root)
        text = f"{self.initiator_id}\0{kind}\0{key}".encode("utf-8", "surrogatepass")
        return b32encode(hashlib.sha256(text).digest()[:16]).decode().rstrip("=").lower()

    @property
    def _root(self) -> str:
        return self.parents.thread_root_id if self.parents else self.id

    @property
    def is_human(self) -> bool:
        """Sent for a person's own turn: neither a side request nor a sub-agent's."""
        return not self.lineage.auxiliary and self.lineage.agent_id is None

    @property
    def counts_as_activity(self) -> bool:
        """Its prompt becomes the session's last one and moves the session up the list."""
        return self.is_human and self.prompt is not None


@final
@dataclass(frozen=True, slots=True)
class Charge:
    """What the tokens of one answer cost, and the prices that this was reckoned with.

    ``cost_micros`` is in millionths of a US dollar, the prices in such millionths for a million
    tokens; ``None``: the table knows none, and such tokens cost nothing.
    """

    cost_micros: int
    price_version: str
    input_price_micros: int | None
    output_price_micros: int | None
    cache_read_price_micros: int | None
    cache_write_price_micros: int | None
    cache_write_1h_price_micros: int | None


@final
@dataclass(frozen=True, slots=True)
class Heard:
    """A fact that becomes a row. ``sequence`` is its place among the rows of its kind's order.

    ``charge`` is of tokens alone; without it they have no price.
    """

    sequence: int
    created_at: datetime
    fact: TokenUsage | ToolUsage | Thought
    charge: Charge | None = None


@final
@dataclass(frozen=True, slots=True)
class Closed:
    """How an interception ended.

    ``rows`` are in the order of the answer. ``parents`` is set when the look-up ran beside the
    request and found some, ``parents_unknown`` when it failed or came too late: a later one may
    find them. ``credential_hint`` is the mask of the key that answered. ``notes`` are counts
    about the answer. ``deaf`` names why the listener stopped, if it did. ``late`` is what the
    gateway knew of the end when the record had been closed as abandoned; nothing counts it.
    """

    id: str
    outcome: Outcome
    ended_at: datetime
    error_type: ErrorType | None = None
    error_message: str | None = None
    http_status: int | None = None
    provider_request_id: str | None = None
    provider_response_id: str | None = None
    provider_model: str | None = None
    stop_reason: str | None = None
    first_byte_at: datetime | None = None
    response_bytes: int = 0
    undelivered_bytes: int = 0
    key_attempts: int = 0
    credential_hint: str | None = None
    usage_missing: bool = False
    usage_partial: bool = False
    deaf: str | None = None
    parents: Parents | None = None
    parents_unknown: bool = False
    notes: Mapping[str, int | str] = field(default_factory=dict)
    rows: tuple[Heard, ...] = ()
    late: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> Mapping[str, int]:
        """The four counts under their recorded names, and the numeric extras, summed."""
        sums = dict.fromkeys(TOKEN_NAMES, 0)
        for usage in (row.fact for row in self.rows):
            if not isinstance(usage, TokenUsage):
                continue
            counts = (usage.input, usage.output, usage.cache_read, usage.cache_write)
            for name, amount in zip(TOKEN_NAMES, counts, strict=True):
                sums[name] += amount
            for name, extra in usage.extra.items():
                if isinstance(extra, int):
                    sums[name] = sums.get(name, 0) + extra
        return sums

    @property
    def cost_micros(self) -> int | None:
        """Millionths of a US dollar; ``None`` where nothing has a price."""
        charges = [row.charge for row in self.rows if row.charge is not None]
        return sum(charge.cost_micros for charge in charges) if charges else None

    @property
    def unpriced(self) -> int:
        """How many rows of tokens have no price."""
        return sum(isinstance(row.fact, TokenUsage) and row.charge is None for row in self.rows)

    @property
    def calls(self) -> tuple[tuple[str, str], ...]:
        """Call id and tool of every tool call that has an id."""
        facts = (row.fact for row in self.rows)
        return tuple((f.call_id, f.name) for f in facts if isinstance(f, ToolUsage) and f.call_id)


TOKEN_NAMES = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
)
