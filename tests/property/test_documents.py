"""What is written is what is read back, whatever a record holds."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from hypothesis import given
from hypothesis import strategies as some

from aigateway.caller.clients import Client
from aigateway.caller.lineage import Lineage
from aigateway.interception import Charge, Closed, Credential, Heard, Opened, Parents
from aigateway.ledger.documents import (
    closed_from,
    closed_row,
    closed_text,
    opened_from,
    opened_row,
    opened_text,
    packed,
    unpacked,
)
from aigateway.pool.providers import PROVIDER_TYPES, RuntimeType
from aigateway.transcript.facts import (
    AnsweredCall,
    Dialect,
    ErrorType,
    Outcome,
    Prompt,
    PromptKind,
    Thought,
    TokenUsage,
    ToolUsage,
)

TEXTS = some.text(max_size=12)
TORN = some.text(some.characters(exclude_categories=()), max_size=12)
"""A prompt or a tool's input may hold half of a surrogate pair."""

COUNTS = some.integers(0, 2**53)
WORDS = some.dictionaries(TEXTS, some.one_of(COUNTS, TEXTS), max_size=3)
MOMENTS = some.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis takes bounds without zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - the same
    timezones=some.just(UTC),
)
PARENTS = some.none() | some.builds(
    Parents, some.text(min_size=1, max_size=9), some.text(min_size=1, max_size=9)
)


def maybe(values: some.SearchStrategy[object]) -> some.SearchStrategy[object]:
    return some.none() | values


PROMPTS = some.builds(
    Prompt,
    text=TORN,
    kind=some.sampled_from(get_args(PromptKind)),
    role=TEXTS,
    cut_bytes=COUNTS,
    filter_version=maybe(COUNTS),
    bytes=COUNTS,
    sha256=TEXTS,
    truncated=some.booleans(),
)
OPENED = some.builds(
    Opened,
    provider=some.sampled_from(get_args(RuntimeType)),
    provider_type=some.sampled_from(PROVIDER_TYPES),
    dialect=some.sampled_from(Dialect),
    client=some.builds(Client, TEXTS, maybe(TEXTS), TEXTS),
    lineage=some.builds(Lineage, maybe(TEXTS), maybe(TEXTS), maybe(TEXTS), some.booleans()),
    credential=some.builds(Credential, some.sampled_from(["centralized", "byok"]), maybe(TEXTS)),
    started_at=MOMENTS,
    expires_at=maybe(MOMENTS),
    prompt=maybe(PROMPTS),
    answered_calls=some.lists(
        some.builds(AnsweredCall, TEXTS, maybe(some.booleans()), COUNTS), max_size=3
    ).map(tuple),
    previous_response_id=maybe(TEXTS),
    parents=PARENTS,
    retry_count=maybe(COUNTS),
    agent_firewall_session_id=maybe(TEXTS),
    agent_firewall_sequence_number=maybe(COUNTS),
    metadata=WORDS,
)
FACTS = some.one_of(
    some.builds(TokenUsage, extra=WORDS, raw=TORN, model=maybe(TEXTS)),
    some.builds(ToolUsage, name=TEXTS, metadata=some.dictionaries(TEXTS, TEXTS), input=TORN),
    some.builds(Thought, text=TORN),
)
CLOSED = some.builds(
    Closed,
    outcome=some.sampled_from(get_args(Outcome)),
    ended_at=MOMENTS,
    error_type=maybe(some.sampled_from(get_args(ErrorType))),
    error_message=maybe(TORN),
    http_status=maybe(some.integers(100, 599)),
    provider_request_id=maybe(TEXTS),
    provider_response_id=maybe(TEXTS),
    provider_model=maybe(TEXTS),
    stop_reason=maybe(TEXTS),
    first_byte_at=maybe(MOMENTS),
    response_bytes=COUNTS,
    undelivered_bytes=COUNTS,
    key_attempts=COUNTS,
    credential_hint=maybe(TEXTS),
    late=WORDS,
    usage_missing=some.booleans(),
    usage_partial=some.booleans(),
    deaf=maybe(TEXTS),
    parents=PARENTS,
    notes=WORDS,
    rows=some.lists(
        some.builds(Heard, COUNTS, MOMENTS, FACTS, maybe(some.builds(Charge))), max_size=3
    ).map(tuple),
)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | TORN,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TORN, inner, max_size=3),
    max_leaves=8,
)


def stored(row: dict[str, object]) -> dict[str, object]:
    """Pass a row through JSON, as a store does."""
    back = json.loads(json.dumps(row))
    assert isinstance(back, dict)
    return back


@given(OPENED)
def test_an_opened_record_comes_back_equal(opened: Opened) -> None:
    row = stored(opened_row(opened))
    assert opened_from(row, opened_text(opened)) == opened
    assert opened_from(row) == replace(opened, prompt=None)


@given(CLOSED)
def test_a_closing_comes_back_equal(closed: Closed) -> None:
    row = stored(closed_row(closed))
    assert closed_from(closed.id, row, closed_text(closed)) == closed


@given(OPENED, CLOSED)
def test_both_rows_share_one_item_without_touching(opened: Opened, closed: Closed) -> None:
    first, second = opened_row(opened), closed_row(closed)
    assert not first.keys() & second.keys()
    item = stored(first | second)
    assert opened_from(item, opened_text(opened)) == opened
    assert closed_from(closed.id, item, closed_text(closed)) == closed


@given(OPENED, CLOSED)
def test_a_member_without_a_value_takes_no_room(opened: Opened, closed: Closed) -> None:
    for row in (opened_row(opened), closed_row(closed)):
        assert not [name for name, value in row.items() if value in (None, [], {}, ())]


@given(some.dictionaries(TORN, JSON, max_size=4))
def test_packing_can_be_undone_and_is_always_the_same(document: dict[str, object]) -> None:
    piece = packed(document)
    assert piece == packed(document)
    assert unpacked(piece) == document
