"""Real coding agents through the product: what the API shows against what the provider did.

Both compositions serve them: ``aigw run``, and ``aigw run-lambda`` with the gateway in sandboxes.

Each agent finishes a task that needs a tool, in a home and working directory of its own, with a
cleaned environment. Then every recorded interception of its session is compared with the
scripted provider's log: the request that arrived, and what the answer to it held.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(__file__).parent / "node_modules" / ".bin"
START_SECONDS = 60
TASK_SECONDS = 120
SETTLE_SECONDS = 15
TASK = "Read notes.txt and tell me the colour"
THOUGHT = "The colour stands in the file."
COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
)

pytestmark = pytest.mark.clients


@final
@dataclass(frozen=True, slots=True)
class Product:
    """A running product and its scripted provider, addressed by their base URLs."""

    gateway: str
    api: str
    provider: str
    key: str

    def records(self, what: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON of any shape
        url = f"{self.api}/api/v2/aibridge/{what}?{urlencode(parameters)}"
        request = Request(url, headers={"Coder-Session-Token": self.key})  # noqa: S310 - loopback
        return answer_to(request)

    def log(self) -> list[dict[str, Any]]:
        return list(answer_to(Request(f"{self.provider}/_log")))  # noqa: S310 - loopback

    def forget(self) -> None:
        answer_to(Request(f"{self.provider}/_log/reset", method="POST"))  # noqa: S310 - loopback


def answer_to(request: Request) -> Any:  # noqa: ANN401 - JSON of any shape
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)


@final
@dataclass(frozen=True, slots=True)
class Agent:
    """How one agent is started; ``{A}``, ``{O}`` and ``{K}`` are base URLs and key.

    ``client`` is the name the records must show, ``prompt`` the human's words in them, ``side``
    the number of requests it makes beside the task (titles).
    """

    binary: str
    arguments: tuple[str, ...]
    client: str
    prompt: str
    environment: Mapping[str, str]
    files: Mapping[str, str]
    side: int = 0


CODEX = """
model = "gpt-5.2"
model_provider = "gateway"
[model_providers.gateway]
name = "Gateway"
base_url = "{O}"
env_key = "GATEWAY_KEY"
wire_api = "responses"
[analytics]
enabled = false
"""
OPENCODE: dict[str, Any] = {"autoupdate": False, "share": "disabled"}
OPENCODE_QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
}
OPENCODE_FILE = ".config/opencode/opencode.json"
MESSAGES = OPENCODE | {
    "model": "anthropic/claude-sonnet-4-5",
    "small_model": "anthropic/claude-haiku-4-5",
    "provider": {"anthropic": {"options": {"baseURL": "{A}/v1", "apiKey": "{K}"}}},
}
CHAT = OPENCODE | {
    "model": "chat/gpt-5.2",
    "small_model": "chat/gpt-5-mini",
    "provider": {
        "chat": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": "{O}", "apiKey": "{K}"},
            "models": {"gpt-5.2": {}, "gpt-5-mini": {}},
        }
    },
}
SHOWING = f"{TASK} [[fake think={quote(THOUGHT)}]]"
"""Claude Code and a chat server show no reasoning unless the scripted provider is told to."""

AGENTS = {
    "claude": Agent(
        binary="claude",
        arguments=("-p", SHOWING, "--allowedTools", "Bash"),
        client="Claude Code",
        prompt=SHOWING,
        environment={
            "ANTHROPIC_BASE_URL": "{A}",
            "ANTHROPIC_API_KEY": "{K}",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        files={},
    ),
    "codex": Agent(
        binary="codex",
        arguments=("exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", TASK),
        client="Codex",
        prompt=TASK,
        environment={"GATEWAY_KEY": "{K}"},
        files={".codex/config.toml": CODEX},
    ),
    "opencode": Agent(
        binary="opencode",
        arguments=("run", TASK),
        client="OpenCode",
        prompt=f'"{TASK}"',
        environment=OPENCODE_QUIET,
        files={OPENCODE_FILE: json.dumps(MESSAGES)},
        side=1,
    ),
    "opencode-chat": Agent(
        binary="opencode",
        arguments=("run", SHOWING),
        client="OpenCode",
        prompt=f'"{SHOWING}"',
        environment=OPENCODE_QUIET,
        files={OPENCODE_FILE: json.dumps(CHAT)},
        side=1,
    ),
}


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module", params=("run", "run-lambda"))
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    gateway, api, provider = free_ports(3)
    key = f"aigw_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "GATEWAY_PORT": str(gateway),
        "API_PORT": str(api),
        "PROVIDER_PORT": str(provider),
        "AIGW_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "AIGW_ADMIN_KEY": key,
    }
    running = subprocess.Popen(
        [ROOT / "bin" / "aigw", request.param],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    ready = threading.Event()
    listening = threading.Thread(target=hear, args=(running, said, ready))
    listening.start()
    try:
        heard = ready.wait(START_SECONDS) and any(line.startswith("ready ") for line in said)
        assert heard, "".join(said)
        yield Product(local(gateway), local(api), local(provider), key)
    finally:
        running.send_signal(signal.SIGINT)
        try:
            status = running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            raise
        finally:
            listening.join(10)
    assert status == 0, "".join(said)


def hear(running: subprocess.Popen[str], said: list[str], ready: threading.Event) -> None:
    """Read all that the product prints, so that it never blocks; ready at its line or its end."""
    assert running.stdout is not None
    with running.stdout as lines:
        for line in lines:
            said.append(line)
            if line.startswith("ready "):
                ready.set()
    ready.set()


def run(agent: Agent, product: Product, folder: Path) -> str:
    """Let the agent do its task; what it printed."""
    binary = BINARIES / agent.binary
    if not binary.exists() or shutil.which("node") is None:
        missing = f"{agent.binary} is not installed: npm ci in tests/clients, or make clients"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    def filled(text: str) -> str:
        values = {
            "{A}": f"{product.gateway}/anthropic",
            "{O}": f"{product.gateway}/openai/v1",
            "{K}": product.key,
        }
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    home, work = folder / "home", folder / "work"
    for name, text in agent.files.items():
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text(filled(text))
    home.mkdir(exist_ok=True)
    work.mkdir()
    (work / "notes.txt").write_text("the colour is teal\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"} | {
        name: filled(value) for name, value in agent.environment.items()
    }
    done = subprocess.run(
        [binary, *agent.arguments],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TASK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def sessions(product: Product) -> dict[str, Any]:
    """The listed sessions by id, the newest first."""
    return {session["id"]: session for session in product.records("sessions")["sessions"]}


def settled(product: Product, old: set[str], expected: int) -> tuple[Any, list[Any]]:
    """The one session that is new, and its interceptions once all of them have ended."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        new = [session for key, session in sessions(product).items() if key not in old]
        results: list[Any] = []
        if new:
            found = product.records("interceptions", session_id=new[0]["id"])
            results = sorted(found["results"], key=lambda result: result["started_at"])
        if len(results) == expected or time.monotonic() > until:
            assert len(new) == 1, f"{len(new)} new sessions"
            return new[0], results
        time.sleep(0.05)


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_s_task_is_recorded_as_the_provider_answered_it(
    name: str, product: Product, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = AGENTS[name]
    product.forget()
    old = set(sessions(product))
    printed = run(agent, product, tmp_path)
    assert "Done" in printed
    log = [entry for entry in product.log() if entry["answered"]]
    assert len(log) == 2 + agent.side
    session, interceptions = settled(product, old, len(log))
    assert len(interceptions) == len(log)
    by_response = {result["provider_response_id"]: result for result in interceptions}
    for entry in log:
        compare(by_response[entry["answered"]["response_id"]], entry, agent)
    compare_session(product, session, log, agent)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{name}: 1 session, {len(log)} interceptions, equal to the provider's log in\n"
            "  client, initiator, prompt, model, request hash, bytes, stop reason, token counts,\n"
            f"  tool calls {calls_in(log)}, thoughts {thoughts_in(log)}\n"
        )


def calls_in(log: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    answers = [entry["answered"] for entry in log]
    return [tuple(call.values()) for answer in answers for call in answer["tool_calls"]]


def thoughts_in(log: list[dict[str, Any]]) -> list[str]:
    return [thought for entry in log for thought in entry["answered"]["thoughts"]]


def compare(result: dict[str, Any], entry: dict[str, Any], agent: Agent) -> None:
    answered = entry["answered"]
    told = {
        "client": agent.client,
        "initiator": "admin",
        "outcome": "completed",
        "model": answered["model"],
        "dialect": answered["dialect"],
        "streaming": answered["streaming"],
        "stop_reason": answered["stop_reason"],
        "provider_request_id": entry["request_id"],
        "request_sha256": entry["body_sha256"],
        "request_bytes": entry["body_bytes"],
        "response_bytes": entry["response_bytes"],
        "auxiliary": is_side(entry),
    }
    recorded = result | {"initiator": result["initiator"]["username"]}
    assert {name: recorded[name] for name in told} == told
    [usage] = result["token_usages"]
    assert {count: usage[count] for count in COUNTS} == answered["usage"]
    calls = [
        {
            "call_id": usage["provider_tool_call_id"],
            "name": usage["tool"],
            "input": usage["input"],
        }
        for usage in result["tool_usages"]
    ]
    assert calls == answered["tool_calls"]
    assert not any(usage["injected"] for usage in result["tool_usages"])
    assert [thought["content"] for thought in result["model_thoughts"]] == answered["thoughts"]
    if not is_side(entry):
        prompts = [prompt["prompt"] for prompt in result["user_prompts"]]
        assert prompts == ([agent.prompt] if answered["tool_calls"] else [])


def is_side(entry: dict[str, Any]) -> bool:
    """A request without a tool call that does not close the task is one on the side."""
    answered = entry["answered"]
    return not answered["tool_calls"] and not answered["text"].startswith("Done")


def compare_session(
    product: Product, session: dict[str, Any], log: list[dict[str, Any]], agent: Agent
) -> None:
    sums = {count: sum(entry["answered"]["usage"][count] for entry in log) for count in COUNTS}
    summary = session["token_usage_summary"]
    assert {count: summary[count] for count in COUNTS} == sums
    assert session["last_prompt"] == agent.prompt
    assert (session["client"], session["threads"]) == (agent.client, 1)
    assert session["initiator"]["username"] == "admin"
    detail = product.records(f"sessions/{quote(session['id'], safe='')}")
    shown = [
        (call["provider_tool_call_id"], call["tool"], call["input"])
        for thread in detail["threads"]
        if thread.get("prompt") == agent.prompt
        for action in thread["agentic_actions"]
        for call in action["tool_calls"]
    ]
    assert shown == calls_in(log)
    assert len(shown) == 1
    assert thoughts_in(log)
