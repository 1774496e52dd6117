"""The dashboards can be imported by anybody, and ask for what there is."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from aigateway.telemetry.catalogue import TWINS
from tests.dashboards import BOARDS, FOLDER, INSIGHTS, NAMES, PROMQL, Asked, panels_of
from tests.promql import faults_of
from tests.record_lines import fields_of

COLUMNS = 24
SOURCES = {"DS_PROM": "prometheus", "DS_CW": "cloudwatch"}
FILTERS = {"instance", "provider", "model", "client", "initiator"}
LABELS = {"provider_name": "provider", "initiator_id": "initiator"}
MATCHER = re.compile(r"(\w+)=~\"\$(\w+)\"")
LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
Panel = Mapping[str, Any]

each_board = pytest.mark.parametrize("name", NAMES)
each_promql = pytest.mark.parametrize("asked", PROMQL, ids=lambda asked: asked.name)
each_insight = pytest.mark.parametrize("asked", INSIGHTS, ids=lambda asked: asked.name)


def targets_of(name: str) -> Iterator[tuple[Panel, Mapping[str, Any]]]:
    for panel in panels_of(BOARDS[name]):
        for target in panel.get("targets", ()):
            yield panel, target


def variables_of(name: str) -> Mapping[str, Mapping[str, Any]]:
    return {each["name"]: each for each in BOARDS[name]["templating"]["list"]}


def test_every_file_is_a_dashboard_that_is_checked() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{name}.json" for name in NAMES]


@each_board
def test_a_dashboard_can_be_imported_twice_and_links_to_it_stay(name: str) -> None:
    board = BOARDS[name]
    assert (board["uid"], board["id"]) == (f"aigw-{name}", None)
    assert board["schemaVersion"] == 41
    assert board["editable"] is True
    assert board["tags"] == ["ai-gateway"]
    assert board["refresh"] == "1m"
    assert board["time"] == {"from": "now-24h", "to": "now"}
    assert "__inputs" not in board


@each_board
def test_panels_have_an_id_and_a_place_of_their_own(name: str) -> None:
    ids = [panel["id"] for panel in panels_of(BOARDS[name])]
    assert len(ids) == len(set(ids))
    taken: dict[tuple[int, int], str] = {}
    for panel in panels_of(BOARDS[name]):
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
        assert place["y"] >= 0
        assert place["h"] > 0
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@each_board
def test_panels_have_a_title_and_answer_something(name: str) -> None:
    for panel in panels_of(BOARDS[name]):
        assert panel["title"]
        references = [target["refId"] for target in panel.get("targets", ())]
        assert len(references) == len(set(references))
        assert references or panel["type"] == "row"


@each_board
def test_every_data_source_is_a_variable(name: str) -> None:
    declared = variables_of(name)
    asked = set()
    for panel, target in targets_of(name):
        kind = "prometheus" if "expr" in target else "cloudwatch"
        [variable] = [each for each, source in SOURCES.items() if source == kind]
        assert panel["datasource"] == target["datasource"] == source_named(variable)
        asked.add(variable)
    assert asked == SOURCES.keys() & declared.keys()
    for variable in asked:
        assert declared[variable]["type"] == "datasource"
        assert declared[variable]["query"] == SOURCES[variable]


def source_named(variable: str) -> Mapping[str, str]:
    return {"type": SOURCES[variable], "uid": f"${{{variable}}}"}


@each_board
def test_filters_offer_what_there_is_and_all_of_it(name: str) -> None:
    for variable, document in variables_of(name).items():
        if variable not in FILTERS:
            assert variable in {*SOURCES, "log_group"}
            continue
        assert (document["type"], document["datasource"]) == ("query", source_named("DS_PROM"))
        assert document["includeAll"] is document["multi"] is True
        assert document["allValue"] == ".+"
        asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", document["query"]["query"])
        assert asked is not None
        assert faults_of(f'{asked[1]}{{{asked[2]}=""}}') == []
        assert LABELS.get(asked[2], asked[2]) == variable


@each_board
def test_a_dashboard_declares_the_filters_that_its_queries_use(name: str) -> None:
    used = {variable for asked in PROMQL if asked.board == name for variable in asked.variables}
    assert used & FILTERS == variables_of(name).keys() & FILTERS
    assert {each for each in used - FILTERS if not each.startswith("__")} == set()


@each_promql
def test_a_query_asks_for_series_and_labels_that_there_are(asked: Asked) -> None:
    assert faults_of(asked.filled("5m")) == []


@each_promql
def test_a_query_is_filtered_by_the_label_of_its_variable(asked: Asked) -> None:
    found = MATCHER.findall(asked.expression)
    assert found
    assert all(LABELS.get(label, label) == variable for label, variable in found)
    windows = {each for each in asked.variables if each.startswith("__")}
    assert windows <= {"__rate_interval", "__range"}
    is_rate = "rate(" in asked.expression
    assert ("__rate_interval" in windows) is is_rate


@each_board
def test_a_legend_names_labels_that_the_query_keeps(name: str) -> None:
    for panel, target in targets_of(name):
        shown = set(LEGEND.findall(target.get("legendFormat", "")))
        kept = set(
            re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target.get("expr", ""))))
        )
        assert shown <= kept, panel["title"]


@each_board
def test_older_names_of_families_are_in_no_dashboard(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert not [family.name for family in TWINS.values() if family.name in text]


@each_insight
def test_a_question_to_the_logs_is_about_fields_that_the_lines_have(asked: Asked) -> None:
    asks, has = fields_of(asked.expression)
    assert asks <= has


@pytest.mark.parametrize("member", ["prompt", "input", "content"])
def test_what_people_and_models_wrote_is_in_one_dashboard_alone(member: str) -> None:
    """So that whoever may see figures need not see texts."""
    word = re.compile(rf"\b{member}\b")
    assert {
        asked.board
        for asked in INSIGHTS
        if any(word.search(line) for line in asked.expression.splitlines() if "fields" in line)
    } == {"prompts"}
