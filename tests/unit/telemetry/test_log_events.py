"""Log lines as events."""

import logging
from collections.abc import Iterator

import pytest

from aigateway.telemetry.log_events import TEXT_LENGTH, LogEvents
from aigateway.telemetry.spans import Attributes, Trace, within
from aigateway.wire.messages import RequestHead
from tests.clocks import HeldClock

KEY = "sk-planted-0123456789"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("aigateway.test")  # noqa: LOG001 - not below the root
    made.addHandler(LogEvents())
    yield made
    made.handlers.clear()


@pytest.fixture
def trace() -> Trace:
    return Trace(RequestHead("POST", b"/", ()), HeldClock())


def told(trace: Trace) -> list[Attributes]:
    assert {event.name for event in trace.root.events} <= {"log"}
    return [event.attributes for event in trace.root.events]


def test_a_line_is_an_event_with_its_fields(logger: logging.Logger, trace: Trace) -> None:
    with within(trace, trace.root):
        logger.warning("%s keys", 2, extra={"provider_name": "p", "tried": 2, "none": None})
    assert told(trace) == [
        {
            "log.severity": "WARNING",
            "log.message": "2 keys",
            "logger": "aigateway.test",
            "log.provider_name": "p",
            "log.tried": 2,
        }
    ]


def test_credentials_are_masked_and_long_texts_cut(logger: logging.Logger, trace: Trace) -> None:
    with within(trace, trace.root):
        logger.info("with %s", KEY, extra={"header": f"Bearer {KEY}", "long": "x" * 9999})
    (said,) = told(trace)
    assert KEY not in str(said)
    assert said["log.message"] == "with sk-p..."
    assert len(str(said["log.long"])) == TEXT_LENGTH


def test_an_exception_is_named_and_its_text_left_out(logger: logging.Logger, trace: Trace) -> None:
    with within(trace, trace.root):
        logger.error("it failed", exc_info=ZeroDivisionError(KEY))
    (said,) = told(trace)
    assert said["log.exception"] == "ZeroDivisionError"
    assert "planted" not in str(said)


def test_a_line_that_cannot_be_read_breaks_nothing(
    logger: logging.Logger, trace: Trace, capsys: pytest.CaptureFixture[str]
) -> None:
    with within(trace, trace.root):
        logger.info("%d", "no number")
    assert told(trace) == []
    assert capsys.readouterr().err == ""


def test_lines_of_no_request_are_passed_over(logger: logging.Logger) -> None:
    logger.info("nobody asked")
