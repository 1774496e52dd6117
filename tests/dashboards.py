"""The dashboards for Grafana as they are shipped, and their queries."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "dashboards" / "grafana"
NAMES = ("cost", "overview", "prompts", "providers", "tools", "users")
BOARDS: Mapping[str, Any] = {
    name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES
}
WINDOW = re.compile(r"\[\$__(?:rate_interval|range|interval)\]")
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel. ``expression`` is as written; ``is_promql``, or Logs Insights."""

    board: str
    panel: str
    expression: str
    is_promql: bool

    @property
    def name(self) -> str:
        return f"{self.board}: {self.panel}"

    @property
    def variables(self) -> frozenset[str]:
        found = VARIABLE.findall(self.expression)
        return frozenset(braced or bare for braced, bare in found)

    def filled(self, window: str) -> str:
        """Return the expression with every filter at "all", over ``window``."""
        return VARIABLE.sub(".+", WINDOW.sub(f"[{window}]", self.expression))


def panels_of(board: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the panels; a row holds none of its own, since ours are not collapsed."""
    yield from board["panels"]


def queries() -> list[Asked]:
    return [
        Asked(name, panel["title"], target.get("expr") or target["expression"], "expr" in target)
        for name, board in BOARDS.items()
        for panel in panels_of(board)
        for target in panel.get("targets", ())
    ]


PROMQL = [each for each in queries() if each.is_promql]
INSIGHTS = [each for each in queries() if not each.is_promql]
