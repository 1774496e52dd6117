"""Access rules: which providers and models a user, or everybody in a group, may use.

Rules only allow: several of them add up. Who no rule is about may use everything, so the first
rule about somebody takes the rest from them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from aigateway.caller.identity import Caller
from aigateway.errors import RowInvalid
from aigateway.globs import ANY, GLOB_LIMIT, is_glob, matches_any

RULES_LIMIT = 500
GLOBS_LIMIT = 100
NAME_LIMIT = 64
MEMBERS = frozenset({"user", "group", "providers", "models"})


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """Lets ``user`` (an id or a username), or who is in ``group``, use models at providers.

    Either of the two is given. ``providers`` and ``models`` are patterns; an empty list of them
    allows nothing.
    """

    user: str | None
    group: str | None
    providers: tuple[str, ...]
    models: tuple[str, ...]

    def is_about(self, caller: Caller) -> bool:
        if self.user is not None:
            return self.user in (caller.initiator_id, caller.username)
        return self.group in caller.groups

    def document(self) -> dict[str, Any]:
        """Return the rule as people write it."""
        whom = {"user": self.user} if self.user is not None else {"group": self.group}
        return {**whom, "providers": list(self.providers), "models": list(self.models)}


def models_at(rules: Iterable[Rule], caller: Caller, provider: str) -> tuple[str, ...] | None:
    """Return patterns of the models that the caller may use there; ``None``: not the provider."""
    about = [rule for rule in rules if rule.is_about(caller)]
    if not about:
        return (ANY,)
    fitting = [rule for rule in about if matches_any(rule.providers, provider)]
    if not fitting:
        return None
    return tuple(glob for rule in fitting for glob in rule.models)


def rules_from(value: object) -> tuple[tuple[Rule, ...], list[tuple[str, str]]]:
    """Read a list of rules: all of them, and of each that is none the place and what is wrong.

    A place is written ``rules[2].models``.
    """
    if not isinstance(value, list) or len(value) > RULES_LIMIT:
        return (), [("rules", f"Expected a list of at most {RULES_LIMIT} rules.")]
    rules: list[Rule] = []
    faults: list[tuple[str, str]] = []
    for position, document in enumerate(value):
        try:
            rules.append(rule_from(document))
        except RowInvalid as wrong:
            member, found, reason = str(wrong).partition(": ")
            place = f"rules[{position}]" + (f".{member}" if found else "")
            reason = reason or member
            faults.append((place, f"{reason[0].upper()}{reason[1:]}."))
    return tuple(rules), faults


def rule_from(document: object) -> Rule:
    """Read one rule. Raises ``RowInvalid("<member>: <what was expected>")``."""
    if not isinstance(document, Mapping):
        raise RowInvalid("expected an object")
    for name in document:
        if name not in MEMBERS:
            raise RowInvalid(f"{str(name)[:NAME_LIMIT]}: no such member")
    if ("user" in document) is ("group" in document):
        raise RowInvalid("user: expected either a user or a group")
    whom = "user" if "user" in document else "group"
    name = document[whom]
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        raise RowInvalid(f"{whom}: expected 1 to {NAME_LIMIT} printable characters")
    providers, models = _globs(document, "providers"), _globs(document, "models")
    return Rule(
        user=name if whom == "user" else None,
        group=name if whom == "group" else None,
        providers=providers,
        models=models,
    )


def _globs(document: Mapping[str, Any], member: str) -> tuple[str, ...]:
    globs = document.get(member)
    if not isinstance(globs, list) or len(globs) > GLOBS_LIMIT:
        raise RowInvalid(f"{member}: expected a list of at most {GLOBS_LIMIT} patterns")
    if not all(is_glob(glob) for glob in globs):
        raise RowInvalid(f"{member}: expected patterns of 1 to {GLOB_LIMIT} printable characters")
    return tuple(globs)
