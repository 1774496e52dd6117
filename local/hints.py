"""What a start prints: the ready line, the first key, three commands to paste."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from aigateway.settings import DEFAULT_STATE_DIR

PROMPT = "Read the file README.md and tell me what it says."
MODELS = {"anthropic": "claude-sonnet-5", "openai": "gpt-5-mini"}


def printed_start(
    ports: Mapping[str, int],
    key: str,
    provider: str,
    kind: str,
    *,
    state_dir: Path,
    shown: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the text; the commands work as they stand, from the directory of the start.

    ``shown``: variables that the command line needs beside the state directory.
    """
    gateway = f"http://127.0.0.1:{ports['gateway']}"
    api = f"http://127.0.0.1:{ports['control']}"
    aigw = os.path.relpath(Path(__file__).parents[1] / "bin" / "aigw")
    elsewhere = state_dir.absolute() != DEFAULT_STATE_DIR.absolute()
    needed = ({"AIGW_STATE_DIR": str(state_dir)} if elsewhere else {}) | dict(shown)
    where = "".join(f"{name}={shlex.quote(value)} " for name, value in needed.items())
    return "\n".join(
        [
            f"ready gateway={gateway} api={api}",
            f"key {key}",
            "",
            "send a streamed message:",
            message_command(gateway, key, provider, kind),
            "",
            "list the sessions:",
            f"curl -s {api}/api/v2/aibridge/sessions -H 'Coder-Session-Token: {key}'",
            "",
            "show the newest one:",
            f"{where}{shlex.quote(aigw)} session last",
        ]
    )


def message_command(gateway: str, key: str, provider: str, kind: str) -> str:
    """Return a curl command that sends a streamed message in the provider's dialect."""
    if kind in ("anthropic", "bedrock"):
        path, limit = "v1/messages", ',"max_tokens":1024'
        extra = " -H 'anthropic-version: 2023-06-01'"
    else:
        path = "chat/completions" if kind == "copilot" else "v1/chat/completions"
        extra, limit = "", ',"stream_options":{"include_usage":true}'
    model = MODELS["anthropic" if kind in ("anthropic", "bedrock") else "openai"]
    body = (
        f'{{"model":"{model}","stream":true{limit},'
        f'"messages":[{{"role":"user","content":"{PROMPT}"}}]}}'
    )
    return (
        f"curl -sN {gateway}/{provider}/{path} -H 'Authorization: Bearer {key}'"
        f" -H 'Content-Type: application/json'{extra} -d '{body}'"
    )
