from pathlib import Path

from bench.page import read, with_load, with_measures, write


def test_each_writer_keeps_the_part_of_the_other() -> None:
    measured = with_measures("", "# Performance\n\nfirst\n")
    loaded = with_load(measured, "\nheavy\n")
    assert loaded == "# Performance\n\nfirst\n\n## Under load\n\nheavy\n"
    assert with_measures(loaded, "# Performance\n\nsecond\n").endswith(
        "second\n\n## Under load\n\nheavy\n"
    )
    assert with_load(loaded, "\nlight\n") == loaded.replace("heavy", "light")


def test_a_page_that_is_not_there_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "performance.md"
    assert read(path) == ""
    write("text\n", path)
    assert read(path) == "text\n"
