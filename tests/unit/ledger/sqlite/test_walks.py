"""Where a page stops: full, heavy, or after enough rows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from aigateway.ledger.listing import EXAMINED_LIMIT, PAGE_CHARACTERS
from aigateway.ledger.sqlite.walks import MATCHING_ONCE, Examined, counted, stretch

NUMBERS = """
WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i - 1 FROM n WHERE i > 1)
SELECT i, 'k' || i AS key, i % {every} = 0 AS matches FROM n
"""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as made:
        made.row_factory = sqlite3.Row
        yield made


def walk(connection: sqlite3.Connection, first: int, every: int = 1) -> Iterator[Examined]:
    for row in connection.execute(NUMBERS.format(first=first, every=every)):
        yield Examined(row["i"], row["key"], row)


def number_of(row: sqlite3.Row) -> int:
    number: int = row["i"]
    return number


def test_a_walk_to_the_end_has_no_place_to_go_on(connection: sqlite3.Connection) -> None:
    found = stretch(walk(connection, 3), 3, number_of, lambda _: 0)
    assert (found.rows, found.stopped) == ((3, 2, 1), None)


def test_a_full_page_goes_on_below_its_last_row(connection: sqlite3.Connection) -> None:
    found = stretch(walk(connection, 4), 3, number_of, lambda _: 0)
    assert (found.rows, found.stopped) == ((4, 3, 2), (2, "k2"))


def test_enough_examined_rows_end_an_empty_page(connection: sqlite3.Connection) -> None:
    first = EXAMINED_LIMIT + 10
    found = stretch(walk(connection, first, every=1_000_000), 3, number_of, lambda _: 0)
    assert (found.rows, found.stopped) == ((), (11, "k11"))


def test_rows_that_moved_are_no_work_of_the_walk(connection: sqlite3.Connection) -> None:
    moved = (
        Examined(row.at, row.key, row.row, moved=True)
        for row in walk(connection, EXAMINED_LIMIT + 10, every=1_000_000)
    )
    assert stretch(moved, 3, number_of, lambda _: 0).stopped is None


def test_heavy_rows_end_a_page_after_one_of_them(connection: sqlite3.Connection) -> None:
    found = stretch(walk(connection, 4), 3, number_of, lambda _: PAGE_CHARACTERS)
    assert (found.rows, found.stopped) == ((4,), (4, "k4"))


@pytest.mark.parametrize(("first", "count", "is_exact"), [(10, 5, True), (11, 5, False)])
def test_a_count_says_when_it_stopped(
    connection: sqlite3.Connection, first: int, count: int, is_exact: bool
) -> None:
    numbers = NUMBERS.format(first=first, every=2)
    assert counted(connection, numbers, {}, limit=10) == (count, is_exact)


def test_a_key_that_comes_twice_counts_once(connection: sqlite3.Connection) -> None:
    twice = "SELECT 'a' AS key, 1 AS matches UNION ALL SELECT 'a', 1 UNION ALL SELECT 'b', 0"
    assert counted(connection, twice, {}, MATCHING_ONCE) == (1, True)
