"""Lists modules past 250 lines and functions past 40, docstring not counted."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULE_LINES = 250
FUNCTION_LINES = 40


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first, last = function.body[0], function.end_lineno or function.lineno
    if ast.get_docstring(function) is None:
        return last - function.lineno + 1
    return last - function.lineno - (first.end_lineno or first.lineno) + first.lineno


def long_ones(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    count = source.count("\n")
    if count > MODULE_LINES:
        yield f"{path}: {count} lines"
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (count := lines_of(node)) > FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {node.name} has {count} lines"


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        for path in sorted(Path(folder).rglob("*.py")):
            for line in long_ones(path):
                print(f"long: {line}")
