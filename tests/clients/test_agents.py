"""Real coding agents through the product: each scenario, and every fact of it.

An agent has a home of its own and a cleaned environment. What it then asked and was told stands
in the scripted provider's log, what became of it in the API.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.agents import AGENTS, BEDROCK_AGENTS, Agent
from tests.clients.comparison import Subject, Tally, compared, is_side
from tests.clients.conftest import LINE
from tests.clients.running import Product
from tests.clients.scenarios import ERRAND, TASK, Scenario
from tests.clients.session_view import compare_session

BINARIES = Path(__file__).parent / "node_modules" / ".bin"
TASK_SECONDS = 180

pytestmark = pytest.mark.clients
CASES = [
    pytest.param(door, name, scenario, id=f"{door}-{name}-{scenario.name}")
    for door in ("run", "run-lambda")
    for name, agent in AGENTS.items()
    for scenario in agent.scenarios
    if door == "run" or scenario.name == "tool"
] + [
    pytest.param("bedrock", name, scenario, id=f"bedrock-{name}-{scenario.name}")
    for name, agent in BEDROCK_AGENTS.items()
    for scenario in agent.scenarios
]
"""All scenarios through one composition; through sandboxes the one that has a bit of all."""


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the agents live: each finds there what it kept from one scenario to the next."""
    return tmp_path_factory.mktemp("homes")


def run(
    agent: Agent,
    arguments: tuple[str, ...],
    product: Product,
    home: Path,
    work: Path,
    key: str | None = None,
) -> int:
    """Let the agent do one task; its exit status. ``key``: the admin's, unless another is given."""
    binary = BINARIES / agent.binary
    if not binary.exists() or shutil.which("node") is None:
        missing = f"{agent.binary} is not installed: npm ci in tests/clients, or make clients"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    def filled(text: str) -> str:
        values = {
            "{A}": product.anthropic,
            "{O}": product.openai,
            "{K}": key or product.key,
            "{G}": product.gateway,
        }
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    for name, text in agent.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(filled(text))
    done = subprocess.run(
        [binary, *arguments],
        cwd=work,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
        | {name: filled(value) for name, value in agent.environment.items()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TASK_SECONDS,
        check=False,
    )
    return done.returncode


def workplace(folder: Path) -> Path:
    work = folder / "work"
    work.mkdir()
    (work / "notes.txt").write_text("the colour is teal\n")
    return work


@pytest.mark.parametrize(("product", "name", "scenario"), CASES, indirect=["product"])
def test_what_an_agent_did_is_recorded_as_it_was(
    name: str,
    scenario: Scenario,
    product: Product,
    homes: Path,
    tmp_path: Path,
    record_property: Any,  # noqa: ANN401 - pytest's own, of no public type
) -> None:
    agent = {**AGENTS, **BEDROCK_AGENTS}[name]
    home, work = homes / name, workplace(tmp_path)
    home.mkdir(exist_ok=True)
    prompts = [scenario.prompt(agent.tool, agent.errand), *filter(None, [scenario.then])]
    product.forget()
    old = product.newest()
    ends = [
        run(agent, tuple(part.replace("{P}", prompt) for part in form), product, home, work)
        for form, prompt in zip((agent.arguments, agent.continued), prompts, strict=False)
    ]
    log, rows = product.log(), product.recorded_since(old)
    subject = subject_of(agent, prompts)
    tally = compared(log, rows, subject)
    record_property(LINE, line_of(name, scenario, tally))
    assert (tally.missing, tally.extra, tally.wrong) == ({}, {}, {})
    own = [entry for entry in log if not is_side(entry, subject)]
    assert len(own) in requests_of(agent, scenario)
    assert all(end == 0 for end in ends) or scenario.name in agent.gives_up
    if agent.session is not None and not scenario.fails:
        compare_session(product, subject, own, prompts)


def subject_of(agent: Agent, prompts: list[str]) -> Subject:
    marks = [TASK, *(text.partition(" [[")[0] for text in prompts[1:])]
    shown = [f'"{text}"' if agent.quotes else text for text in prompts]
    return Subject(
        client=agent.client,
        prompts={ERRAND: ERRAND} | dict(zip(marks, shown, strict=True)),
        always_has_tools=True,
        session=agent.session,
        agent=agent.agent,
        parent=agent.parent,
        rewritten=agent.rewritten,
    )


def requests_of(agent: Agent, scenario: Scenario) -> range:
    """How many requests are right, side requests left out; Codex waits for agents in one more."""
    most = scenario.requests + (scenario.name == "subagent" and "then=" in agent.errand)
    return range(most - (scenario.name in agent.gives_up), most + 1)


def line_of(name: str, scenario: Scenario, tally: Tally) -> str:
    return (
        f"{name:18} {scenario.name:10} {tally.requests:8} {tally.matched:7} "
        f"{len(tally.missing):7} {len(tally.extra):5} {len(tally.wrong):5}"
    )
