"""What is shipped is what Prometheus and Alertmanager take."""

import subprocess
from pathlib import Path

import pytest

from local.observe import RULES
from local.observe_files import alertmanager_file, prometheus_file
from tests.dashboards import PROMQL
from tests.monitoring.alerting import seconds_for_minutes
from tests.monitoring.servers import program

pytestmark = pytest.mark.prometheus


def said(*command: str | Path) -> str:
    """Run a program that has to succeed; return what it says."""
    name, *arguments = command
    done = subprocess.run(
        [program(str(name)), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_alert_fires_and_ends_as_its_test_says() -> None:
    said("promtool", "check", "rules", RULES)
    assert "SUCCESS" in said("promtool", "test", "rules", RULES.with_name("rules_test.yml"))


def test_a_rehearsal_changes_nothing_but_how_long_a_condition_holds(tmp_path: Path) -> None:
    rules = RULES.read_text(encoding="utf-8")
    rehearsed = seconds_for_minutes(rules)
    changed = [
        (before.strip(), after.strip())
        for before, after in zip(rules.splitlines(), rehearsed.splitlines(), strict=True)
        if before != after
    ]
    assert {*changed} == {
        ("for: 1m", "for: 1s"), ("for: 2m", "for: 2s"), ("for: 10m", "for: 10s")
    }  # fmt: skip


@pytest.mark.parametrize("pushgateway", [None, "127.0.0.1:9091"])
def test_prometheus_takes_the_file_that_it_is_given(
    pushgateway: str | None, tmp_path: Path
) -> None:
    (tmp_path / "prometheus.yml").write_text(prometheus_file(RULES, "127.0.0.1:1", pushgateway))
    assert "SUCCESS" in said("promtool", "check", "config", tmp_path / "prometheus.yml")


@pytest.mark.parametrize("webhook", [None, "http://127.0.0.1:1/"])
def test_alertmanager_takes_the_file_that_it_is_given(webhook: str | None, tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(alertmanager_file(webhook))
    assert "SUCCESS" in said("amtool", "check-config", tmp_path / "alertmanager.yml")


def test_every_query_of_the_dashboards_is_one(tmp_path: Path) -> None:
    rules = "".join(
        f"    - record: query_{number}\n      expr: {asked.filled('5m')!r}\n"
        for number, asked in enumerate(PROMQL)
    )
    (tmp_path / "rules.yml").write_text(f"groups:\n  - name: dashboards\n    rules:\n{rules}")
    checked = said("promtool", "check", "rules", tmp_path / "rules.yml")
    assert f"{len(PROMQL)} rules found" in checked
