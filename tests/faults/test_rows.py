"""The rows on the page of reliability and the tests that hold them belong together."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.faults.file import HARMS
from tests.faults.rows import BOTH, DYNAMODB, ROWS, SQLITE, Row
from tests.faults.table import FAULTS, LATE, SLOW
from tests.faults.test_client import ANSWERS
from tests.faults.test_clocks import CLOCKS
from tests.faults.test_start import UNUSABLE

ROOT = Path(__file__).parents[2]
INJECTED = {
    DYNAMODB: {*FAULTS, *ANSWERS, SLOW, LATE},
    SQLITE: {*HARMS, *UNUSABLE},
    BOTH: {*CLOCKS},
}


def named(row: Row) -> str:
    """Return the fault without where, and how long, it was injected."""
    return row.fault.partition(",")[0]


@cache
def functions_of(path: str) -> frozenset[str]:
    nodes = ast.parse((ROOT / path).read_text()).body
    functions = (ast.AsyncFunctionDef, ast.FunctionDef)
    return frozenset(node.name for node in nodes if isinstance(node, functions))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_the_test_of_a_row_exists_and_injects_its_fault(row: Row) -> None:
    path, _, name = row.test.partition("::")
    assert name in functions_of(path)
    assert named(row) in INJECTED[row.store]


@pytest.mark.parametrize("store", INJECTED)
def test_every_fault_that_is_injected_has_a_row(store: str) -> None:
    assert {named(row) for row in ROWS if row.store == store} == INJECTED[store]


def test_no_row_is_there_twice_and_each_says_two_sentences() -> None:
    assert len({(row.store, row.fault) for row in ROWS}) == len(ROWS)
    for row in ROWS:
        for said in (row.client, row.record):
            assert said.endswith(".")
            assert "|" not in said
