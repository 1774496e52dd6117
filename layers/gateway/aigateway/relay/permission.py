"""What a caller may use, by the access rules of the snapshot in force and by the provider's own.

The rules of a snapshot are read once. A request that is passed through names no model that we
read, so only the rule about its provider counts.
"""

from typing import Any, final

from aigateway.caller.access import Rule, models_at, rule_from
from aigateway.caller.identity import Caller
from aigateway.errors import NotAllowed, UnreadableBody
from aigateway.globs import ANY, matches_any
from aigateway.pool.snapshot import Snapshot
from aigateway.wire.jsontext import JsonText, loads

Limits = tuple[tuple[str, ...], ...]
"""Patterns, in lists: a model has to match one of each list. Without any list all may be used."""


@final
class Permission:
    """Holds the rules of the snapshot that the last request was checked against."""

    def __init__(self) -> None:
        self._known: tuple[Snapshot, tuple[Rule, ...]] | None = None

    def models(self, caller: Caller, provider: str, snapshot: Snapshot) -> tuple[str, ...]:
        """Return patterns of the models that the caller may use there. Raises ``NotAllowed``."""
        found = models_at(self._rules(snapshot), caller, provider)
        if found is None:
            raise NotAllowed("the access rules do not let you use this provider")
        return found

    def _rules(self, snapshot: Snapshot) -> tuple[Rule, ...]:
        if self._known is None or self._known[0] is not snapshot:
            self._known = (snapshot, tuple(rule_from(each) for each in snapshot.access))
        return self._known[1]


def limits(*lists: tuple[str, ...] | None) -> Limits:
    """Return the lists that limit anything; ``None`` is no limit."""
    return tuple(globs for globs in lists if globs is not None and ANY not in globs)


def check_models(body: bytes | None, limited: Limits) -> None:
    """Check every model that a request's JSON object names, as the client wrote it.

    ``body`` is ``None`` where it cannot be read. All members that some server could take for the
    model's name count: repeated ones, those in other letter cases (Go's encoding/json compares
    names without case), and ``models``, OpenRouter's list of models to fall back on (its API
    reference, "Model routing"). Raises ``NotAllowed``, ``UnreadableBody``.
    """
    if not limited:
        return
    if body is None:
        raise UnreadableBody("the body cannot be read, so its model is unknown")
    named = [name for name in _named(body) if name is not None]
    if not named:
        raise NotAllowed("the access rules need a request that names its model")
    for name in named:
        if not isinstance(name, str) or not all(matches_any(globs, name) for globs in limited):
            raise NotAllowed("the access rules do not let you use this model")


def _named(body: bytes) -> list[Any]:
    found: list[Any] = []
    for name, value in JsonText.of(body).named():
        plain = name.casefold()
        if plain in ("model", "models"):
            written = loads(str(value).encode("utf-8", "surrogateescape"))
            listed = plain == "models" and isinstance(written, list)
            found.extend(written if listed else [written])
    return found
