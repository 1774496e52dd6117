"""Plain values ↔ the attribute values of DynamoDB, and writes as its API wants them.

A write is a value, such as ``Put`` or ``Update``, built without any client library; ``arguments``
turns it into the members of a PutItem, UpdateItem or TransactWriteItems request. Every attribute
name is aliased: many short ones are reserved words, and tool names hold any character (DynamoDB
developer guide, "Expression attribute names").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

Item = Mapping[str, Any]
ALIASED = re.compile(r"([#:])(\w+)")


def well_formed(text: str) -> str:
    """Put ``?`` for half of a surrogate pair, which JSON may hold and UTF-8 may not."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def to_attribute(value: object) -> dict[str, Any]:
    """Return the attribute value of a plain one. Numbers are integers, sets hold strings."""
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": well_formed(value)}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case None:
            return {"NULL": True}
        case frozenset():
            return {"SS": sorted(value)}
        case list() | tuple():
            return {"L": [to_attribute(member) for member in value]}
        case Mapping():
            return {"M": to_item(value)}
    raise TypeError(f"no attribute value for {type(value).__name__}")


def from_attribute(attribute: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever was stored
    """Undo ``to_attribute``; lists come back as lists."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "NULL":
            return None
        case "SS":
            return frozenset(value)
        case "L":
            return [from_attribute(member) for member in value]
        case "M":
            return from_item(value)
    return bytes(value) if kind == "B" else value


def to_item(item: Item) -> dict[str, Any]:
    return {name: to_attribute(value) for name, value in item.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_attribute(value) for name, value in item.items()}


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """``text`` in the service's grammar: ``#name`` is an attribute, ``:name`` one of ``values``."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)


ABSENT = Condition("attribute_not_exists(#pk)")
PRESENT = Condition("attribute_exists(#pk)")


@final
@dataclass(frozen=True, slots=True)
class Put:
    """Store a whole item, in place of any under the same key."""

    item: Item
    condition: Condition | None = None


@final
@dataclass(frozen=True, slots=True)
class Update:
    """Change attributes of one item, which comes into being if there is none.

    ``firsts`` are set only where the attribute is absent. In ``moves`` an attribute takes the
    old value of another one, or the given value where that is absent. ``adds`` sums numbers and
    joins sets of strings.
    """

    pk: str
    sk: str
    sets: Item = field(default_factory=dict)
    firsts: Item = field(default_factory=dict)
    moves: Mapping[str, tuple[str, object]] = field(default_factory=dict)
    adds: Item = field(default_factory=dict)
    removes: tuple[str, ...] = ()
    condition: Condition | None = None


@final
@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an item."""

    pk: str
    sk: str
    condition: Condition | None = None


@final
@dataclass(frozen=True, slots=True)
class Check:
    """Change nothing, and let a transaction fail unless the condition holds."""

    pk: str
    sk: str
    condition: Condition


Write = Put | Update | Delete | Check


@final
class Aliases:
    """The names and values of one request, each under a placeholder."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def name(self, name: str) -> str:
        return self._names.setdefault(name, f"#{len(self._names)}")

    def value(self, value: object) -> str:
        placeholder = f":{len(self._values)}"
        self._values[placeholder] = to_attribute(value)
        return placeholder

    def text(self, condition: Condition) -> str:
        """Return the condition's text with placeholders."""
        values = {name: self.value(value) for name, value in condition.values.items()}
        return ALIASED.sub(
            lambda found: self.name(found[2]) if found[1] == "#" else values[found[2]],
            condition.text,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the request members; a request must not carry an empty one."""
        members = {
            "ExpressionAttributeNames": {alias: name for name, alias in self._names.items()},
            "ExpressionAttributeValues": self._values,
        }
        return {name: members[name] for name in members if members[name]}


def arguments(write: Write) -> dict[str, Any]:
    """Return the request members of a write, without the table's name."""
    aliases = Aliases()
    if isinstance(write, Put):
        made: dict[str, Any] = {"Item": to_item(write.item)}
    elif isinstance(write, Update):
        made = _changes(write, aliases)
    else:
        made = {"Key": to_item({"pk": write.pk, "sk": write.sk})}
    if write.condition is not None:
        made["ConditionExpression"] = aliases.text(write.condition)
    return made | aliases.arguments


def _changes(update: Update, aliases: Aliases) -> dict[str, Any]:
    firsts = {name: (name, value) for name, value in update.firsts.items()}
    sets = [f"{aliases.name(n)} = {aliases.value(v)}" for n, v in update.sets.items()] + [
        f"{aliases.name(n)} = if_not_exists({aliases.name(other)}, {aliases.value(v)})"
        for n, (other, v) in (firsts | dict(update.moves)).items()
    ]
    adds = [f"{aliases.name(n)} {aliases.value(v)}" for n, v in update.adds.items()]
    removes = [aliases.name(n) for n in update.removes]
    clauses = {"SET": sets, "ADD": adds, "REMOVE": removes}
    return {
        "Key": to_item({"pk": update.pk, "sk": update.sk}),
        "UpdateExpression": " ".join(
            f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts
        ),
    }
