"""Which program sent a request. Agents as they are on the wire, values invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.caller.clients import TABLE, UNKNOWN, client_of

Pairs = tuple[tuple[str, str], ...]

CASES: list[tuple[str | None, Pairs, str, str | None]] = [
    ("claude-cli/2.1.330 (external, sdk-cli)", (("x-app", "cli"),), "Claude Code", "2.1.330"),
    ("claude-code/2.1.330", (), "Claude Code", "2.1.330"),
    ("Bun/1.4.4", (), "Unknown", "1.4.4"),
    ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb (codex_exec; 0.169.0)",
     (("originator", "codex_exec"),), "Codex", "0.169.0"),
    ("codex-tui/0.169.0 (Debian 12.0.0; x86_64) xterm-256color (codex-tui; 0.169.0)",
     (("originator", "codex-tui"),), "Codex", "0.169.0"),
    ("codex_cli_rs/0.20.0", (), "Codex", "0.20.0"),
    ("opencode/1.18.33 ai-sdk/provider-utils/4.0 runtime/bun/1.3", (), "OpenCode", "1.18.33"),
    ("opencode/1.18.33 (linux 6.1; x64) ai-sdk/3.0", (("originator", "opencode"),), "OpenCode",
     "1.18.33"),
    ("kilo/latest/7.7.7/cli ai-sdk/3.0 runtime/bun/1.3", (), "Kilo Code", "7.7.7"),
    ("Kilo-Code/7.7.7 ai-sdk/3.0", (("x-title", "Kilo Code"),), "Kilo Code", "7.7.7"),
    ("opencode/7.7.7 (linux 6.1; x64) ai-sdk/3.0",
     (("originator", "opencode"), ("x-title", "Kilo Code"), ("http-referer", "https://kilocode.ai")),
     "Kilo Code", "7.7.7"),
    ("claude-cli/2.1.330", (("x-title", "kilo code"),), "Kilo Code", "2.1.330"),
    ("node", (("originator", "kilo-code"),), "Kilo Code", None),
    ("node", (("originator", "roo-code"),), "Roo Code", None),
    ("roo-code/3.2.1", (), "Roo Code", "3.2.1"),
    ("OpenAI/JS 5.20.1", (("x-initiator", "user"),), "GitHub Copilot (CLI)", None),
    ("Anthropic/JS 0.94.0", (("x-initiator", "agent"),), "GitHub Copilot (CLI)", None),
    ("OpenAI/JS 5.20.1", (), "Unknown", None),
    ("OpenAI/JS 5.20.1", (("x-initiator", " "),), "Unknown", None),
    ("copilot/1.0.102", (), "GitHub Copilot (CLI)", "1.0.102"),
    ("GitHubCopilotChat/0.30.1", (), "GitHub Copilot (VS Code)", "0.30.1"),
    ("Mozilla/5.0", (("x-cursor-client-version", "1.2.3"),), "Cursor", "5.0"),
    ("Mozilla/5.0", (("x-cursor-client-version", ""),), "Unknown", "5.0"),
    ("Zed/0.200.5", (), "Zed", "0.200.5"),
    ("mux/0.9.0", (), "Mux", "0.9.0"),
    ("xum/1.0.0", (), "Mux", "1.0.0"),
    ("coder-agents/2.30.0", (), "Coder Agents", "2.30.0"),
    ("Charm Crush/0.7.1", (), "Charm Crush", "0.7.1"),
    ("charm-crush/v0.7.1", (), "Charm Crush", "0.7.1"),
    ("junie:1.2.3", (), "Junie", "1.2.3"),
    # RooCodeInc/Roo-Code src/api/providers/constants.ts; one of its forks names itself behind it.
    ("RooCode/3.25.0", (("x-title", "Roo Code"),), "Roo Code", "3.25.0"),
    ("RooCode/3.25.0 ZooCode/3.25.0 (VSCode; OpenAI-Compatible)", (), "Roo Code", "3.25.0"),
    # cline/cline, its DEFAULT_HEADERS: the version of the extension.
    ("Cline/3.47.0", (("x-title", "Cline"),), "Cline", "3.47.0"),
    # continuedev/continue extensions/cli: the terminal program; its editor extensions say nothing.
    ("Continue-CLI/1.5.2", (), "Continue", "1.5.2"),
    # google-gemini/gemini-cli packages/core/src/core/contentGenerator.ts.
    ("GeminiCLI/0.40.0/gemini-3-pro (linux; x64)", (), "Gemini CLI", "0.40.0"),
    # QwenLM/qwen-code packages/core/src/core/openaiContentGenerator/provider/default.ts.
    ("QwenCode/0.14.1 (linux; x64)", (), "Qwen Code", "0.14.1"),
    ("Anthropic/Python 2.12.0", (), "Unknown", None),
    ("OpenAI/Python 3.54.0", (), "Unknown", None),
    ("zed", (), "Unknown", None),
    ("my claude-cli/1", (), "Unknown", None),
    ("", (), "Unknown", None),
    (None, (), "Unknown", None),
]  # fmt: skip


@pytest.mark.parametrize(("agent", "others", "name", "version"), CASES)
def test_clients_are_told_by_their_headers(
    agent: str | None, others: Pairs, name: str, version: str | None
) -> None:
    pairs = (() if agent is None else (("User-Agent", agent),)) + others
    client = client_of(tuple((k.encode(), v.encode()) for k, v in pairs))
    assert (client.name, client.version) == (name, version)
    assert client.user_agent == (agent or "")


@given(some.binary(max_size=3000))
def test_i18_an_agent_is_cut_and_printable_and_its_name_from_the_table(agent: bytes) -> None:
    client = client_of(((b"user-agent", agent),))
    assert client.name in {name for name, _ in TABLE} | {UNKNOWN}
    assert client.user_agent.isprintable()
    assert len(client.user_agent) <= 2048
    assert client.version is None or len(client.version) <= 64


def test_a_version_is_kept_up_to_64_characters() -> None:
    client = client_of(((b"user-agent", b"claude-cli/" + b"1" * 65),))
    assert client.version == "1" * 64
