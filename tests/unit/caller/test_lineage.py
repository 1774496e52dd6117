"""Session, agent and parent of each client. Header sets as on the wire, values invented."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.caller.clients import (
    CLAUDE_CODE,
    CODEX,
    COPILOT_CLI,
    COPILOT_VS_CODE,
    KILO_CODE,
    OPENCODE,
    Client,
)
from aigateway.caller.lineage import Lineage, lineage_of
from aigateway.transcript.facts import Opening

UUID = "3f2b8c1e-0000-4000-8000-00000000000a"
OLD_USER = f"user_{'ab' * 32}_account_{UUID}_session_{UUID}"
Shown = dict[str, str]


def opening(
    hints: Shown | None = None, *, tools: int = 1, max_tokens: int | None = None
) -> Opening:
    plain: dict[str, Any] = {"model": "m", "streaming": True, "background": False, "prompt": None}
    plain |= {"prompt_unavailable": None, "answered_calls": (), "previous_response_id": None}
    return Opening(**plain, session_hints=hints or {}, tools=tools, max_tokens=max_tokens)


def lineage(client: str, shown: Shown, opened: Opening | None = None) -> Lineage:
    headers = tuple((name.encode(), content.encode("latin-1")) for name, content in shown.items())
    return lineage_of(headers, Client(client, None, ""), opened or opening())


SESSIONS: list[tuple[str, Shown, Shown, str | None]] = [
    (CLAUDE_CODE, {"X-Claude-Code-Session-Id": UUID}, {}, UUID),
    (CLAUDE_CODE, {"x-claude-code-session-id": " "}, {"user_id": OLD_USER}, UUID),
    (CLAUDE_CODE, {}, {"user_id": json.dumps({"device_id": "d", "session_id": UUID})}, UUID),
    (CLAUDE_CODE, {"x-claude-code-session-id": "head"}, {"user_id": OLD_USER}, "head"),
    (CLAUDE_CODE, {}, {"user_id": "somebody"}, None),
    (CLAUDE_CODE, {}, {"user_id": '{"session_id": 5}'}, None),
    (CLAUDE_CODE, {}, {"user_id": '{"other": "a_session_b"}'}, None),
    (CLAUDE_CODE, {}, {"user_id": "[" * 4000}, None),
    (CLAUDE_CODE, {}, {"user_id": '{"a":' * 2000}, None),
    (CLAUDE_CODE, {}, {"user_id": "user_x_session_"}, None),
    (CLAUDE_CODE, {"x-session-id": "generic-1"}, {}, None),
    (CODEX, {"session-id": "new", "session_id": "old"}, {"prompt_cache_key": "body"}, "new"),
    (CODEX, {"session_id": "old"}, {"prompt_cache_key": "body"}, "old"),
    (CODEX, {}, {"prompt_cache_key": "body"}, "body"),
    ("Mux", {"X-Mux-Workspace-Id": "w1"}, {}, "w1"),
    (COPILOT_VS_CODE, {"x-interaction-id": "i1", "vscode-sessionid": "window"}, {}, "i1"),
    (COPILOT_VS_CODE, {"vscode-sessionid": "window"}, {}, None),
    (COPILOT_CLI, {"X-Client-Session-Id": "c1"}, {"prompt_cache_key": "body"}, "c1"),
    (COPILOT_CLI, {}, {"prompt_cache_key": "ab" * 16}, "ab" * 16),
    (COPILOT_CLI, {}, {}, None),
    (KILO_CODE, {"x-session-id": "ses_1", "X-KILOCODE-TASKID": "task"}, {}, "ses_1"),
    (KILO_CODE, {"X-KILOCODE-TASKID": "task"}, {}, "task"),
    ("Coder Agents", {"X-Coder-Chat-Id": "chat"}, {}, "chat"),
    (OPENCODE, {"x-session-id": "a", "X-OpenCode-Session": "b"}, {}, "a"),
    (OPENCODE, {"X-OpenCode-Session": "b", "x-session-affinity": "c"}, {}, "b"),
    (OPENCODE, {"x-session-affinity": "c"}, {}, "c"),
]  # fmt: skip


@pytest.mark.parametrize(("client", "shown", "hints", "session"), SESSIONS)
def test_a_session_is_read_from_the_clients_own_headers(
    client: str, shown: Shown, hints: Shown, session: str | None
) -> None:
    assert lineage(client, shown, opening(hints)).client_session_id == session


@pytest.mark.parametrize("client", ["Zed", "Roo Code", "Cursor", "Junie", "Charm Crush", "Unknown"])
@pytest.mark.parametrize(
    ("shown", "session"),
    [
        ({"x-session-id": " My.session_1:2-3 "}, "My.session_1:2-3"),
        ({"x-session-id": "1234567"}, None),
        ({"x-session-id": "a" * 129}, None),
        ({"x-session-id": "no id at all"}, None),
        ({"session-id": UUID, "x-claude-code-session-id": UUID}, None),
    ],
)
def test_other_clients_are_believed_what_looks_like_an_id(
    client: str, shown: Shown, session: str | None
) -> None:
    assert lineage(client, shown).client_session_id == session


AGENTS: list[tuple[str, Shown, str | None, str | None]] = [
    (CLAUDE_CODE, {"x-claude-code-agent-id": "a0123456789abcdef"}, "a0123456789abcdef", None),
    (CLAUDE_CODE, {"x-parent-session-id": "p"}, None, None),
    (CODEX, {"session-id": "root", "thread-id": "root"}, None, None),
    (CODEX, {"session-id": "root", "thread-id": "child", "x-codex-parent-thread-id": "root"},
     "child", "root"),
    (CODEX, {"session_id": "root", "thread-id": "root"}, None, None),
    (CODEX, {"session_id": "root", "thread-id": "child"}, "child", None),
    (CODEX, {"thread-id": "root"}, None, None),
    (OPENCODE, {"x-session-id": "ses_2", "x-parent-session-id": "ses_1"}, None, "ses_1"),
    (KILO_CODE, {"x-session-id": "ses_2", "x-parent-session-id": "ses_1"}, None, "ses_1"),
    (COPILOT_CLI, {"X-Agent-Task-Id": "t", "X-Parent-Agent-Id": "p"}, "t", "p"),
    ("Unknown", {"x-claude-code-agent-id": "a", "x-parent-session-id": "p"}, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("client", "shown", "agent", "parent"), AGENTS)
def test_sub_agents_and_parents(
    client: str, shown: Shown, agent: str | None, parent: str | None
) -> None:
    found = lineage(client, shown)
    assert (found.agent_id, found.parent_session_id) == (agent, parent)


TITLE = json.dumps({"session_id": "s", "thread_source": "thread_title"})


@pytest.mark.parametrize(
    ("client", "shown", "opened", "expected"),
    [
        (CLAUDE_CODE, {}, opening(tools=0), True),
        (OPENCODE, {}, opening(tools=0), True),
        (KILO_CODE, {}, opening(tools=0), True),
        (COPILOT_CLI, {}, opening(tools=0), True),
        (CODEX, {}, opening(tools=0), True),
        (CODEX, {"x-codex-turn-metadata": TITLE}, opening(), True),
        (CODEX, {"x-codex-turn-metadata": '{"thread_source": "user"}'}, opening(), False),
        (CODEX, {"x-codex-turn-metadata": "[" * 5000}, opening(), False),
        (CLAUDE_CODE, {"x-codex-turn-metadata": TITLE}, opening(), False),
        (CLAUDE_CODE, {}, opening(), False),
        (CLAUDE_CODE, {}, opening(max_tokens=1), True),
        ("Unknown", {}, opening(tools=0), False),
        ("Unknown", {}, opening(tools=0, max_tokens=1), True),
    ],
)
def test_titles_and_other_side_requests_are_marked(
    client: str, shown: Shown, opened: Opening, *, expected: bool
) -> None:
    assert lineage(client, shown, opened).auxiliary is expected


def test_a_body_that_could_not_be_read_leaves_the_headers() -> None:
    headers = ((b"session-id", b"root"),)
    found = lineage_of(headers, Client(CODEX, None, ""), None)
    assert found == Lineage("root", None, None, auxiliary=False)


@given(some.binary(max_size=600))
def test_ids_are_trimmed_cut_and_printable(content: bytes) -> None:
    headers = (
        (b"session-id", content),
        (b"thread-id", content),
        (b"x-codex-parent-thread-id", content),
    )
    found = lineage_of(headers, Client(CODEX, None, ""), None)
    assert found.agent_id is None, "the same id is the same thread"
    for value in (found.client_session_id, found.parent_session_id):
        assert value is None or (value.isprintable() and 0 < len(value) <= 256)


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        (' \n{"session_id":"s-1"}', "s-1"),
        ("user_a_session_b_account_c_session_d", "d"),
        ('{"device_id":"x"}', None),
        ("[1]", None),
        ("", None),
    ],
)
def test_claude_code_s_user_id_tells_the_session_in_two_forms(
    user_id: str, session: str | None
) -> None:
    assert lineage(CLAUDE_CODE, {}, opening({"user_id": user_id})).client_session_id == session


@pytest.mark.parametrize("turn", ["[]", '"x"', "", "{"])
def test_turn_metadata_that_is_no_object_tells_nothing(turn: str) -> None:
    assert not lineage(CODEX, {"x-codex-turn-metadata": turn}).auxiliary
