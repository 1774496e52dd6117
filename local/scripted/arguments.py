"""Which offered tool the script calls, and with which input.

A coding agent runs what it is told, so the commands only look: ``ls``, or ``cat`` of a file that
the prompt names in plain letters.
"""

import re
from collections.abc import Mapping
from typing import Any

FILE_NAME = re.compile(r"(?<![\w./-])\w[\w-]*\.(?:txt|md|py|json|toml|csv|js|ts|go|rs)\b")
SHELLS = ("exec_command", "shell_command", "shell", "Bash", "bash", "Read", "read")
"""Tools that Codex, Claude Code, OpenCode and Kilo offer, in order of preference."""
NEUTRAL: Mapping[str, Any] = {"integer": 1, "number": 1.5, "boolean": False, "null": None}
LOOKING = ("ls", "pwd", "date")
MAX_DEPTH = 8


def preferred(names: list[str]) -> str:
    """The tool to call: a shell that a known agent offers, else the first."""
    return next((shell for shell in SHELLS if shell in names), names[0])


def known_value(name: str, prompt: str, variant: int) -> str | None:
    """The value of a member that means the same in every coding agent.

    ``variant`` numbers the parallel calls of one answer, so that no two of them are equal.
    """
    named = FILE_NAME.findall(prompt)
    match name:
        case "cmd" | "command":
            beyond = variant - len(named)
            return f"cat {named[variant]}" if beyond < 0 else LOOKING[beyond % len(LOOKING)]
        case "file_path" | "filePath" | "path":
            return named[variant % len(named)] if named else "README.md"
        case "pattern":
            return "*"
        case "description":
            return "Look at the files"
        case "title":
            return "A look at the files"
        case _:
            return None


def example(
    schema: Mapping[str, Any], prompt: str, variant: int = 0, name: str = "", depth: int = 0
) -> object:
    """A value that a JSON schema admits, as far as type, enum and required members say.

    Members that are not required are left out, but for the command of a shell.
    """
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    known = known_value(name, prompt, variant)
    if kind == "string":
        return known or (f"{name or 'example'}-{variant + 1}" if variant else name or "example")
    if kind == "array":
        return ["bash", "-lc", known] if name == "command" else []
    if kind != "object" or depth > MAX_DEPTH:
        return NEUTRAL.get(kind, {})
    members: Mapping[str, Any] = schema.get("properties") or {}
    wanted = [*(schema.get("required") or ()), *({"cmd", "command"} & members.keys())]
    return {
        member: example(members.get(member) or {}, prompt, variant, member, depth + 1)
        for member in dict.fromkeys(wanted)
    }
