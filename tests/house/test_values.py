"""Values are immutable, and what may become a label is of a closed set."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as some

import aigateway
from aigateway import errors
from aigateway.errors import Answerable
from aigateway.pool import routes
from aigateway.pool.base_url import BaseUrl
from aigateway.pool.providers import PROVIDER_TYPES, Provider
from aigateway.pool.routes import route_of
from aigateway.pool.snapshot import Snapshot
from aigateway.transcript.facts import Fact
from aigateway.wire.messages import RequestHead

MODULES = [found.name for found in pkgutil.walk_packages(aigateway.__path__, "aigateway.")]
LIVE = {
    "aigateway.relay.closing.Progress": "how far one exchange has come, held by it alone",
    "aigateway.relay.upstream.KeysUsed": "which key one exchange has come to, held by it alone",
    "aigateway.ledger.dynamodb.connection.Partition": "a place in a walk, moved by it alone",
    "aigateway.telemetry.exports._Batch": "spans on their way, taken over by one thread",
    "aigateway.telemetry.spans.Span": "a part of one request while it lasts",
    "aigateway.sessions.threads._Walk": "threads while they are being put together",
}
"""The dataclasses that are no values, each with the reason."""


def dataclasses_of(module: str) -> Iterator[type[Any]]:
    for _, found in inspect.getmembers(importlib.import_module(module), inspect.isclass):
        if found.__module__ == module and is_dataclass(found):
            yield found


def name_of(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@pytest.mark.parametrize("module", MODULES)
def test_i21_every_value_is_frozen_slotted_and_final(module: str) -> None:
    for kind in dataclasses_of(module):
        if name_of(kind) in LIVE:
            continue
        assert kind.__dataclass_params__.frozen, name_of(kind)
        assert "__slots__" in vars(kind), name_of(kind)
        assert getattr(kind, "__final__", False), name_of(kind)


def test_i21_every_fact_is_a_value() -> None:
    assert all(kind.__dataclass_params__.frozen and kind.__eq__ for kind in get_args(Fact))


def test_i21_every_exception_to_the_rule_still_exists() -> None:
    found = {name_of(kind) for module in MODULES for kind in dataclasses_of(module)}
    assert LIVE.keys() <= found


def codes(kind: type[Answerable] = Answerable) -> Iterator[str]:
    for child in kind.__subclasses__():
        if "code" in vars(child):
            yield child.code
        yield from codes(child)


def test_i18_rejections_are_counted_by_plain_words() -> None:
    assert errors.InvalidKey.code in set(codes())
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes())


TEMPLATES = {
    *routes.OPENAI_BRIDGED,
    *routes.ANTHROPIC_BRIDGED,
    *routes.COPILOT_BRIDGED,
    *routes.OPENAI_PASSED,
    *routes.ANTHROPIC_PASSED,
    *routes.COPILOT_PASSED,
}
SEGMENTS = some.sampled_from(
    [*{part for t in TEMPLATES for part in t.split("/")}, "x", "..", "%2e"]
)


@given(
    some.lists(SEGMENTS, max_size=5),
    some.sampled_from(PROVIDER_TYPES),
    some.sampled_from(["GET", "POST", "DELETE", "BREW"]),
)
def test_i18_no_path_can_create_a_label(segments: list[str], kind: Any, method: str) -> None:  # noqa: ANN401 - a provider type
    provider = Provider("p", kind, BaseUrl("https", "h.example", 443, ""), (), enabled=True)
    head = RequestHead(method, "/".join(["", "p", *segments]).encode(), ())
    try:
        route = route_of(head, Snapshot(1, {"p": provider}, {}))
    except Answerable:
        return
    assert route.template in TEMPLATES
    assert method in {"GET", "POST", "DELETE"}
