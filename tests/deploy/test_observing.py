"""Alarms and the dashboard of a deployment ask for figures that there are."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from aigateway.telemetry.catalogue import EMF_METRICS, EMF_NAMESPACE, EMF_SERVICE
from tests.record_lines import fields_of

Template = Mapping[str, Any]
ResourcesWith = Callable[..., Template]
DIMENSIONS = {each.name: each.dimensions for each in EMF_METRICS}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:people"
INTERVAL = {"Ref": "ReloadInterval"}
SILENCE = {"Fn::FindInMap": ["Seconds", INTERVAL, "Silence"]}
LESS, MORE = "LessThanThreshold", "GreaterThanThreshold"
AGE, MAX = "ReloadSuccessAgeSeconds", "Maximum"
ALARMS = {
    "ProviderNotEnabledAlarm": ("ProvidersNotEnabled", MAX, MORE, 0, INTERVAL, (2, 2), "ignore"),
    "ReloadFailingAlarm": (AGE, MAX, MORE, 300, INTERVAL, (1, 1), "ignore"),
    "ReloadSilentAlarm": ("ReloadAttempts", "Sum", LESS, 1, SILENCE, (1, 1), "breaching"),
    "PublisherFailingAlarm": ("PublisherOk", "Minimum", LESS, 1, INTERVAL, (3, 5), "notBreaching"),
    "RecorderErrorsAlarm": ("RecorderErrors", "Sum", MORE, 0, 300, (1, 1), "notBreaching"),
    "OrphansAlarm": ("OrphansClosed", "Sum", MORE, 0, 900, (1, 1), "notBreaching"),
}  # fmt: skip
SELECTED = re.compile(r'SELECT MAX\((\w+)\) FROM SCHEMA\("(\w+)", ([\w, ]+)\) GROUP BY (\w+)')
SEARCHED = re.compile(r"""SEARCH\('\{(\w+),([\w,]+)\} MetricName="(\w+)"', '(\w+)', \d+\)""")


def alarms_of(resources: Template) -> dict[str, Template]:
    return {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }


@pytest.fixture(scope="module")
def alarms(resources_with: ResourcesWith) -> dict[str, Template]:
    return alarms_of(resources_with(AlarmTopicArn=TOPIC, AlarmEachProvider="true"))


@pytest.fixture(scope="module")
def widgets(resources: Template) -> list[Template]:
    """Return the dashboard's widgets, with a word in place of what CloudFormation fills in."""
    [board] = [r for r in resources.values() if r["Type"] == "AWS::CloudWatch::Dashboard"]
    text = board["Properties"]["DashboardBody"]["Fn::Sub"]
    filled = re.sub(r"\$\{(?!!)[\w:]+\}", "filled", text).replace("${!", "${")
    document: dict[str, Any] = json.loads(filled)
    found: list[Template] = document["widgets"]
    return found


def test_alarms_are_made_only_for_somebody_who_hears_them(
    resources_with: ResourcesWith, alarms: Template
) -> None:
    assert alarms_of(resources_with(AlarmEachProvider="true")) == {}
    assert alarms_of(resources_with(AlarmTopicArn=TOPIC)).keys() == {*ALARMS}
    assert alarms.keys() == {*ALARMS, "EachProviderAlarm"}
    names = [alarm["AlarmName"]["Fn::Sub"] for alarm in alarms.values()]
    assert len(names) == len(set(names))
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopicArn"}]
        assert alarm["AlarmDescription"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_a_figure_that_is_told(name: str, alarms: Mapping[str, Template]) -> None:
    alarm = alarms[name]
    metric, statistic, comparison, threshold, period, (of_these, so_many), missing = ALARMS[name]
    assert (alarm["Namespace"], alarm["MetricName"]) == (EMF_NAMESPACE, metric)
    assert alarm["Dimensions"] == [{"Name": "service", "Value": EMF_SERVICE}]
    assert DIMENSIONS[metric] == ("service",)
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == (statistic, comparison)
    assert (alarm["Threshold"], alarm["Period"]) == (threshold, period)
    assert alarm["TreatMissingData"] == missing
    assert alarm.get("DatapointsToAlarm", 1) == of_these
    assert alarm["EvaluationPeriods"] == so_many


def test_each_provider_is_watched_by_its_name(alarms: Mapping[str, Template]) -> None:
    [metric] = alarms["EachProviderAlarm"]["Metrics"]
    selected = SELECTED.fullmatch(metric["Expression"])
    assert selected is not None
    name, namespace, dimensions, group = selected.groups()
    assert (name, namespace) == ("ProviderNotEnabled", EMF_NAMESPACE)
    assert tuple(dimensions.split(", ")) == DIMENSIONS[name]
    assert group == DIMENSIONS[name][0]
    assert metric["ReturnData"] is True


def test_silence_is_longer_than_two_intervals(written: Template) -> None:
    for seconds, row in written["Mappings"]["Seconds"].items():
        assert row["Silence"] > 2 * int(seconds)
        assert row["Silence"] % 60 == 0


def test_the_dashboard_is_made_unless_it_is_not_wanted(resources_with: ResourcesWith) -> None:
    for switch, expected in (("true", 1), ("false", 0)):
        found = resources_with(DashboardEnable=switch).values()
        assert [r["Type"] for r in found].count("AWS::CloudWatch::Dashboard") == expected


def test_the_dashboards_widgets_lie_beside_each_other(widgets: list[Template]) -> None:
    taken: set[tuple[int, int]] = set()
    for each in widgets:
        assert 0 <= each["x"] < each["x"] + each["width"] <= 24
        cells = {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        assert not cells & taken, each["properties"]["title"]
        taken |= cells
        assert each["properties"]["region"]


def test_every_figure_that_is_told_is_shown_or_watched(
    widgets: list[Template], alarms: Mapping[str, Template]
) -> None:
    shown = {name for name, _ in figures_of(widgets)}
    watched = {alarm["MetricName"] for alarm in alarms.values() if "MetricName" in alarm}
    assert shown | watched == DIMENSIONS.keys()
    for name, dimensions in figures_of(widgets):
        assert dimensions == DIMENSIONS[name]


def figures_of(widgets: list[Template]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield our own metrics that widgets ask for, with their dimensions."""
    for each in widgets:
        for row in each["properties"].get("metrics", ()):
            if isinstance(row[0], dict):
                searched = SEARCHED.search(row[0]["expression"])
                assert searched is not None
                namespace, dimensions, name, _ = searched.groups()
                assert namespace == EMF_NAMESPACE
                yield name, tuple(dimensions.split(","))
            elif row[0] == EMF_NAMESPACE:
                assert row[2:4] == ["service", EMF_SERVICE]
                yield row[1], ("service",)
            else:
                assert row[0] == "AWS/Lambda"


def test_the_dashboard_asks_the_log_for_fields_that_its_lines_have(
    widgets: list[Template],
) -> None:
    queries = [each["properties"]["query"] for each in widgets if each["type"] == "log"]
    assert len(queries) == 5
    for query in queries:
        source, _, asked = query.partition(" | ")
        assert source == "SOURCE 'filled'"
        asks, has = fields_of(asked)
        assert asks <= has
        assert 'message = "interception log"' in asked
