"""Files of lines: few, small, and the owner's alone."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigateway.telemetry.log import record_writer
from local.record_file import OLDER_FILES, RecordFile, forget


@pytest.fixture
def file(tmp_path: Path) -> Iterator[RecordFile]:
    made = RecordFile(tmp_path / "records", "gateway", file_bytes=2000)
    yield made
    made.close()


def test_lines_are_json_one_object_each(file: RecordFile, tmp_path: Path) -> None:
    write = record_writer(file)
    write({"record_type": "prompt_usage", "prompt": "a\nb \ud800é"})
    write({"record_type": "interception_end"})
    lines = (tmp_path / "records" / "gateway.ndjson").read_text("utf-8").splitlines()
    first, second = map(json.loads, lines)
    assert (first["prompt"], second["record_type"]) == ("a\nb \ud800é", "interception_end")


def test_full_files_are_kept_for_a_while_and_none_grows(file: RecordFile, tmp_path: Path) -> None:
    write = record_writer(file)
    for number in range(100):
        write({"record_type": "interception_end", "number": number})
    found = sorted((tmp_path / "records").iterdir())
    assert [path.name for path in found] == [
        "gateway.ndjson",
        *(f"gateway.ndjson.{number}" for number in range(1, OLDER_FILES + 1)),
    ]
    assert all(path.stat().st_size <= 2000 for path in found)
    numbers = [
        json.loads(line)["number"]
        for path in [*reversed(found[1:]), found[0]]
        for line in path.read_text().splitlines()
    ]
    assert numbers == [*range(numbers[0], 100)]


def test_nobody_else_may_read_them(file: RecordFile, tmp_path: Path) -> None:
    write = record_writer(file)
    for _ in range(20):
        write({"record_type": "interception_end"})
    folder = tmp_path / "records"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_what_is_there_already_stays(file: RecordFile, tmp_path: Path) -> None:
    record_writer(file)({"record_type": "interception_end"})
    file.close()
    again = RecordFile(tmp_path / "records", "gateway")
    record_writer(again)({"record_type": "interception_end"})
    again.close()
    assert len((tmp_path / "records" / "gateway.ndjson").read_text().splitlines()) == 2


def test_i10_a_line_that_cannot_be_written_is_lost_without_a_word(
    file: RecordFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "records").rmdir()
    file.handle(logging.makeLogRecord({"msg": "planted-0a1b2c3d"}))
    assert capsys.readouterr() == ("", "")


def numbers_in(folder: Path) -> list[int]:
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
    return sorted(json.loads(line)["number"] for line in lines)


def test_what_names_a_user_is_forgotten_in_every_file_and_writing_goes_on(
    file: RecordFile, tmp_path: Path
) -> None:
    write, folder = record_writer(file), tmp_path / "records"
    for number in range(30):
        write({"initiator_id": "u-a" if number % 3 else "u-b", "number": number})
    kept = [number for number in numbers_in(folder) if not number % 3]
    assert len([*folder.iterdir()]) > 2
    assert forget(folder, b'"initiator_id":"u-a"') > 0
    assert numbers_in(folder) == kept
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    write({"initiator_id": "u-a", "number": 99})
    assert numbers_in(folder)[-1] == 99
    assert forget(folder, b'"initiator_id":"u-c"') == 0
    assert forget(tmp_path / "nowhere", b"x") == 0


def test_what_is_written_meanwhile_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    file = RecordFile(folder, "gateway")
    write = record_writer(file)

    def writing() -> None:
        for number in range(400):
            write({"initiator_id": "u-a" if number % 2 else "u-b", "number": number})

    with ThreadPoolExecutor() as pool:
        written = pool.submit(writing)
        while not written.done():
            forget(folder, b'"initiator_id":"u-a"')
    forget(folder, b'"initiator_id":"u-a"')
    file.close()
    assert numbers_in(folder) == [*range(0, 400, 2)]
