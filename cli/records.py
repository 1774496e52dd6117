"""Records as a whole: out into files, back in, and another expiry."""

import hashlib
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from aigateway.clock import Clock
from aigateway.ledger.importing import Importer
from aigateway.ledger.listing import Filter, Window
from aigateway.ledger.retention import rewritten
from aigateway.ledger.rows import Interception
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import EVERYTHING, LINE_LIMIT, LineInvalid, line_of, recorded, row_in
from aigateway.sessions import query
from aigateway.sessions.query import Known, QueryInvalid
from cli.figures import plural
from cli.files import replaced, source
from cli.ledger import Mistake
from cli.output import Output
from cli.sheets import daily_tokens, interception_sheet

Command = Callable[[Store, Clock, Namespace, Output], Awaitable[None]]
PAGE_ROWS = 100
TOGETHER = 32
"""Lines that are stored side by side."""
TOLD_MOST = 20
FILTERS = {
    "q": "a search as the API takes it, such as 'client:Codex model:gpt-5'",
    "initiator": "whose: a name or an id",
    "client": "",
    "provider": "a type, or the name of a provider",
    "provider_name": "",
    "model": "",
    "session_id": "",
    "started_after": "an RFC 3339 time",
    "started_before": "",
}


def add_commands(
    commands: Any,  # noqa: ANN401 - argparse has no public name for it
    answers_with: Callable[..., None],
) -> None:
    export = commands.add_parser("export", help="write records to a file, or count and hash them")
    export.add_argument(
        "--format",
        choices=("ndjson", "csv", "tokens"),
        default="ndjson",
        help="ndjson: everything, for `import`; csv: one row each; tokens: per user and UTC day",
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    export.add_argument("--hash", action="store_true", help="print the SHA-256 of it instead")
    export.add_argument("--ended", action="store_true", help="leave out what is in flight")
    for name, text in FILTERS.items():
        names = [f"--{name.replace('_', '-')}"] + ["--user"] * (name == "initiator")
        export.add_argument(*names, dest=name, help=text or None)
    answers_with(export, export_records)
    restore = commands.add_parser("import", help="add records of an NDJSON export; safe to repeat")
    restore.add_argument("file", metavar="FILE", help="- is standard input")
    answers_with(restore, import_records, creates=True)
    retention = commands.add_parser("retention", help="what AIGW_RETENTION says of old records")
    actions = retention.add_subparsers(dest="action", metavar="ACTION", required=True)
    rewrite = actions.add_parser("rewrite", help="let stored records expire by it too")
    answers_with(rewrite, rewrite_retention)


async def export_records(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    if wanted.json and wanted.output is None and not wanted.hash:
        raise Mistake("--json goes with --output or --hash: standard output is the export's", 2)
    asked, window = await _asked(store, clock, wanted)
    first = await store.interceptions(asked, EVERYTHING, window)
    total = first.count if first.count_exact else None
    digest, damaged, count = hashlib.sha256(), 0, 0
    with _target(wanted) as out, output.progress("records", total) as moved:

        async def watched() -> AsyncIterator[Interception]:
            nonlocal damaged, count
            async with aclosing(recorded(store, asked, window)) as rows:
                async for row in rows:
                    damaged += row.payload_error is not None
                    count += 1
                    moved(1)
                    yield row

        async for piece in PIECES[wanted.format](watched()):
            digest.update(piece)
            if out is not None:
                out.write(piece)
    if damaged:
        output.aside(f"texts of {plural(damaged, 'record')} could not be read: see payload_error")
    _tell_export(wanted, output, count, digest.hexdigest())


def _tell_export(wanted: Namespace, output: Output, count: int, digest: str) -> None:
    if wanted.json:
        output.document({"records": count, "sha256": digest})
    elif wanted.hash:
        output.say(digest)
    elif wanted.output is not None:
        output.aside(f"{plural(count, 'record')} in {wanted.output}, SHA-256 {digest}")


async def _lines(rows: AsyncIterator[Interception]) -> AsyncIterator[bytes]:
    async for row in rows:
        yield line_of(row)


PIECES: dict[str, Callable[[AsyncIterator[Interception]], AsyncIterator[bytes]]] = {
    "ndjson": _lines,
    "csv": interception_sheet,
    "tokens": daily_tokens,
}


@contextmanager
def _target(wanted: Namespace) -> Iterator[BinaryIO | None]:
    if wanted.hash:
        yield None
    elif wanted.output is not None:
        try:
            with replaced(wanted.output) as file:
                yield file
        except OSError as error:
            raise Mistake(f"{wanted.output} cannot be written: {error.strerror}") from error
    else:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()


async def _asked(store: Store, clock: Clock, wanted: Namespace) -> tuple[Filter, Window]:
    given = {name: [value] for name in FILTERS if (value := getattr(wanted, name)) is not None}
    given |= {"limit": [str(PAGE_ROWS)]} | ({} if wanted.ended else {"include": ["inflight"]})
    asked = query.asked(given, query.INTERCEPTION_PARAMETERS, bare="initiator")
    initiator_id = None
    if (initiator := asked.values.get("initiator")) is not None:
        user = await store.user(initiator)
        initiator_id = initiator if user is None else user.id
    names = frozenset(row.name for row in await store.provider_rows(deleted=True))
    try:
        return query.listing(asked, Known(initiator_id, names), clock.now())
    except QueryInvalid as invalid:
        told = "; ".join(f"{fault.field}: {fault.detail}" for fault in invalid.faults)
        raise Mistake(told, 2) from invalid


async def import_records(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    importer, fates, wrong = Importer(store, clock), Counter[str](), 0
    with source(wanted.file) as (file, size), output.progress("bytes", size) as moved:
        batch: list[Interception] = []
        number = 0
        while line := file.readline(LINE_LIMIT):
            number += 1
            try:
                batch.append(row_in(line))
            except LineInvalid as invalid:
                wrong += 1
                if wrong <= TOLD_MOST:
                    output.aside(f"line {number}: {invalid}")
            if len(batch) == TOGETHER:
                await _take(importer, batch, fates, output)
                batch = []
            moved(len(line))
        await _take(importer, batch, fates, output)
    _tell_import(wanted, output, fates, wrong)


async def _take(
    importer: Importer, batch: list[Interception], fates: "Counter[str]", output: Output
) -> None:
    for row, fate in await importer.take(batch):
        fates[fate] += 1
        if fate == "different" and fates[fate] <= TOLD_MOST:
            output.aside(f"interception {row.id} is there with other content, and stays as it is")


def _tell_import(wanted: Namespace, output: Output, fates: "Counter[str]", wrong: int) -> None:
    counts = {name: fates[name] for name in ("imported", "completed", "present")}
    counts |= {"expired": fates["expired"], "different": fates["different"], "invalid": wrong}
    if wanted.json:
        output.document(counts)
    else:
        output.say(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    if wrong or fates["different"]:
        raise Mistake("not everything was imported")


async def rewrite_retention(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    retention = wanted.settings.retention
    examined = changed = 0
    with output.progress("records", None) as moved:
        async with aclosing(rewritten(store.keeping(), clock, retention)) as batches:
            async for aligned in batches:
                examined += aligned.examined
                changed += aligned.changed
                moved(aligned.examined)
    if wanted.json:
        output.document({"examined": examined, "changed": changed})
        return
    kept = "for ever" if retention is None else f"for {retention.total_seconds() / 86_400:g} days"
    output.say(f"{changed:,} of {plural(examined, 'record')} changed: kept {kept} from their start")
