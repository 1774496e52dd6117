"""Lines of CloudWatch's embedded metric format, checked and read."""

import json
import re
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "emf_schema.json").read_text())
TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int}
KNOWN = {"$comment", "type", "required", "properties", "items", "pattern"} | {
    f"{bound}{what}" for bound in ("min", "max") for what in ("Items", "Length")
}

Point = tuple[str, tuple[tuple[str, str], ...]]
"""A metric's name, and its dimensions with their values."""


def points(line: str) -> dict[Point, list[float]]:
    """Return what CloudWatch finds in a line that keeps the schema and its prose.

    Every dimension named has a text as its value, every metric up to a hundred numbers.
    """
    document = json.loads(line)
    check(document, SCHEMA)
    found: dict[Point, list[float]] = {}
    for directive in document["_aws"]["CloudWatchMetrics"]:
        assert len(directive["Metrics"]) <= 100
        for names in directive["Dimensions"]:
            values = tuple(sorted((name, document[name]) for name in names))
            assert all(isinstance(v, str) and v.strip() and v.isascii() for _, v in values)
            for metric in directive["Metrics"]:
                numbers = document[metric["Name"]]
                assert len(numbers) <= 100
                assert all(isinstance(number, int | float) for number in numbers)
                found[metric["Name"], values] = numbers
    return found


def check(value: Any, schema: dict[str, Any]) -> None:  # noqa: ANN401 - JSON of any shape
    """Hold a value to the part of JSON Schema that this schema uses."""
    assert schema.keys() <= KNOWN
    assert isinstance(value, TYPES[schema["type"]])
    assert not isinstance(value, bool)
    if isinstance(value, dict):
        assert value.keys() >= {*schema.get("required", ())}
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                check(value[name], inner)
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        for each in value:
            check(each, schema["items"])
    if isinstance(value, str):
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        assert re.search(schema.get("pattern", ""), value)
