"""Access rules: who may use which providers and models."""

import json
import uuid
from argparse import Namespace

from aigateway.clock import Clock
from aigateway.errors import Conflict
from aigateway.ledger.store import AccessRules, AuditEntry, Store
from aigateway.sessions.access import changes, rules_document, wanted_rules
from aigateway.sessions.bodies import BODY_LIMIT_BYTES
from aigateway.sessions.kick import ask_for_reload
from cli.ledger import Mistake
from cli.output import Output
from cli.reloading import reload_for, settings_of
from cli.terminal import Column

ACTOR = "cli"


async def show_rules(store: Store, _clock: Clock, wanted: Namespace, output: Output) -> None:
    stored = await store.access_rules()
    if wanted.json:
        output.document(rules_document(stored))
        return
    output.table(
        [Column("WHO"), Column("PROVIDERS"), Column("MODELS", cut=True)],
        [
            [
                f"group {rule.group}" if rule.user is None else rule.user,
                ", ".join(rule.providers) or "none",
                ", ".join(rule.models) or "none",
            ]
            for rule in stored.rules
        ],
        otherwise="no access rules: everybody may use everything",
    )


async def set_rules(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    asked, faults = _read(wanted)
    if faults:
        raise Mistake(f"{wanted.file}: {'; '.join(faults)}", 2)
    before = await store.access_rules()
    try:
        await store.put_access_rules(asked.rules, asked.version)
    except Conflict as moved:
        raise Mistake(
            f"the rules have version {before.version}, {wanted.file} was made from "
            f"{asked.version}: aigw access show --json"
        ) from moved
    after = AccessRules(asked.version + 1, asked.rules)
    now, made = clock.now(), changes(before, after)
    await store.audit(AuditEntry(str(uuid.uuid4()), now, ACTOR, "access.replaced", "access", made))
    await ask_for_reload(reload_for(store, clock, settings_of(wanted)))
    if wanted.json:
        output.document(rules_document(after))
    else:
        count = len(after.rules)
        output.say(f"{count} access rule{'s' * (count != 1)}")


def _read(wanted: Namespace) -> tuple[AccessRules, list[str]]:
    try:
        text = wanted.file.read_bytes()
        document = json.loads(text)
    except OSError as missing:
        raise Mistake(f"{wanted.file}: {missing.strerror}") from missing
    except (ValueError, RecursionError):
        raise Mistake(f"{wanted.file} is no JSON", 2) from None
    if not isinstance(document, dict) or len(text) > BODY_LIMIT_BYTES:
        raise Mistake(f"{wanted.file}: expected an object of at most {BODY_LIMIT_BYTES} bytes", 2)
    asked, faults = wanted_rules(document)
    return asked, [f"{fault.field}: {fault.detail.rstrip('.')}" for fault in faults]
