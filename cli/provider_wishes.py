"""What a command line says of a provider; its keys come from a file or standard input."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aigateway.pool.key_pairs import PAIR
from cli.ledger import Mistake

STDIN = "-"
SECRET = ("api_key", "api_keys", *PAIR)
"""Members that hold keys: what stands in a command line is seen by everybody on the machine."""


def members(wanted: Namespace) -> dict[str, Any]:
    """Return the wanted members; those of an option go before those of the file."""
    given = _document(wanted.file) if wanted.file else {}
    for each in wanted.set:
        name, _, text = each.partition("=")
        value = _value(name, text)
        if name in SECRET or any(f'"{secret}"' in text for secret in SECRET):
            raise Mistake(
                f"--set {name}: keys stand in a file: --key-file, or --file for others", 2
            )
        given[name] = value
    for name in ("base_url", "display_name"):
        if getattr(wanted, name) is not None:
            given[name] = getattr(wanted, name) or None
    if wanted.key_ref:
        given["api_key_refs"] = wanted.key_ref
    return given


def fresh_keys(wanted: Namespace) -> dict[str, list[str]]:
    """Return the keys of a new provider."""
    return {"api_keys": _keys(wanted.key_file)} if wanted.key_file else {}


def wanted_keys(held: Sequence[dict[str, Any]], wanted: Namespace) -> list[object]:
    """Return the keys that stay, and then the new ones."""
    unknown = set(wanted.remove_key) - {key["id"] for key in held}
    if unknown:
        raise Mistake(f"there is no key {min(unknown)}", 2)
    kept = [{"id": key["id"]} for key in held if key["id"] not in wanted.remove_key]
    return [*kept, *(_keys(wanted.key_file) if wanted.key_file else [])]


def _keys(source: str) -> list[str]:
    return [line.strip() for line in _read(source).splitlines() if line.strip()]


def _document(source: str) -> dict[str, Any]:
    try:
        document = json.loads(_read(source))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Mistake("--file: expected a JSON object", 2)
    return document


def _value(name: str, text: str) -> Any:  # noqa: ANN401 - JSON of any shape
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Mistake(f"--set {name}: expected NAME=JSON", 2) from None


def _read(source: str) -> str:
    if source == STDIN:
        return sys.stdin.read()
    try:
        return Path(source).read_text()
    except (OSError, ValueError) as fault:
        raise Mistake(f"{source} cannot be read: {type(fault).__name__}", 2) from None
