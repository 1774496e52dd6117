import pytest

from aigateway.transcript.prompts import filter_for, without_segments

CLAUDE = filter_for("Claude Code")
CODEX = filter_for("Codex")
REMINDER = "<system-reminder>\nBe brief.\n</system-reminder>"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (REMINDER, ""),
        (f"{REMINDER}\n\nfix it", "fix it"),
        (f"fix it\n{REMINDER}", "fix it"),
        (f"  fix  \n\n {REMINDER} \n  it  ", "  fix\nit  "),
        (f"{REMINDER}{REMINDER}\nfix it{REMINDER}", "fix it"),
        (f"a {REMINDER} b {REMINDER} c", "a\nb\nc"),
        (f"a {REMINDER} {REMINDER} c", "a\nc"),
        ("what does <system-reminder> do?", "what does <system-reminder> do?"),
        ("a </system-reminder> b", "a </system-reminder> b"),
        ("  plain \n", "  plain \n"),
        ("<environment_context>x</environment_context>", None),
    ],
)
def test_complete_segments_go_with_the_white_space_next_to_them(
    text: str, rest: str | None
) -> None:
    assert without_segments(text, CLAUDE) == (text if rest is None else rest)


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("Codex", "<environment_context>x</environment_context>"),
        ("Codex", "<user_instructions>\nx\n</user_instructions>"),
        ("Codex", "<permissions instructions>x</permissions instructions>"),
        ("Codex", "<skills_instructions>x</skills_instructions>"),
        ("Codex", "<subagent_notification>{}</subagent_notification>"),
        ("Codex", "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>"),
        ("Kilo Code", "\n\n<environment_details>\nx\n</environment_details>"),
        ("GitHub Copilot (CLI)", "<current_datetime>now</current_datetime>\n\n"),
        ("GitHub Copilot (CLI)", "<reminder>x</reminder>"),
        ("Claude Code", "<command-message>init</command-message>"),
    ],
)
def test_each_client_has_its_own_segments(client: str, text: str) -> None:
    assert without_segments(text, filter_for(client)).strip() == ""
    assert without_segments(text, filter_for("Unknown")) == text
    assert without_segments(text, filter_for("Zed")) == text


def test_the_instructions_of_a_mixed_text_leave_the_prompt() -> None:
    text = "# AGENTS.md instructions for /a\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>\nfix it"
    assert without_segments(text, CODEX) == "fix it"
