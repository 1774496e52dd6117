"""The alert rules for Prometheus as they are shipped."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]  # it comes without types

from tests.dashboards import ROOT

FOLDER = ROOT / "dashboards" / "prometheus"
ALERTS: Mapping[str, Mapping[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
TRIED: Sequence[Mapping[str, Any]] = yaml.safe_load(
    (FOLDER / "rules_test.yml").read_text(encoding="utf-8")
)["tests"]
