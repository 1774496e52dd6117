"""docs/performance.md has two writers: each rewrites its own part and keeps the other's."""

from pathlib import Path

from bench.processes import ROOT

PAGE = ROOT / "docs" / "performance.md"
LOAD = "\n## Under load\n"
"""Where the part of ``make load`` begins; it goes on to the end."""


def with_measures(page: str, measures: str) -> str:
    """Return the page with what ``make bench`` measured."""
    _, heading, load = page.partition(LOAD)
    return measures + heading + load


def with_load(page: str, load: str) -> str:
    """Return the page with what ``make load`` measured, from its heading on."""
    return page.partition(LOAD)[0] + LOAD + load


def read(path: Path = PAGE) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write(text: str, path: Path = PAGE) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
