"""The reader of queries sees what a catalogue cannot answer."""

import pytest

from tests.promql import Grouping, faults_of, groupings_of, selectors_of

TOKENS = "coder_ai_gateway_tokens_total"
DURATION = "coder_ai_gateway_interceptions_duration_seconds"


def test_names_and_labels_of_an_expression_are_found() -> None:
    found = selectors_of(
        f'topk(5, sum by (model) (rate({TOKENS}{{type=~"in.*", model!="a{{b\\"}}"}}[5m])))'
        " offset 1h"
        f" / on (model) group_left (client) {TOKENS} or vector(0) > bool 1.5e3"
    )
    assert [(each.name, set(each.labels)) for each in found] == [
        (TOKENS, {"type", "model"}),
        (TOKENS, set()),
    ]


def test_a_grouping_is_about_what_stands_below_it() -> None:
    expression = "sum by (a, b) (max without (c) (x) + y) / z"
    assert groupings_of(expression) == [
        Grouping(frozenset("ab"), frozenset("xy")),
        Grouping(frozenset("c"), frozenset("x")),
    ]


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(rate(coder_ai_gateway_tokens[5m]))", "no series coder_ai_gateway_tokens"),
        ("coder_aibridged_tokens_total", "no series coder_aibridged_tokens_total"),
        (f"{TOKENS}_bucket", f"no series {TOKENS}_bucket"),
        (DURATION, f"no series {DURATION}"),
        (f'{TOKENS}{{user="a"}}', f"{TOKENS} has no user"),
        (f"sum by (route) (rate({TOKENS}[5m]))", f"{TOKENS} has no route"),
        (f"sum by (le) (rate({DURATION}_sum[5m]))", f"{DURATION}_sum has no le"),
        ("vector(1)", "no series at all"),
    ],
)
def test_what_the_catalogue_does_not_have_is_a_fault(expression: str, fault: str) -> None:
    assert faults_of(expression) == [fault]


@pytest.mark.parametrize(
    "expression",
    [
        f"histogram_quantile(0.9, sum by (le, provider) (rate({DURATION}_bucket[5m])))",
        f'{TOKENS}{{instance="one", type="input"}}',
        f"absent_over_time({TOKENS}[1d]) or time() - {DURATION}_count > 300",
    ],
)
def test_what_the_catalogue_has_is_none(expression: str) -> None:
    assert faults_of(expression) == []


@pytest.mark.parametrize("expression", ["sum by (a) (b", "a ; b"])
def test_what_cannot_be_read_is_said(expression: str) -> None:
    with pytest.raises(ValueError, match=r"unreadable|never closed"):
        faults_of(expression)
