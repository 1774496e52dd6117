"""The vendors' SDKs through the product: each scenario, and every fact of it."""

import contextlib
from typing import Any

import pytest

from tests.clients.comparison import Subject, compared
from tests.clients.conftest import LINE
from tests.clients.running import Product
from tests.clients.scenarios import SCENARIOS, TASK, Scenario
from tests.clients.sdks import SDKS
from tests.clients.test_agents import line_of

pytestmark = pytest.mark.clients
ALONE = tuple(scenario for scenario in SCENARIOS if scenario.name != "subagent")
BROKEN = "incomplete|closed|peer|Connection error"


@pytest.mark.parametrize("product", ["run"], indirect=True)
@pytest.mark.parametrize("scenario", ALONE, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("name", SDKS)
def test_what_an_sdk_did_is_recorded_as_it_was(
    name: str,
    scenario: Scenario,
    product: Product,
    record_property: Any,  # noqa: ANN401 - pytest's own, of no public type
) -> None:
    prompts = [scenario.prompt("bash", ""), *filter(None, [scenario.then])]
    gives_up = scenario.name == "cut" and not name.endswith("whole")
    product.forget()
    old = product.newest()
    ending = pytest.raises(Exception, match=BROKEN) if gives_up else contextlib.nullcontext()
    with ending:
        SDKS[name](product, prompts)
    log, rows = product.log(), product.recorded_since(old)
    marks = [TASK, *(text.partition(" [[")[0] for text in prompts[1:])]
    subject = Subject("Unknown", dict(zip(marks, prompts, strict=True)), always_has_tools=False)
    tally = compared(log, rows, subject)
    record_property(LINE, line_of(name, scenario, tally))
    assert (tally.missing, tally.extra, tally.wrong) == ({}, {}, {})
    assert len(log) == scenario.requests - gives_up
