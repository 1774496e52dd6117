"""The catalogue of spans and its documentation say the same."""

from pathlib import Path

from aigateway.telemetry.span_names import BY_NAME, SPANS

PAGE = (Path(__file__).parents[2] / "docs" / "operations" / "tracing.md").read_text()
NOTHING = "\N{EN DASH}"


def test_every_span_is_documented_and_nothing_else() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert rows == [
        f"| `{s.name}` | {f'`{s.parent}`' if s.parent else NOTHING} | {s.covers} |" for s in SPANS
    ]


def test_every_parent_is_a_span() -> None:
    assert len(BY_NAME) == len(SPANS) == 16
    assert {s.parent for s in SPANS} - {None} <= BY_NAME.keys()
