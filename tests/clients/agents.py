"""The coding agents: how each is started, and by which headers it says who and where it is.

Versions are those of package.json. ``{A}``, ``{O}`` and ``{K}`` stand for the base URLs of the
Anthropic and the OpenAI provider and for the key; ``{G}`` for the gateway's own, ``{P}`` for the
prompt.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final
from urllib.parse import quote

from tests.clients.scenarios import ERRAND, SCENARIOS, Scenario, named


@final
@dataclass(frozen=True, slots=True)
class Agent:
    """``arguments`` begin a conversation, ``continued`` goes on with the last one.

    ``client`` is the recorded name; ``quotes``: the program puts the prompt in quotation marks.
    ``session``, ``agent``, ``parent`` name the headers with those ids, in lower case, or a
    ``body:`` member. ``gives_up``: the scenarios after whose failure it may not try again.
    ``rewritten``: its requests reach the provider in other words.
    """

    binary: str
    client: str
    arguments: tuple[str, ...]
    continued: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    tool: str = "bash"
    errand: str = ""
    quotes: bool = False
    session: str | None = None
    agent: str | None = None
    parent: str | None = None
    gives_up: tuple[str, ...] = ()
    scenarios: tuple[Scenario, ...] = SCENARIOS
    rewritten: bool = False


def errand(tool: str, members: Mapping[str, object], *more: str) -> str:
    """The wish for a sub-agent: ``tool`` with ``members`` as its input."""
    return ";".join((f"tools={tool}", f"input={quote(json.dumps(members))}", *more))


CLAUDE = Agent(
    binary="claude",
    client="Claude Code",
    arguments=("-p", "{P}", "--allowedTools", "Bash,Agent"),
    continued=("--continue", "-p", "{P}", "--allowedTools", "Bash,Agent"),
    environment={
        "ANTHROPIC_BASE_URL": "{A}",
        "ANTHROPIC_API_KEY": "{K}",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    },
    tool="Bash",
    errand=errand("Agent", {"description": "Look", "prompt": ERRAND, "run_in_background": False}),
    session="x-claude-code-session-id",
    agent="x-claude-code-agent-id",
)

CODEX = Agent(
    binary="codex",
    client="Codex",
    arguments=("exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "{P}"),
    continued=("exec", "--skip-git-repo-check", "resume", "--last", "{P}"),
    environment={"GATEWAY_KEY": "{K}"},
    files={
        ".codex/config.toml": """
model = "gpt-5.2"
model_provider = "gateway"
sandbox_mode = "danger-full-access"
[model_providers.gateway]
name = "Gateway"
base_url = "{O}"
env_key = "GATEWAY_KEY"
wire_api = "responses"
[analytics]
enabled = false
"""
    },
    tool="exec_command",
    errand=errand("spawn_agent", {"message": ERRAND}, "then=wait_agent", "rounds=2"),
    session="session-id",
    agent="thread-id",
    parent="x-codex-parent-thread-id",
)

PROVIDERS: Mapping[str, Mapping[str, Any]] = {
    "messages": {
        "model": "anthropic/claude-sonnet-4-5",
        "small_model": "anthropic/claude-haiku-4-5",
        "provider": {"anthropic": {"options": {"baseURL": "{A}/v1", "apiKey": "{K}"}}},
    },
    "responses": {
        "model": "openai/gpt-5.2",
        "small_model": "openai/gpt-5-mini",
        "provider": {"openai": {"options": {"baseURL": "{O}", "apiKey": "{K}"}}},
    },
    "chat": {
        "model": "chat/gpt-5.2",
        "small_model": "chat/gpt-5-mini",
        "provider": {
            "chat": {
                "npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": "{O}", "apiKey": "{K}"},
                "models": {"gpt-5.2": {}, "gpt-5-mini": {}},
            }
        },
    },
}
GENERAL = {"description": "Look", "prompt": ERRAND, "subagent_type": "general"}


def opencode(dialect: str) -> Agent:
    settings = {"autoupdate": False, "share": "disabled", **PROVIDERS[dialect]}
    return Agent(
        binary="opencode",
        client="OpenCode",
        arguments=("run", "{P}"),
        continued=("run", "--continue", "{P}"),
        environment={
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        },
        files={".config/opencode/opencode.json": json.dumps(settings)},
        errand=errand("task", GENERAL),
        quotes=True,
        session="x-session-id",
        parent="x-parent-session-id",
    )


def kilo(dialect: str, *scenarios: str) -> Agent:
    settings = {"autoupdate": False, "share": "disabled", **PROVIDERS[dialect]}
    return Agent(
        binary="kilo",
        client="Kilo Code",
        arguments=("run", "--auto", "{P}"),
        continued=("run", "--auto", "--continue", "{P}"),
        environment={
            "KILO_DISABLE_AUTOUPDATE": "1",
            "KILO_DISABLE_MODELS_FETCH": "1",
            "KILO_DISABLE_LSP_DOWNLOAD": "1",
            "KILO_DISABLE_CODEBASE_INDEXING": "1",
            "KILO_DISABLE_DEFAULT_PLUGINS": "1",
            "KILO_TELEMETRY_LEVEL": "off",
        },
        files={".config/kilo/kilo.json": json.dumps(settings)},
        errand=errand("task", GENERAL),
        quotes=True,
        session="x-session-id",
        parent="x-parent-session-id",
        gives_up=("cut",) if dialect == "chat" else (),
        scenarios=named(*scenarios) if scenarios else SCENARIOS,
    )


def copilot(dialect: str) -> Agent:
    """With a key of its own and no word to GitHub; it names no session but in Responses."""
    wire = {"responses": "responses", "chat": "completions"}
    is_openai = dialect in wire
    return Agent(
        binary="copilot",
        client="GitHub Copilot (CLI)",
        arguments=("-p", "{P}", "--allow-all-tools"),
        continued=("--continue", "-p", "{P}", "--allow-all-tools"),
        environment={
            "COPILOT_OFFLINE": "true",
            "COPILOT_PROVIDER_TYPE": "openai" if is_openai else "anthropic",
            "COPILOT_PROVIDER_BASE_URL": "{O}" if is_openai else "{A}",
            "COPILOT_PROVIDER_API_KEY": "{K}",
            "COPILOT_PROVIDER_MAX_PROMPT_TOKENS": "200000",
            "COPILOT_PROVIDER_MAX_OUTPUT_TOKENS": "32000",
            "COPILOT_MODEL": "gpt-5.2" if is_openai else "claude-sonnet-4-5",
            **({"COPILOT_PROVIDER_WIRE_API": wire[dialect]} if is_openai else {}),
        },
        session="body:prompt_cache_key" if dialect == "responses" else None,
        errand=errand(
            "task",
            {
                "name": "looker",
                "description": "Look",
                "prompt": ERRAND,
                "agent_type": "general-purpose",
                "mode": "sync",
            },
        ),
    )


AGENTS: Mapping[str, Agent] = {
    "claude": CLAUDE,
    "codex": CODEX,
    **{f"opencode-{dialect}": opencode(dialect) for dialect in PROVIDERS},
    "kilo-messages": kilo("messages"),
    "kilo-responses": kilo("responses", "tool", "subagent", "cut"),
    "kilo-chat": kilo("chat", "tool", "cut"),
    **{f"copilot-{dialect}": copilot(dialect) for dialect in PROVIDERS},
}


def claude_through(provider: str, *, rewritten: bool) -> Agent:
    """Claude Code with a provider of another name; it does not know what stands behind."""
    environment = {**CLAUDE.environment, "ANTHROPIC_BASE_URL": "{G}/" + provider}
    return replace(CLAUDE, environment=environment, rewritten=rewritten)


BEDROCK_AGENTS: Mapping[str, Agent] = {
    "claude-invoke-model": claude_through("invoke-model", rewritten=True),
    "claude-mantle": claude_through("mantle", rewritten=False),
}
