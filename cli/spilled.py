"""Records that a gateway could not store, out of a saved log."""

from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from aigateway.clock import Clock
from aigateway.ledger.log_lines import RecordTexts, objects_in
from aigateway.ledger.recovering import recovered
from aigateway.ledger.rows import Interception
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import LINE_LIMIT, LineInvalid, row_in
from cli.figures import plural
from cli.files import source
from cli.ledger import Mistake
from cli.output import Output

TOLD_MOST = 20
FATES = ("imported", "present", "late", "expired", "erased")


def add_import_log(commands: Any, answers_with: Callable[..., None]) -> None:  # noqa: ANN401 - argparse has no public name for it
    command = commands.add_parser(
        "import-log", help="store what a log says is not stored; safe to repeat"
    )
    command.add_argument("file", metavar="FILE", help="a log, or spill.ndjson; - is standard input")
    answers_with(command, import_log, creates=True)


async def import_log(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    fates, texts, invalid = Counter[str](), RecordTexts(), 0
    with source(wanted.file) as (file, size), output.progress("bytes", size) as moved:
        for number, found in _records(file, texts, moved):
            if isinstance(found, LineInvalid):
                invalid += 1
                if invalid <= TOLD_MOST:
                    output.aside(f"line {number}: {found}")
            elif found.closed is not None:
                fate, _ = await recovered(store, found.opened, found.closed, clock.now())
                fates[fate] += 1
    if texts.unfinished:
        lacking = plural(texts.unfinished, "record")
        output.aside(f"of {lacking} some lines are missing")
    counts = {fate: fates[fate] for fate in FATES} | {"invalid": invalid + texts.unfinished}
    if wanted.json:
        output.document(counts)
    else:
        output.say(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    if counts["invalid"]:
        raise Mistake("not everything was imported")


def _records(
    file: BinaryIO, texts: RecordTexts, moved: Callable[[int], None]
) -> Iterator[tuple[int, Interception | LineInvalid]]:
    """Yield records that were not stored, or what is wrong with them, each with its line."""
    number = 0
    while line := file.readline(LINE_LIMIT):
        number += 1
        objects = [*objects_in(line)]
        if not objects and line.startswith(b'{"'):
            yield number, LineInvalid("not a whole line of JSON")
        for fields in objects:
            try:
                text = texts.take(fields)
                if text is not None:
                    yield number, row_in(text)
            except LineInvalid as invalid:
                yield number, invalid
        moved(len(line))
