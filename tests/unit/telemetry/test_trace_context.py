"""Contexts that others hand over."""

import pytest

from aigateway.telemetry.trace_context import (
    Remote,
    parent_and_link,
    read_traceparent,
    read_xray,
)

ROOT, PARENT = "1-58406520-a006649127e371903a2de979", "4c721bf33e3caf8f"
XRAY = f"Root={ROOT};Parent={PARENT}"
THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OF_LAMBDA = Remote(0x58406520A006649127E371903A2DE979, 0x4C721BF33E3CAF8F, is_sampled=True)
OF_CALLER = Remote(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_sampled=True)


@pytest.mark.parametrize(
    ("rest", "is_sampled"),
    [
        (";Sampled=1", True),
        (";Sampled=0", False),
        ("", False),
        (";Sampled=?", False),
        (";Sampled=1;Lineage=1:a8:0", True),
    ],
)
def test_lambdas_header_is_read(rest: str, is_sampled: bool) -> None:
    found = read_xray(XRAY + rest)
    assert found == Remote(OF_LAMBDA.trace_id, OF_LAMBDA.span_id, is_sampled)


@pytest.mark.parametrize(
    "text",
    ["", f"Root={ROOT}", f"Parent={PARENT}", "Root=1-5840-a;Parent=4c", XRAY.replace("c", "x")],
)
def test_a_header_of_another_form_is_none(text: str) -> None:
    assert read_xray(text) is None


@pytest.mark.parametrize(
    ("text", "is_sampled"),
    [(THEIRS, True), (THEIRS[:-1] + "0", False), ("cc" + THEIRS[2:] + "-more", True)],
)
def test_a_callers_context_is_read(text: str, is_sampled: bool) -> None:
    found = read_traceparent(text)
    assert found == Remote(OF_CALLER.trace_id, OF_CALLER.span_id, is_sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ff" + THEIRS[2:],
        THEIRS + "-more",
        THEIRS.upper(),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        THEIRS[:-3],
    ],
)
def test_a_context_of_another_form_is_none(text: str) -> None:
    assert read_traceparent(text) is None


def test_the_invocation_is_the_parent_and_the_caller_a_link_unless_it_is_trusted() -> None:
    headers = ((b"Traceparent", THEIRS.encode()),)
    sampled = XRAY + ";Sampled=1"
    assert parent_and_link(sampled, headers, trusted=False) == (OF_LAMBDA, OF_CALLER)
    assert parent_and_link(sampled, headers, trusted=True) == (OF_CALLER, None)
    assert parent_and_link(sampled, (), trusted=True) == (OF_LAMBDA, None)
    assert parent_and_link("", headers, trusted=False) == (None, OF_CALLER)
    assert parent_and_link("", (), trusted=False) == (None, None)
