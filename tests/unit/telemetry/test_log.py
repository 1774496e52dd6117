"""What becomes of a line."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest

from aigateway.telemetry.correlation import correlated
from aigateway.telemetry.log import (
    StandardOutput,
    TextLines,
    begin,
    line_writer,
    record_writer,
)
from tests.logs import Caught, logging_as_before

PLANTED = "planted-0a1b2c3d4e5f"


@pytest.fixture
def caught() -> Iterator[Caught]:
    with logging_as_before():
        made = Caught()
        begin(made, "INFO")
        yield made


logger = logging.getLogger("aigateway.somewhere")


def test_a_line_says_when_where_and_what(caught: Caught) -> None:
    logger.warning("the %s is full", "disk", extra={"left_bytes": 7})
    (line,) = caught.lines
    assert line.pop("location").startswith("test_a_line_says")
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() is not None
    assert line == {
        "level": "WARNING",
        "message": "the disk is full",
        "service": "ai-gateway",
        "left_bytes": 7,
    }


def test_lines_of_pythons_own_loggers_are_the_same(caught: Caught) -> None:
    logging.getLogger("asyncio").error("a task was destroyed")
    assert caught.lines[0]["message"] == "a task was destroyed"


def test_a_message_that_is_json_stays_a_text(caught: Caught) -> None:
    logger.info('{"level": "none"}')
    assert caught.lines[0]["message"] == '{"level": "none"}'


def test_what_is_below_the_level_is_not_logged_and_neither_is_what_libraries_tell(
    caught: Caught,
) -> None:
    logger.debug("detail")
    logging.getLogger("botocore").info("a request with its headers")
    assert caught.lines == []


@pytest.mark.parametrize(
    "planted",
    [
        f"Bearer {PLANTED}",
        f"sk-{PLANTED}",
        f"authorization: Basic {PLANTED}",
        f'{{"cookie": "{PLANTED}"}}',
        json.dumps({"t": json.dumps({"x-api-key": PLANTED})}),
        str({"authorization": PLANTED}),
        f"line\nsk-{PLANTED}",
    ],
)
def test_i10_nothing_planted_is_logged_whatever_holds_it(planted: str, caught: Caught) -> None:
    logger.error(planted)
    logger.error("%s", planted)
    logger.error("x", extra={"found": planted, "nested": {"deep": [planted]}})
    logger.error("x", extra={"authorization": PLANTED, "nested": {"Cookie": [PLANTED]}})
    try:
        raise ValueError(planted)  # noqa: TRY301 - its text is what is looked for
    except ValueError as problem:
        problem.add_note(planted)
        logger.exception("failed")
    try:
        secret = {"set-cookie": planted}
        raise KeyError(secret)  # noqa: TRY301 - likewise
    except KeyError:
        logger.exception("failed")
    assert len(caught.lines) == 6
    assert "planted-" not in "".join(caught.written)
    assert caught.lines[4]["stack_trace"]["type"] == "ValueError"


def test_what_is_no_json_is_a_line_all_the_same(caught: Caught) -> None:
    logger.info("x", extra={"number": float("nan")})
    logger.info("x", extra={"keys": {("a",): 1}})
    logger.info("x", extra={"half": "\ud800", "when": datetime(2026, 1, 1)})  # noqa: DTZ001 - shown as it is
    assert [line["message"] for line in caught.lines] == ["a line is no JSON"] * 2 + ["x"]
    assert caught.lines[2]["half"] == "\ud800"
    assert all(line.isprintable() and line.encode() for line in caught.written)


async def test_requests_at_once_keep_their_ids_apart(caught: Caught) -> None:
    turn = asyncio.Barrier(2)

    async def serve(name: str) -> None:
        with correlated(interception_id=name, session_id=None):
            await turn.wait()
            logger.info(name)
            await asyncio.to_thread(logger.info, name)
            await asyncio.create_task(aside(name))
            await turn.wait()
            logger.info(name)

    async def aside(name: str) -> None:
        await asyncio.sleep(0)
        logger.info(name)

    await asyncio.gather(serve("one"), serve("two"))
    logger.info("after")
    *during, after = caught.lines
    assert len(during) == 8
    assert all(line["interception_id"] == line["message"] for line in during)
    assert not any("session_id" in line for line in during)
    assert "interception_id" not in after


def test_what_a_line_says_itself_goes_before_the_ids_of_the_request(caught: Caught) -> None:
    with correlated(interception_id="outer"), correlated(function_request_id="r"):
        logger.info("x", extra={"interception_id": "own"})
    (line,) = caught.lines
    assert (line["interception_id"], line["function_request_id"]) == ("own", "r")


def test_lines_of_records_have_no_level_to_be_below() -> None:
    with logging_as_before():
        caught = Caught()
        begin(caught, "ERROR")
        record_writer(caught)({"record_type": "prompt_usage", "prompt": f"sk-{PLANTED}"})
    (line,) = caught.lines
    assert (line["level"], line["message"]) == ("INFO", "interception log")
    assert (line["record_type"], line["prompt"]) == ("prompt_usage", "sk-p...")


def test_a_finished_line_is_written_as_it_is() -> None:
    caught = Caught()
    line_writer(caught)('{"_aws":{}}')
    assert caught.written == ['{"_aws":{}}']


def test_beginning_again_says_nothing_twice_and_takes_over_from_the_host(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class HostsHandler(logging.StreamHandler[io.StringIO]):
        pass

    HostsHandler.__module__ = "awslambdaric.bootstrap"
    with logging_as_before():
        hosts = HostsHandler(io.StringIO())
        logging.getLogger().addHandler(hosts)
        begin(StandardOutput(), "INFO")
        begin(StandardOutput(), "INFO")
        logger.info("once")
        assert hosts.stream.getvalue() == ""
    written = capsys.readouterr()
    assert json.loads(written.out)["message"] == "once"
    assert written.err == ""


def test_i10_a_line_that_cannot_be_written_is_lost_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    with logging_as_before():
        begin(StandardOutput(), "INFO")
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", Full())
            logger.info("lost %s", PLANTED)
        logger.info("kept")
    written = capsys.readouterr()
    assert json.loads(written.out)["message"] == "kept"
    assert written.err == ""


def test_i10_lines_for_people_are_masked_too() -> None:
    record = logging.LogRecord("n", logging.WARNING, "f", 1, f"sk-{PLANTED}", None, None)
    assert TextLines("gateway").format(record) == "gateway: WARNING sk-p..."
