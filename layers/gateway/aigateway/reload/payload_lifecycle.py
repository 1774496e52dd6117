"""Lets the bucket forget long texts soon after their records: a rule on one prefix."""

from datetime import timedelta
from typing import Any, final

from aigateway.ledger import ObjectRules
from aigateway.ledger.texts import OBJECTS

RULE = "payloads"
GRACE_DAYS = 2
"""A text is written as late as its record is closed, and expires at no exact hour."""
DAY = timedelta(days=1)

Rule = dict[str, Any]


@final
class PayloadLifecycle:
    """Keeps the rule as the retention wants it: looked at once, by a process that succeeded."""

    def __init__(self, objects: ObjectRules, retention: timedelta | None) -> None:
        self._objects = objects
        self._wanted = None if retention is None else rule_for(retention)
        self._is_kept = False

    async def keep(self) -> int:
        """Write the rule if the bucket has another; return how many were changed.

        Raises ``RecorderUnavailable``.
        """
        if self._is_kept:
            return 0
        rules = await self._objects.rules()
        found = next((rule for rule in rules if rule.get("ID") == RULE), None)
        is_same = _is_same(found, self._wanted)
        if not is_same:
            others = [rule for rule in rules if rule is not found]
            await self._objects.set_rules([*others, self._wanted] if self._wanted else others)
        self._is_kept = True
        return int(not is_same)


def rule_for(retention: timedelta) -> Rule:
    """Return the rule in the words of S3, which counts whole days from an object's making."""
    return {
        "ID": RULE,
        "Filter": {"Prefix": OBJECTS},
        "Status": "Enabled",
        "Expiration": {"Days": -(-retention // DAY) + GRACE_DAYS},
    }


def _is_same(found: Rule | None, wanted: Rule | None) -> bool:
    """Compare what we set: an answer may say more, and the prefix in an older place."""
    if found is None or wanted is None:
        return found is wanted
    prefix = found.get("Filter", found).get("Prefix")
    return (prefix, found.get("Status"), found.get("Expiration", {}).get("Days")) == (
        OBJECTS,
        wanted["Status"],
        wanted["Expiration"]["Days"],
    )
