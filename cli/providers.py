"""Providers: what the API does, by the same functions, on the store that a command finds."""

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aigateway.clock import Clock
from aigateway.errors import Refusal
from aigateway.ledger.store import Store
from aigateway.pool.secrets import open_secrets
from aigateway.sessions.bodies import BodyInvalid
from aigateway.sessions.configuring import Configuring
from aigateway.sessions.configuring_parts import configuring_of
from aigateway.sessions.provider_view import Document
from aigateway.sessions.trial import Trial
from cli.ledger import Mistake
from cli.output import Output
from cli.provider_wishes import fresh_keys, members, wanted_keys
from cli.reloading import reload_for, settings_of
from cli.terminal import Column

ACTOR = "cli"
"""Who did it, as the audit has it: whoever may open the store."""


async def list_providers(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    found = await _configuring(store, clock, wanted).all()
    if wanted.json:
        output.document(found)
        return
    titles = ("PROVIDER", "TYPE", "STATUS", "KEYS", "BASE URL")
    output.table(
        [Column(title, right=title == "KEYS", cut=title == "BASE URL") for title in titles],
        [
            [
                each["name"],
                str(each["type"]),
                each["status"]["state"],
                str(len(each["api_keys"]) + len(each["api_key_refs"])),
                each["base_url"],
            ]
            for each in found
        ],
        otherwise="no providers yet: aigw providers add NAME --type TYPE",
    )


async def show_provider(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    with _mistakes():
        found = await _configuring(store, clock, wanted).one(wanted.name)
    _show(found, wanted, output)


async def add_provider(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    given = {"name": wanted.name, "type": wanted.type, **members(wanted), **fresh_keys(wanted)}
    with _mistakes():
        made = await _configuring(store, clock, wanted).add(given, ACTOR)
    _show(made, wanted, output)


async def edit_provider(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    configuring, given = _configuring(store, clock, wanted), members(wanted)
    with _mistakes():
        if wanted.key_file or wanted.remove_key:
            held = (await configuring.one(wanted.name))["api_keys"]
            given["api_keys"] = wanted_keys(held, wanted)
        changed = await configuring.change(wanted.name, given, ACTOR)
    _show(changed, wanted, output)


async def switch_provider(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    given = {"enabled": wanted.action == "enable"}
    with _mistakes():
        changed = await _configuring(store, clock, wanted).change(wanted.name, given, ACTOR)
    _show(changed, wanted, output)


async def delete_provider(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    with _mistakes():
        await _configuring(store, clock, wanted).delete(wanted.name, ACTOR)
    if wanted.json:
        output.document({"deleted": wanted.name})
    else:
        output.say(f"{wanted.name} is deleted, and its keys with it; what is recorded stays")


async def try_provider(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    settings = settings_of(wanted)
    with _mistakes():
        row = await _configuring(store, clock, wanted).row(wanted.name)
        tried = await Trial(open_secrets(settings, clock), settings).run(row)
    if wanted.json:
        output.document(tried)
    else:
        key = f" with the key {tried['key']['masked']}" if tried["key"] else ""
        took = f": {tried['status']} after {tried['latency_ms']} ms" if tried["status"] else ""
        output.say(f"GET {tried['url']}{key}{took}")
        if tried["detail"]:
            output.say(tried["detail"])
    if not tried["ok"]:
        raise Mistake(f"{wanted.name} gave no good answer")


def _configuring(store: Store, clock: Clock, wanted: Namespace) -> Configuring:
    settings = settings_of(wanted)
    kick = reload_for(store, clock, settings)
    return configuring_of(settings, store, open_secrets(settings, clock), clock, kick)


@contextmanager
def _mistakes() -> Iterator[None]:
    try:
        yield
    except BodyInvalid as invalid:
        told = "; ".join(f"{fault.field}: {fault.detail}" for fault in invalid.faults)
        raise Mistake(told.removeprefix(": "), 2) from None
    except Refusal as refusal:
        raise Mistake(str(refusal)) from None


def _show(found: Document, wanted: Namespace, output: Output) -> None:
    if wanted.json:
        output.document(found)
        return
    rows: list[list[str]] = [
        [name, _text(name, value)] for name, value in found.items() if value not in (None, "", [])
    ]
    output.table([Column("MEMBER"), Column("VALUE", cut=True)], rows, otherwise="")


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - JSON of any shape
    if name == "status":
        return ": ".join([value["state"], *([value["reason"]] if "reason" in value else [])])
    if name == "api_keys":
        return ", ".join(f"{key['id']} ({key['masked']})" for key in value)
    return value if isinstance(value, str) else json.dumps(value)
