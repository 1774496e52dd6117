import io
import json
from dataclasses import replace

import pytest

from aigateway.caller.clients import Client
from aigateway.ledger.rows import Interception, whole
from aigateway.transcript.facts import AnsweredCall
from cli.figures import ago, duration, size
from cli.terminal import Terminal
from cli.transcript import transcript
from tests.builders import (
    a_closed,
    a_prompt,
    a_thought,
    a_tool,
    a_usage,
    an_opened,
    at,
    charged,
)


def told(*rows: Interception, full: bool = False) -> list[str]:
    out = io.StringIO()
    Terminal(out).lines(transcript(rows, full=full))
    return out.getvalue().splitlines()


def a_call(text: str, **changed: object) -> Interception:
    opened = an_opened(0)
    return whole(opened, a_closed(opened, replace(a_tool(text=text), **changed)))  # type: ignore[arg-type]


def test_a_session_reads_from_top_to_bottom() -> None:
    first = an_opened(0, prompt="Fix it.\nAll of it.")
    call = a_tool("toolu_1", "Read", '{"file_path": "a.py"}')
    failing = a_tool("toolu_2", "Bash", '{"command": "make\\ntest", "timeout": 5}')
    second = an_opened(
        4,
        prompt=None,
        answered_calls=(
            AnsweredCall("toolu_1", None, 45),
            AnsweredCall("toolu_2", is_error=True, result_bytes=2_345),
        ),
    )
    lines = told(
        whole(
            first, a_closed(first, a_usage((1200, 5, 0, 7)), a_thought("Hm.\nSo."), call, failing)
        ),
        whole(second, a_closed(second, a_usage((1, 2, 3, 0)), seconds=0.5)),
    )
    assert lines == [
        "Session session-1",
        "alice · Claude Code 2.1.0 · 2026-11-24 12:00:00 to 12:00:04 UTC",
        "claude-sonnet-4-5 (anthropic)",
        "2 requests · 1 prompt",
        "Tokens: 1,201 input, 7 output, 3 cache read, 7 cache write",
        "",
        "12:00:00 · alice",
        "▌ Fix it.",
        "▌ All of it.",
        "  12:00:00 · claude-sonnet-4-5 · 2.0 s · 1,200 in, 5 out, 7 cache written",
        "    ┊ Hm.",
        "    ┊ So.",
        "    → Read  file_path: a.py  ✓ 45 B",
        "    → Bash  ✗ error, 2.3 kB",
        "        command:",
        "          make",
        "          test",
        "        timeout: 5",
        "  12:00:04 · claude-sonnet-4-5 · 500 ms · 1 in, 2 out, 3 cached",
        "    answered in text (not recorded)",
    ]


def test_a_failed_request_and_its_repetition_are_one_turn() -> None:
    first = an_opened(0, prompt="Again?")
    failed = a_closed(
        first,
        outcome="failed",
        http_status=529,
        error_type="overloaded",
        error_message="Overloaded",
        usage_missing=True,
    )
    second = an_opened(3, prompt="Again?", retry_count=1)
    lines = told(whole(first, failed), whole(second, a_closed(second, a_usage())))
    assert lines[3] == "2 requests · 1 prompt · 1 failed"
    assert lines.count("▌ Again?") == 1
    assert "    ✗ failed (529 overloaded): Overloaded" in lines
    assert any("retry 1" in line for line in lines)


def test_sub_agents_and_side_requests_say_what_they_are() -> None:
    lines = told(
        whole(an_opened(0, agent="explorer"), None), whole(an_opened(1, auxiliary=True), None)
    )
    assert "12:00:00 · sub-agent explorer" in lines
    assert "12:00:01 · alice · side request of the program" in lines
    assert lines[3] == "2 requests · 0 prompts · 2 running"


def test_what_is_not_known_is_said() -> None:
    opened = an_opened(0, prompt=None, metadata={"prompt_unavailable": "non_text"})
    cut = a_closed(
        opened, a_usage(), outcome="upstream_cut", usage_partial=True, deaf="frame_too_large"
    )
    lines = told(whole(opened, cut))
    assert "▌ (no text, an image or a file)" in lines
    assert any("at least 10 in" in line for line in lines)
    assert "    ✗ upstream cut" in lines
    assert "    the rest was not understood: frame_too_large" in lines
    silent = an_opened(1, prompt=None)
    unknown = told(whole(silent, a_closed(silent, usage_missing=True)))
    assert "▌ (no prompt in this request)" in unknown
    assert any(line.endswith("tokens unknown") for line in unknown)


def test_costs_are_told_of_the_session_and_of_each_answer() -> None:
    first, second = an_opened(0), an_opened(5, prompt=None)
    priced = whole(first, charged(a_closed(first, a_usage()), 4200))
    unpriced = whole(second, a_closed(second, a_usage()))
    lines = told(priced, unpriced)
    assert "Cost: US$0.0042, without 1 answer that no price is known of" in lines
    assert sum(line.endswith("· US$0.0042") for line in lines) == 1
    assert "Cost: US$0.0042" in told(priced)
    assert not any("US$" in line for line in told(unpriced))


def test_an_interjection_stands_where_it_was_made() -> None:
    first = an_opened(0, prompt="Go.")
    prompt = replace(a_prompt("Stop!"), kind="interjection")
    second = replace(
        an_opened(4, answered_calls=(AnsweredCall("toolu_1", None, 1),)), prompt=prompt
    )
    lines = told(whole(first, a_closed(first, a_tool())), whole(second, a_closed(second)))
    assert lines.index("▌ Go.") < lines.index("    → Bash  ✓ 1 B") < lines.index("▌ Stop!")


def test_long_texts_are_cut_unless_all_is_wanted() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    row = a_call(json.dumps({"content": text}))
    short, whole_text = told(row), told(row, full=True)
    assert "          … 88 more lines (--full shows all)" in short
    assert "          line 99" in whole_text
    assert "          line 99" not in short


@pytest.mark.parametrize(
    ("text", "changed", "line"),
    [
        ("{}", {}, "    → Bash  no result seen"),
        ("", {"input_format": "text"}, "    → Bash  no result seen"),
        ('{"a": ', {"input_format": "partial"}, '    → Bash  {"a":  cut off'),
        ("ls -l", {"input_format": "text"}, "    → Bash  ls -l  no result seen"),
        ("[1,2]", {}, "    → Bash  [1,2]  no result seen"),
        ('{"q": [1.50, true]}', {}, "    → Bash  q: [1.5, true]  no result seen"),
        ("{}", {"executed_by": "provider"}, "    → Bash  run by the provider"),
        ("{}", {"server": "docs"}, "    → docs/Bash  no result seen"),
        ('{"deep": ' + "[" * 9999, {}, None),
    ],
)
def test_any_input_of_a_tool_can_be_shown(
    text: str, changed: dict[str, object], line: str | None
) -> None:
    lines = told(a_call(text, **changed))
    assert line is None or line in lines


def test_nothing_in_a_record_reaches_the_terminal_as_a_control() -> None:
    evil = "\x1b[2J\x07"
    opened = an_opened(0, prompt=evil, model=evil, initiator_username=evil, session=evil)
    closed = a_closed(
        opened,
        a_thought(evil),
        a_tool(name=evil, text=json.dumps({evil: evil})),
        outcome="failed",
        error_message=evil,
    )
    assert not any(character in "".join(told(whole(opened, closed))) for character in evil[::4])


def test_figures_are_short() -> None:
    assert [size(n) for n in (0, 999, 1000, 12_345, 9_999_999)] == [
        "0 B", "999 B", "1.0 kB", "12 kB", "10 MB",
    ]  # fmt: skip
    assert [duration(s) for s in (-1, 0.0123, 1.26, 59.94, 61)] == [
        "0 ms", "12 ms", "1.3 s", "59.9 s", "1 min 1 s",
    ]  # fmt: skip
    waited = (0, 59, 61, 7_300, 90_000, 200_000)
    assert [ago(at(0), at(s)) for s in waited] == [
        "now", "now", "1 min ago", "2 h ago", "1 day ago", "2 days ago",
    ]  # fmt: skip


def test_a_client_that_is_not_known_is_named_as_it_names_itself() -> None:
    opened = replace(an_opened(0), client=Client("Unknown", "1", "my-agent/1 linux"))
    assert "unknown client my-agent/1 linux" in told(whole(opened, None))[1]
