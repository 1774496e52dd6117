"""What is recorded of a user, deleted."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from aigateway.clock import Clock, time_text
from aigateway.ledger.erase import Erasure, ask_to_erase, erasure_of, go_on
from aigateway.ledger.listing import Filter, Window
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import EVERYTHING
from cli.ledger import Mistake
from cli.output import Output
from cli.people import ACTOR
from local.forgetting import forget_lines

KEPT = (
    "counters, the audit and the account stay; so do lines of logs that are not in this directory"
)
ABOUT_LOGS = (
    "of the state directory spill.ndjson and records/ hold no line of the user any more;",
    "lines that were logged elsewhere cannot be deleted one by one:",
    "  on AWS delete the streams of the log groups of the gateway, or let their retention pass;",
    "  what a log there says is not stored does not come back for a user who was erased since;",
    "  on one machine the log is whatever standard output and error were written to;",
    "  backups of the table (point-in-time recovery: 35 days) and of the file keep what they held",
)


def add_erase(commands: Any, answers_with: Callable[..., None]) -> None:  # noqa: ANN401 - argparse has no public name for it
    erase: ArgumentParser = commands.add_parser("erase", help="delete what is recorded of a user")
    erase.add_argument("name", metavar="USER", help="a name, or the id of a deleted user")
    erase.add_argument("--yes", action="store_true", help="really")
    erase.add_argument("--state", action="store_true", help="only show how far it is")
    erase.add_argument("--logs", action="store_true", help="also say what to do about logs")
    answers_with(erase, erase_user)


async def erase_user(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    user = await store.user(wanted.name)
    user_id, username = (wanted.name, wanted.name) if user is None else (user.id, user.username)
    if wanted.state:
        found = await erasure_of(store, user_id)
        if found is None:
            raise Mistake(f"nobody asked to erase {wanted.name}")
        _tell_erasure(wanted, output, found)
        return
    if user is None and not await _is_known(store, clock, user_id):
        raise Mistake(f"there is no user {wanted.name}, and nothing is recorded under such an id")
    if not wanted.yes:
        raise Mistake(f"this deletes everything recorded of {username}: repeat it with --yes", 2)
    erasure = await ask_to_erase(store, clock, user_id, username, ACTOR)
    forget = partial(forget_lines, wanted.settings.state_dir)
    with output.progress("records", None) as moved:
        before = None
        while before != erasure.deleted:
            before = erasure.deleted
            erasure = await go_on(store, clock, erasure, forget, seconds=0.0)
            moved(erasure.deleted["interceptions"] - before["interceptions"])
    _tell_erasure(wanted, output, erasure)


async def _is_known(store: Store, clock: Clock, user_id: str) -> bool:
    if await store.keys(user_id):
        return True
    window = Window(1, clock.now(), inflight=True, auxiliary=True)
    return bool((await store.sessions(Filter(initiator_id=user_id), EVERYTHING, window)).rows)


def _tell_erasure(wanted: Namespace, output: Output, erasure: Erasure) -> None:
    if wanted.json:
        times = {
            name: None if (at := getattr(erasure, name)) is None else time_text(at)
            for name in ("asked_at", "finished_at", "finishes_after")
        }
        output.document(asdict(erasure) | times)
        return
    counts = ", ".join(f"{count:,} {name}" for name, count in erasure.deleted.items())
    output.say(f"deleted of {erasure.username}: {counts}")
    output.say(KEPT)
    if erasure.finished_at is None:
        output.say(
            f"a last pass follows after {time_text(erasure.finishes_after)}, by the schedule:"
            " what was in flight may still come in"
        )
    for line in ABOUT_LOGS if wanted.logs else ():
        output.say(line)
