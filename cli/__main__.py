"""``aigw``: arguments → one function each."""

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, final

from aigateway import __version__
from aigateway.caller.people import ROLES
from aigateway.clock import Clock, SystemClock
from aigateway.errors import SettingsError
from aigateway.ledger.store import Store
from aigateway.pool.providers import PROVIDER_TYPES
from aigateway.settings import Settings
from aigateway.transcript.facts import Dialect
from cli import access, erasing, people, providers, records, sessions, spilled
from cli.ledger import Mistake, opened
from cli.output import Output
from cli.replay import replay

Command = Callable[[Store, Clock, Namespace, Output], Awaitable[None]]

NAME = "aigw"
Start = Callable[[Sequence[str]], int]
STARTS = {"run": "local.__main__", "run-lambda": "local.lambda_run", "observe": "local.observe"}
"""Commands that stay in the foreground, and their modules, which the other commands do not need."""

KEY_DAYS = 90
SESSIONS = 20
INTERRUPTED = 130


@final
class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> ArgumentParser:
    parser = _Parser(prog=NAME, description="Records what coding agents ask AI providers.")
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, told in (
        ("run", "start gateway, API and scripted provider on this machine"),
        ("run-lambda", "the same as deployed: functions in sandboxes, a table"),
        ("observe", "`run` with Prometheus and Alertmanager beside it"),
    ):
        start = commands.add_parser(name, help=told)
        start.add_argument("--trace", action="store_true", help="send traces to a collector")
        start.add_argument("--trace-logs", action="store_true", help="with log lines in them")
    _add_people(commands)
    _add_providers(commands)
    _add_access(commands)
    listing = commands.add_parser("sessions", help="list recorded sessions, last active first")
    listing.add_argument("--limit", type=int, default=SESSIONS, metavar="N")
    for name in ("user", "client", "provider", "model"):
        listing.add_argument(f"--{name}")
    listing.add_argument("--all", action="store_true", help="also sessions of side requests only")
    _answers_with(listing, sessions.list_sessions)
    one = commands.add_parser("session", help="show one session as a transcript")
    one.add_argument("id", metavar="ID", help="an id, the beginning of one, or `last`")
    one.add_argument("--user", help="whose, where several users have a session with this id")
    one.add_argument("--full", action="store_true", help="cut nothing, however long")
    _answers_with(one, sessions.show_session)
    _add_replay(commands)
    records.add_commands(commands, _answers_with)
    spilled.add_import_log(commands, _answers_with)
    erasing.add_erase(commands, _answers_with)
    demo = commands.add_parser("demo", help="drive a scripted coding session and print its record")
    demo.set_defaults(id=None, user=None, full=False)
    _answers_with(demo, sessions.show_session)
    return parser


def _add_people(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    users = commands.add_parser("users", help="create, list, change and delete users")
    actions = users.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a user")
    _describes_a_user(create)
    _answers_with(create, people.create_user, creates=True)
    _answers_with(actions.add_parser("list", help="list users"), people.list_users)
    change = actions.add_parser("change", help="change what is given, and nothing else")
    _describes_a_user(change)
    change.add_argument("--status", choices=("active", "suspended"))
    _answers_with(change, people.change_user)
    delete = actions.add_parser("delete", help="revoke all keys of a user and end it for good")
    delete.add_argument("name", metavar="NAME")
    _answers_with(delete, people.delete_user)
    keys = commands.add_parser("keys", help="create, list and revoke gateway keys")
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a key and print it, once")
    create.add_argument("--user", required=True)
    create.add_argument("--name", default="cli", help="what it is for")
    create.add_argument("--days", type=int, default=KEY_DAYS, help=f"default {KEY_DAYS}")
    _answers_with(create, people.create_key)
    listing = actions.add_parser("list", help="list keys, without their secrets")
    listing.add_argument("--user")
    _answers_with(listing, people.list_keys)
    revoke = actions.add_parser("revoke", help="stop taking a key")
    revoke.add_argument("key_id", metavar="KEY_ID")
    _answers_with(revoke, people.revoke_key)


def _add_providers(commands: Any) -> None:  # noqa: ANN401 - likewise
    command = commands.add_parser("providers", help="configure the providers behind the gateway")
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    _answers_with(actions.add_parser("list", help="list providers"), providers.list_providers)
    add = actions.add_parser("add", help="add a provider")
    edit = actions.add_parser("edit", help="change a provider")
    for parser in (add, edit):
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--base-url", metavar="URL")
        parser.add_argument("--display-name", metavar="TEXT")
        parser.add_argument(
            "--key-file", metavar="FILE", help="new keys, one a line; - is standard input"
        )
        parser.add_argument(
            "--key-ref", action="append", metavar="ARN", help="a key in a secret of your own"
        )
        parser.add_argument("--file", help="members as a JSON object; - is standard input")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=JSON", help="any other member"
        )
    add.add_argument("--type", required=True, choices=PROVIDER_TYPES)
    edit.add_argument("--remove-key", action="append", default=[], metavar="KEY_ID")
    _answers_with(add, providers.add_provider, creates=True)
    _answers_with(edit, providers.edit_provider)
    for name, action, text in (
        ("show", providers.show_provider, "show one provider"),
        ("enable", providers.switch_provider, "take requests again"),
        ("disable", providers.switch_provider, "answer requests 503, and keep everything"),
        ("delete", providers.delete_provider, "delete a provider and its keys"),
        ("test", providers.try_provider, "ask a provider for its models, once"),
    ):
        parser = actions.add_parser(name, help=text)
        parser.add_argument("name", metavar="NAME")
        _answers_with(parser, action)


def _describes_a_user(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--role", choices=ROLES, help="default for a new user: member")
    parser.add_argument("--display-name", metavar="TEXT")
    parser.add_argument("--email", metavar="ADDRESS")
    parser.add_argument("--group", action="append", help="once for each; '' for none")
    parser.add_argument(
        "--principal",
        action="append",
        metavar="ARN",
        help="an AWS role or user that may sign as this one, once for each; '' for none",
    )


def _add_access(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    rules = commands.add_parser("access", help="show or replace the access rules")
    actions = rules.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="list who may use what; --json prints what `set` takes")
    _answers_with(show, access.show_rules)
    put = actions.add_parser("set", help="replace all rules by those of a file")
    put.add_argument("file", metavar="FILE", type=Path, help="JSON as `access show` prints it")
    _answers_with(put, access.set_rules, creates=True)


def _add_replay(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    recorded = commands.add_parser("replay", help="read a recorded response and print its facts")
    recorded.add_argument(
        "file", metavar="FILE", help="a response as it came, with or without its head; - is stdin"
    )
    recorded.add_argument("--dialect", choices=[str(dialect) for dialect in Dialect])
    recorded.add_argument("--status", type=int, metavar="N", help="default: the head's, else 200")
    recorded.add_argument("--coding", metavar="NAME", help="content coding, such as gzip or br")
    recorded.add_argument("--cut", action="store_true", help="the body broke off")
    recorded.add_argument("--json", action="store_true", help="print JSON")


def _answers_with(parser: ArgumentParser, command: Command, *, creates: bool = False) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=command, creates=creates)


async def _with_store(settings: Settings, wanted: Namespace) -> None:
    wanted.settings = settings
    async with opened(settings, create=wanted.creates) as store:
        await wanted.run(store, SystemClock(), wanted, Output())


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    if arguments and arguments[0] in STARTS:
        start: Start = import_module(STARTS[arguments[0]]).run
        return start(arguments[1:])
    wanted = _parser().parse_args(arguments)
    try:
        if wanted.command == "replay":
            replay(wanted, Output())
            sys.stdout.flush()
            return 0
        settings = Settings.from_env(os.environ)
        if wanted.command == "demo":
            from cli import demo  # noqa: PLC0415 - only this command needs it

            wanted.id = demo.drive(os.environ, settings)
        asyncio.run(_with_store(settings, wanted))
        sys.stdout.flush()
    except Mistake as mistake:
        return _told(str(mistake), mistake.status)
    except SettingsError as wrong:
        return _told(str(wrong), 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _told(message: str, status: int) -> int:
    Output().aside(f"{NAME}: {message}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
