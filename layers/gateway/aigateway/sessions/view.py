"""Pages and sessions → response documents of the sessions API."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from aigateway.clock import time_text
from aigateway.interception import TOKEN_NAMES
from aigateway.ledger.rows import Interception, Page, Session
from aigateway.sessions.interception_view import (
    Document,
    Results,
    credential,
    given,
    heard_in_order,
    interception,
    metadata,
    time_or_none,
    tool_call,
    user,
)
from aigateway.sessions.threads import Conversation, Thread, oldest_first
from aigateway.transcript.facts import Thought, ToolUsage


def sessions_page(page: Page[Session]) -> Document:
    return _page(page, "sessions", [session(row) for row in page.rows])


def interceptions_page(page: Page[Interception]) -> Document:
    return _page(page, "results", [interception(row, {}) for row in page.rows])


def _page(page: Page[Any], name: str, rows: list[Document]) -> Document:
    return {
        "count": page.count,
        **({} if page.count_exact else {"count_exact": False}),
        name: rows,
        **given(next_cursor=page.next_cursor),
    }


def session(row: Session) -> Document:
    return {
        "id": row.id,
        "initiator": user(row.initiator_id, row.initiator_username),
        "providers": sorted(row.providers),
        "provider_names": sorted(row.provider_names),
        "models": sorted(row.models),
        "client": row.client or None,
        "metadata": {"Username": row.initiator_username, **row.metadata},
        "started_at": time_text(row.started_at),
        **given(ended_at=time_or_none(row.ended_at)),
        "threads": row.threads,
        "token_usage_summary": _counts(row.tokens),
        **given(cost_micros=row.cost_micros),
        **given(last_prompt=row.last_prompt),
        "last_active_at": time_text(row.last_active_at),
        "errors": row.errors,
        **given(inflight=row.inflight),
    }


def session_detail(
    session_id: str,
    rows: tuple[Interception, ...],
    page: tuple[Thread, ...],
    conversation: Conversation,
) -> Document:
    """Return one session: sums over all ``rows``, and the threads of ``page`` (with texts)."""
    first = oldest_first(rows)[0].opened
    on_page = [row for thread in page for row in thread.rows]
    starts = [row.opened.started_at for row in on_page]
    return {
        "id": session_id,
        "initiator": user(first.initiator_id, first.initiator_username),
        "providers": sorted({row.opened.provider for row in rows}),
        "models": sorted({row.opened.model for row in rows}),
        "client": first.client.name or None,
        "metadata": metadata(first),
        "started_at": time_text(first.started_at),
        **given(
            ended_at=_latest_end(rows),
            page_started_at=time_or_none(min(starts, default=None)),
            page_ended_at=_latest_end(on_page),
        ),
        "threads": [_thread(thread, conversation.results) for thread in page],
        "token_usage_summary": usage(rows),
        **given(cost_micros=cost(rows)),
    }


def _thread(thread: Thread, results: Results) -> Document:
    root, opened, closed = thread.root, thread.root.opened, thread.root.closed
    return {
        "id": thread.id,
        **given(prompt=opened.prompt.text if opened.prompt else None),
        "model": opened.model,
        "provider": opened.provider,
        **credential(root),
        "started_at": time_text(opened.started_at),
        **given(ended_at=_latest_end(thread.rows)),
        "token_usage": usage(thread.rows),
        "agentic_actions": [_action(row, results) for row in thread.rows if _acts(row)],
        **given(
            error_type=closed.error_type if closed else None,
            error_message=closed.error_message if closed else None,
            agent_id=opened.lineage.agent_id,
            agent_firewall_session_id=opened.agent_firewall_session_id,
            agent_firewall_sequence_number=opened.agent_firewall_sequence_number,
        ),
        "auxiliary": opened.lineage.auxiliary,
    }


def _acts(row: Interception) -> bool:
    if row.closed is None:
        return False
    said = any(isinstance(heard.fact, ToolUsage | Thought) for heard in row.closed.rows)
    return said or row.closed.outcome != "completed"


def _action(row: Interception, results: Results) -> Document:
    facts = heard_in_order(row)
    return {
        "interception_id": row.id,
        "model": row.opened.model,
        "started_at": time_text(row.opened.started_at),
        "ended_at": time_or_none(row.closed.ended_at) if row.closed else None,
        "outcome": row.closed.outcome if row.closed else None,
        "token_usage": usage((row,)),
        "thinking": [{"text": h.fact.text} for h in facts if isinstance(h.fact, Thought)],
        "tool_calls": [
            tool_call(row, heard, heard.fact, results)
            for heard in facts
            if isinstance(heard.fact, ToolUsage)
        ],
    }


def usage(rows: Iterable[Interception]) -> Document:
    """Sum up: the four counts, and the numeric extras of the providers below ``metadata``."""
    sums: Counter[str] = Counter()
    for row in rows:
        sums.update(row.tokens)
    extras = {name: sums[name] for name in sorted(sums) if name not in TOKEN_NAMES}
    return {**_counts(sums), "metadata": extras}


def cost(rows: Iterable[Interception]) -> int | None:
    """Sum up what has a price, in millionths of a US dollar; ``None`` where nothing has one."""
    costs = [row.cost_micros for row in rows if row.cost_micros is not None]
    return sum(costs) if costs else None


def _latest_end(rows: Iterable[Interception]) -> str | None:
    return time_or_none(max((row.closed.ended_at for row in rows if row.closed), default=None))


def _counts(tokens: Mapping[str, int]) -> dict[str, int]:
    return {name: tokens.get(name, 0) for name in TOKEN_NAMES}
