"""Sessions: the list of them, and one as a transcript."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from aigateway.clock import Clock
from aigateway.interception import TOKEN_NAMES
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception, Page, Session
from aigateway.ledger.store import Store
from aigateway.sessions import query, view
from aigateway.sessions.query import Known, QueryInvalid
from aigateway.sessions.threads import conversation_of
from cli.figures import ago, amount, day_time
from cli.ledger import Mistake
from cli.output import Output
from cli.terminal import Column
from cli.transcript import transcript

EVERYONE = Reach(None)
LAST = "last"
SHORTEST_ID = 8
SEARCHED = 1000
"""Sessions that the beginning of an id is looked for in, the newest."""
ROOMY_COLUMNS = 190


async def list_sessions(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    page = await _page(store, clock, vars(wanted))
    if wanted.json:
        output.document(view.sessions_page(page))
        return
    if output.columns < ROOMY_COLUMNS:
        _brief_table(page.rows, clock.now(), output)
    else:
        _wide_table(page.rows, output)
    if page.next_cursor is not None:
        output.aside(f"the newest {len(page.rows)} of {page.count}: --limit shows more")


async def show_session(store: Store, clock: Clock, wanted: Namespace, output: Output) -> None:
    rows = await store.filled(await _one_session(store, clock, wanted.id, wanted.user))
    if wanted.json:
        conversation = conversation_of(rows)
        shown_id = rows[0].opened.session_id
        output.document(view.session_detail(shown_id, rows, conversation.threads, conversation))
    else:
        output.lines(transcript(rows, full=wanted.full))


def _brief_table(rows: tuple[Session, ...], now: datetime, output: Output) -> None:
    short = _short_ids([row.id for row in rows])
    output.table(
        [
            Column("SESSION"),
            Column("ACTIVE", right=True),
            Column("USER"),
            Column("CLIENT"),
            Column("TOKENS", right=True),
            Column("US$", right=True),
            Column("LAST PROMPT", cut=True),
        ],
        [
            [
                short[row.id],
                "running" if row.inflight else ago(row.last_active_at, now),
                row.initiator_username,
                row.client,
                f"{sum(row.tokens.get(name, 0) for name in TOKEN_NAMES):,}",
                _cost(row),
                row.last_prompt or "",
            ]
            for row in rows
        ],
        otherwise="no sessions",
    )


def _wide_table(rows: tuple[Session, ...], output: Output) -> None:
    numbers = ("THREADS", "ERRORS", "INPUT", "OUTPUT", "CACHED", "US$")
    output.table(
        [
            Column("SESSION"),
            Column("LAST ACTIVE (UTC)"),
            Column("USER"),
            Column("CLIENT"),
            Column("MODELS"),
            *(Column(title, right=True) for title in numbers),
            Column("LAST PROMPT", cut=True),
        ],
        [
            [
                row.id,
                day_time(row.last_active_at),
                row.initiator_username,
                row.client,
                ", ".join(sorted(row.models)),
                str(row.threads),
                str(row.errors),
                *(f"{row.tokens.get(name, 0):,}" for name in TOKEN_NAMES[:3]),
                _cost(row),
                row.last_prompt or "",
            ]
            for row in rows
        ],
        otherwise="no sessions",
    )


def _cost(row: Session) -> str:
    return "-" if row.cost_micros is None else amount(row.cost_micros)


def _short_ids(ids: list[str]) -> Mapping[str, str]:
    """Return the beginnings that tell these ids apart, as `session` takes them."""
    for length in range(SHORTEST_ID, max(map(len, ids), default=0)):
        if len({id_[:length] for id_ in ids}) == len(set(ids)):
            return {id_: id_[:length] for id_ in ids}
    return {id_: id_ for id_ in ids}


async def _page(store: Store, clock: Clock, wanted: Mapping[str, object]) -> Page[Session]:
    names = {"client": "client", "provider": "provider", "model": "model", "limit": "limit"}
    parameters = {
        name: [str(value)] for name, key in names.items() if (value := wanted[key]) is not None
    }
    words = ["inflight", "auxiliary"] if wanted["all"] else ["inflight"]
    parameters["include"] = [",".join(words)]
    user = wanted["user"]
    initiator_id = await _initiator_id(store, str(user)) if user is not None else None
    known = Known(initiator_id, frozenset(row.name for row in await store.provider_rows()))
    asked = query.asked(parameters, query.LIST_PARAMETERS)
    try:
        return await _walked(store, *query.listing(asked, known, clock.now()))
    except QueryInvalid as invalid:
        told = "; ".join(f"--{fault.field}: {fault.detail}" for fault in invalid.faults)
        raise Mistake(told, 2) from invalid


async def _walked(store: Store, wanted: Filter, window: Window) -> Page[Session]:
    """Collect as many sessions as were asked for: a page may hold less than there are."""
    page = await store.sessions(wanted, EVERYONE, window)
    rows = page.rows
    while page.next_cursor is not None and len(rows) < window.limit:
        rest = replace(window, limit=window.limit - len(rows), cursor=page.next_cursor)
        page = await store.sessions(wanted, EVERYONE, rest)
        rows += page.rows
    return replace(page, rows=rows)


async def _initiator_id(store: Store, name: str) -> str:
    found = await store.user(name)
    if found is None:
        raise Mistake(f"there is no user {name}")
    return found.id


async def _one_session(
    store: Store, clock: Clock, text: str, user: str | None
) -> tuple[Interception, ...]:
    """Find by ``last``, by a whole id, or by the beginning of one."""
    now = clock.now()
    initiator_id = await _initiator_id(store, user) if user is not None else None
    if text != LAST:
        groups = await store.session(text, Reach(initiator_id), now)
        if groups:
            return _only(text, groups)
    window = Window(1 if text == LAST else SEARCHED, now, inflight=True, auxiliary=True)
    listed = (await _walked(store, Filter(initiator_id=initiator_id), window)).rows
    found = [row for row in listed if text == LAST or row.id.startswith(text)]
    if len(found) > 1 and len({row.id for row in found}) > 1:
        raise Mistake(f"{len(found)} sessions begin with {text}: give more of the id")
    if not found:
        raise Mistake("there is no session yet" if text == LAST else f"there is no session {text}")
    only = initiator_id or (found[0].initiator_id if text == LAST else None)
    groups = await store.session(found[0].id, Reach(only), now)
    if not groups:
        raise Mistake(f"session {found[0].id} has just expired")
    return _only(found[0].id, groups)


def _only(text: str, groups: tuple[tuple[Interception, ...], ...]) -> tuple[Interception, ...]:
    if len(groups) > 1:
        names = ", ".join(sorted(rows[0].opened.initiator_username for rows in groups))
        raise Mistake(f"session {text} was used by {names}: add --user NAME")
    return groups[0]
