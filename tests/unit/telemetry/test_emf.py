"""Figures for CloudWatch: the right ones, under few dimensions, in a form it reads."""

from dataclasses import replace
from typing import get_args

import pytest

from aigateway.interception import Closed, Opened
from aigateway.telemetry.catalogue import EMF_METRICS
from aigateway.telemetry.emf import Figures
from aigateway.telemetry.journal import EmfName
from aigateway.telemetry.log import line_writer
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at
from tests.figures import check, points
from tests.logs import Caught

SERVICE = ("service", "ai-gateway")
OF_PROVIDER = (("Provider", "anthropic"), SERVICE)


def told(opened: Opened, closed: Closed, *, stored: bool = True, **wanted: bool) -> list[str]:
    lines: list[str] = []
    Figures(lines.append, **wanted).closed(opened, closed, stored=stored)
    return lines


def of(*dimensions: str) -> set[str]:
    return {each.name for each in EMF_METRICS if each.dimensions == dimensions}


def a_record() -> tuple[Opened, Closed]:
    opened = an_opened()
    facts = (a_usage(), a_tool(), a_tool("t2", "no name at all"), a_thought())
    return opened, a_closed(opened, *facts, seconds=12.5, first_byte_at=at(0.25))


def test_a_closed_record_is_one_line_with_all_figures_of_its_provider() -> None:
    (line,) = told(*a_record())
    found = points(line)
    assert {dimensions for _, dimensions in found} == {OF_PROVIDER}
    assert {name: numbers for (name, _), numbers in found.items()} == {
        "Interceptions": [1],
        "Failed": [0],
        "Duration": [12.5],
        "TimeToFirstByte": [0.25],
        "TokensInput": [10],
        "TokensOutput": [20],
        "TokensCacheRead": [30],
        "TokensCacheWrite": [40],
        "Prompts": [1],
        "ToolCalls": [2],
        "CostMicros": [0],
        "UsageMissing": [0],
    }
    assert {name for name, _ in found} == of("Provider", "service")


def test_the_line_can_be_found_by_the_interception() -> None:
    opened, closed = a_record()
    (line,) = told(opened, closed)
    assert f'"interception_id":"{opened.id}"' in line


def test_a_failure_without_a_first_byte_counts_as_one_and_has_no_time_to_it() -> None:
    opened = an_opened(prompt=None)
    (line,) = told(opened, a_closed(opened, outcome="failed", usage_missing=True))
    found = {name: numbers for (name, _), numbers in points(line).items()}
    assert (found["Failed"], found["UsageMissing"], found["Prompts"]) == ([1], [1], [0])
    assert "TimeToFirstByte" not in found


def test_models_and_callers_are_dimensions_only_where_that_is_asked_for() -> None:
    opened, closed = a_record()
    of_model = ("Model", "claude-sonnet-4-5"), *OF_PROVIDER
    of_caller = ("InitiatorId", "u-alice"), *OF_PROVIDER
    for wanted, expected in (
        ({"per_model": True}, {OF_PROVIDER, of_model}),
        ({"per_initiator": True}, {OF_PROVIDER, of_caller}),
        ({"per_model": True, "per_initiator": True}, {OF_PROVIDER, of_model, of_caller}),
    ):
        (line,) = told(opened, closed, **wanted)
        assert {dimensions for _, dimensions in points(line)} == expected


@pytest.mark.parametrize("model", ["", " ", "é" * 300, "a\nb", "m" * 300])
def test_whatever_a_model_is_called_its_dimension_is_one_that_cloudwatch_takes(model: str) -> None:
    opened, closed = a_record()
    (line,) = told(replace(opened, model=model), closed, per_model=True)
    assert len({dimensions for _, dimensions in points(line)}) == 2


def test_i10_a_model_that_is_a_key_is_none_in_its_line() -> None:
    caught = Caught()
    opened, closed = a_record()
    figures = Figures(line_writer(caught), per_model=True)
    figures.closed(replace(opened, model="sk-planted-0a1b2c3d"), closed, stored=True)
    (line,) = caught.written
    assert (("Model", "sk-p..."), *OF_PROVIDER) in {dimensions for _, dimensions in points(line)}


def test_what_could_not_be_stored_is_not_counted_as_closed() -> None:
    assert told(*a_record(), stored=False) == []


def test_an_event_is_a_figure_of_the_service() -> None:
    lines: list[str] = []
    figures = Figures(lines.append)
    figures.counted("Rejected", 1)
    figures.counted("RecorderErrors", 2)
    figures.counted("OrphansClosed", 3)
    assert [points(line) for line in lines] == [
        {("Rejected", (SERVICE,)): [1]},
        {("RecorderErrors", (SERVICE,)): [2]},
        {("OrphansClosed", (SERVICE,)): [3]},
    ]


def test_what_a_tick_saw_is_of_the_service_and_of_each_provider() -> None:
    lines: list[str] = []
    figures = Figures(lines.append)
    figures.ticked({"ReloadAttempts": 1, "Inflight": 7})
    figures.ticked({"ProviderNotEnabled": 1}, "spare")
    assert [points(line) for line in lines] == [
        {("ReloadAttempts", (SERVICE,)): [1], ("Inflight", (SERVICE,)): [7]},
        {("ProviderNotEnabled", (("ProviderName", "spare"), SERVICE)): [1]},
    ]
    assert of("ProviderName", "service") == {"ProviderNotEnabled"}


def test_every_metric_of_the_catalogue_is_told_and_nothing_else() -> None:
    assert {each.name for each in EMF_METRICS} == {*get_args(EmfName)}


def test_two_lines_share_nothing() -> None:
    lines: list[str] = []
    figures = Figures(lines.append, per_model=True)
    opened, closed = a_record()
    figures.closed(opened, closed, stored=True)
    figures.counted("Rejected", 1)
    other = replace(opened, provider_name="other")
    figures.closed(other, closed, stored=True)
    first, second, third = map(points, lines)
    assert {*second} == {("Rejected", (SERVICE,))}
    assert first.keys().isdisjoint(third)
    assert all(len(numbers) == 1 for numbers in third.values())


def test_the_schema_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        check({"_aws": {"Timestamp": 1.5}}, {"type": "object", "required": ["_awz"]})
