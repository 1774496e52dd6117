"""The text format: what a scraper reads, line by line."""

import shutil
import subprocess

import pytest

from aigateway.telemetry.catalogue import (
    DURATION,
    FAMILIES,
    INTERCEPTIONS,
    PROVIDER_INFO,
    RELOAD_SUCCESS,
    Family,
)
from aigateway.telemetry.exposition import exposition
from aigateway.telemetry.series import Series, decimal, histogram, labels_of


def test_a_family_has_help_type_and_its_series() -> None:
    series = [
        Series(PROVIDER_INFO, labels_of({"provider_name": name, "status": "enabled"}), 1.0)
        for name in ("a", "b")
    ]
    assert exposition(series) == (
        f"# HELP {PROVIDER_INFO.name} {PROVIDER_INFO.help}\n"
        f"# TYPE {PROVIDER_INFO.name} gauge\n"
        f'{PROVIDER_INFO.name}{{provider_name="a",status="enabled"}} 1\n'
        f'{PROVIDER_INFO.name}{{provider_name="b",status="enabled"}} 1\n'
    )


def test_a_series_without_labels_has_no_braces() -> None:
    assert exposition([Series(RELOAD_SUCCESS, (), 0.0)]).endswith(f"\n{RELOAD_SUCCESS.name} 0\n")


def test_nothing_is_an_empty_text() -> None:
    assert exposition([]) == ""


def test_a_histogram_has_growing_buckets_a_sum_and_a_count() -> None:
    text = exposition(histogram(DURATION, (("model", "m"),), [1, 0, 2, 0, 0, 0, 0, 1], 12.25))
    assert text.splitlines()[2:] == [
        f'{DURATION.name}_bucket{{le="{bound}",model="m"}} {count}'
        for bound, count in zip(
            ("0.5", "2", "5", "15", "30", "60", "120", "+Inf"),
            (1, 1, 3, 3, 3, 3, 3, 4),
            strict=True,
        )
    ] + [f'{DURATION.name}_sum{{model="m"}} 12.25', f'{DURATION.name}_count{{model="m"}} 4']


def test_texts_are_escaped_so_that_none_can_end_its_line() -> None:
    odd = Family("odd", "gauge", ("l",), 'a\\b\nc"')
    text = exposition([Series(odd, (("l", 'a\\b\nc"'),), 1.0)])
    assert text == '# HELP odd a\\\\b\\nc"\n# TYPE odd gauge\nodd{l="a\\\\b\\nc\\""} 1\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (5.0, "5"), (0.1, "0.1"), (1795490752.14, "1795490752.14"), (1e22, "1e+22")],
)
def test_numbers_are_as_short_as_they_can_be(value: float, text: str) -> None:
    assert decimal(value) == text
    assert float(text) == value


def test_labels_are_cut_cleaned_and_never_empty() -> None:
    labels = labels_of({"b": "x" * 200, "a": "one\x00\n\x7f\x85two", "c": "", "d": "\x1b"})
    assert labels == (("a", "onetwo"), ("b", "x" * 128))


def test_a_twin_has_the_older_name_and_the_same_value() -> None:
    series = Series(INTERCEPTIONS, (("provider", "p"),), 3.0)
    assert series.twin is not None
    assert series.twin.name == "coder_aibridged_interceptions_total"
    assert (series.twin.labels, series.twin.value) == (series.labels, series.value)
    assert series.twin.twin is None


@pytest.mark.prometheus
def test_promtool_accepts_every_family(promtool: str) -> None:
    series: list[Series] = []
    for family in FAMILIES:
        labels = labels_of(dict.fromkeys(family.labels, 'one "two" \\ three'))
        if family.kind == "histogram":
            series.extend(histogram(family, labels, [1] * (len(family.buckets) + 1), 1.5))
        else:
            series.append(Series(family, labels, 1.5))
    twins = [twin for each in series if (twin := each.twin) is not None]
    text = exposition([*series, *twins])
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed")
    return found
