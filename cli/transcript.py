"""One session as a person would want to read it: prompts, thoughts, tool calls, what they cost."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from aigateway.caller.clients import UNKNOWN, Client
from aigateway.interception import TOKEN_NAMES, Closed
from aigateway.ledger.rows import Interception
from aigateway.sessions.threads import Conversation, Thread, conversation_of
from aigateway.transcript.facts import AnsweredCall, Thought, ToolUsage
from cli.branches import Tree, tree_of
from cli.figures import clock_time, day_time, dollars, duration, plural, size
from cli.terminal import Line, Span

PROMPT_LINES, THOUGHT_LINES, INPUT_LINES = 60, 20, 12
LINE_CHARACTERS = 2_000
USER_AGENT_CHARACTERS = 60
INLINE_CHARACTERS = 70

HEAD = Span("")
BAR = Span("▌ ", "user")
STEP = Span("  ")
THOUGHT = Span("    ┊ ", "faint")
CALL = Span("    ")
INPUT = Span("        ")
BRANCH = "    │ "


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """How much of a long text is shown; ``full`` shows everything."""

    full: bool

    def text(self, text: str, most_lines: int) -> str:
        if self.full:
            return text
        lines = text.splitlines() or [""]
        kept = [
            line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} …"
            for line in lines[:most_lines]
        ]
        hidden = len(lines) - len(kept)
        if hidden:
            kept.append(f"… {hidden:,} more line{'s' if hidden > 1 else ''} (--full shows all)")
        return "\n".join(kept)


def transcript(rows: tuple[Interception, ...], *, full: bool = False) -> Iterator[Line]:
    """Return the lines of one session, given all its interceptions with their texts."""
    conversation = conversation_of(rows)
    yield from _head(rows, conversation)
    told = _Told(conversation, tree_of(conversation.threads), Cut(full))
    yield from _threads(told.tree.roots, told)


@final
@dataclass(frozen=True, slots=True)
class _Told:
    """What every part of one transcript needs."""

    conversation: Conversation
    tree: Tree
    cut: Cut


def _threads(threads: tuple[Thread, ...], told: _Told) -> Iterator[Line]:
    before = None
    for thread in threads:
        if before is None or not _repeats(thread.root, before):
            yield Line()
            yield from _beginning(thread.root)
            yield from _prompt(thread.root, told.cut)
        yield from _steps(thread, told)
        before = thread.root


def _below(row: Interception, told: _Told) -> Iterator[Line]:
    """Return the sub-agents that were begun in this step, further in."""
    for line in _threads(told.tree.below.get(row.id, ()), told):
        margin = Span(BRANCH + line.margin.text, line.margin.style)
        yield Line(line.spans, margin)


def _repeats(row: Interception, before: Interception) -> bool:
    """A client sends the same request again when the first one failed."""
    return bool(row.opened.retry_count) and (
        row.opened.request_sha256 == before.opened.request_sha256
    )


def _head(rows: tuple[Interception, ...], conversation: Conversation) -> Iterator[Line]:
    first = conversation.threads[0].root.opened
    ends = [row.closed.ended_at for row in rows if row.closed]
    models = sorted({f"{row.opened.model} ({row.opened.provider_name})" for row in rows})
    failed = sum(row.closed is not None and row.closed.outcome != "completed" for row in rows)
    running = sum(row.closed is None for row in rows)
    yield Line((Span("Session ", "strong"), Span(first.session_id, "title")))
    when = day_time(first.started_at)
    if not running:
        same_day = max(ends).date() == first.started_at.date()
        when += f" to {clock_time(max(ends)) if same_day else day_time(max(ends))}"
    yield _joined(
        [Span(first.initiator_username, "user"), Span(_client(first.client)), Span(f"{when} UTC")]
    )
    yield Line((Span(", ".join(models)),))
    counts = [Span(plural(len(rows), "request")), Span(plural(_human(conversation), "prompt"))]
    if failed:
        counts.append(Span(f"{failed} failed", "bad"))
    if running:
        counts.append(Span(f"{running} running", "doubtful"))
    yield _joined(counts)
    yield Line((Span("Tokens: ", "faint"), Span(_tokens(rows), "faint")))
    yield from _costs(rows)


def _costs(rows: tuple[Interception, ...]) -> Iterator[Line]:
    cost = sum(row.cost_micros or 0 for row in rows)
    unpriced = sum(row.closed.unpriced for row in rows if row.closed)
    if any(row.cost_micros is not None for row in rows):
        without = f", without {plural(unpriced, 'answer')} that no price is known of"
        told = dollars(cost) + (without if unpriced else "")
        yield Line((Span("Cost: ", "faint"), Span(told, "doubtful" if unpriced else "faint")))


def _client(client: Client) -> str:
    if client.name == UNKNOWN:
        return f"unknown client {client.user_agent[:USER_AGENT_CHARACTERS]}".rstrip()
    return " ".join(part for part in (client.name, client.version) if part)


def _human(conversation: Conversation) -> int:
    rows = [row for thread in conversation.threads for row in thread.rows]
    return sum(row.opened.counts_as_activity and not row.opened.retry_count for row in rows)


def _beginning(root: Interception) -> Iterator[Line]:
    opened = root.opened
    about = [Span(clock_time(opened.started_at), "faint")]
    if opened.lineage.agent_id is not None:
        about.append(Span(f"sub-agent {opened.lineage.agent_id}", "doubtful"))
    else:
        about.append(Span(opened.initiator_username, "user"))
    if opened.lineage.auxiliary:
        about.append(Span("side request of the program", "doubtful"))
    yield _joined(about)
    if opened.prompt is None:
        without = opened.metadata.get("prompt_unavailable")
        said = "no text, an image or a file" if without else "no prompt in this request"
        yield Line((Span(f"({said})", "faint"),), BAR)


def _steps(thread: Thread, told: _Told) -> Iterator[Line]:
    for row in thread.rows:
        if row is not thread.root:
            yield from _prompt(row, told.cut)
        yield from _step(row, told.conversation, told.cut)
        yield from _below(row, told)


def _prompt(row: Interception, cut: Cut) -> Iterator[Line]:
    prompt = row.opened.prompt
    if prompt is None:
        return
    yield Line((Span(cut.text(prompt.text, PROMPT_LINES)),), BAR)
    if prompt.truncated:
        yield Line((Span(f"({size(prompt.bytes)} in all, the rest is not kept)", "faint"),), BAR)


def _step(row: Interception, conversation: Conversation, cut: Cut) -> Iterator[Line]:
    opened, closed = row.opened, row.closed
    about = [Span(clock_time(opened.started_at), "faint"), Span(opened.model, "faint")]
    if opened.retry_count:
        about.append(Span(f"retry {opened.retry_count}", "doubtful"))
    if closed is None:
        yield _joined([*about, Span("running", "doubtful")], STEP)
        return
    about.append(Span(duration((closed.ended_at - opened.started_at).total_seconds()), "faint"))
    if closed.outcome != "failed" or any(row.tokens.values()):
        about += _use(row, closed)
    yield _joined(about, STEP)
    if closed.outcome != "completed":
        yield Line((Span(f"✗ {_failure(closed)}", "bad"),), CALL)
    if closed.deaf is not None:
        yield Line((Span(f"the rest was not understood: {closed.deaf}", "doubtful"),), CALL)
    for heard in sorted(closed.rows, key=lambda heard: heard.sequence):
        if isinstance(heard.fact, Thought):
            yield Line((Span(cut.text(heard.fact.text, THOUGHT_LINES), "thought"),), THOUGHT)
        elif isinstance(heard.fact, ToolUsage):
            result = conversation.results.get((row.id, heard.fact.call_id or ""))
            yield from _call(heard.fact, result, cut)
    asks = any(
        isinstance(h.fact, ToolUsage) and h.fact.executed_by == "client" for h in closed.rows
    )
    if closed.outcome == "completed" and not asks:
        yield Line((Span("answered in text (not recorded)", "faint"),), CALL)


def _use(row: Interception, closed: Closed) -> list[Span]:
    if closed.usage_missing:
        return [Span("tokens unknown", "doubtful")]
    counted = _tokens((row,), brief=True)
    cost = [] if row.cost_micros is None else [Span(dollars(row.cost_micros), "faint")]
    if closed.usage_partial:
        return [Span(f"at least {counted}", "doubtful"), *cost]
    return [Span(counted, "faint"), *cost]


def _failure(closed: Closed) -> str:
    kind = [str(closed.http_status)] if closed.http_status and closed.outcome == "failed" else []
    if closed.error_type is not None:
        kind.append(closed.error_type)
    outcome = closed.outcome.replace("_", " ")
    about = f"{outcome} ({' '.join(kind)})" if kind else outcome
    return f"{about}: {closed.error_message}" if closed.error_message else about


def _call(call: ToolUsage, result: AnsweredCall | None, cut: Cut) -> Iterator[Line]:
    name = f"{call.server}/{call.name}" if call.server else call.name
    arguments = _arguments(call)
    spans = [Span("→ ", "tool"), Span(name, "tool")]
    inline = len(arguments) == 1 and _is_short(arguments[0][1])
    if inline:
        spans.append(Span(f"  {': '.join(part for part in arguments[0] if part)}"))
    spans.append(Span("  "))
    spans.append(_state(call, result))
    yield Line(tuple(spans), CALL)
    if inline:
        return
    for name, value in arguments:
        text = cut.text(value, INPUT_LINES)
        if name and not _is_short(value):
            yield Line((Span(f"{name}:", "faint"),), INPUT)
            yield Line((Span(text),), Span(f"{INPUT.text}  "))
        else:
            label = (Span(f"{name}: ", "faint"),) if name else ()
            yield Line((*label, Span(text)), INPUT)


def _is_short(text: str) -> bool:
    return len(text) <= INLINE_CHARACTERS and "\n" not in text


def _arguments(call: ToolUsage) -> list[tuple[str, str]]:
    """Return names and values of a JSON object's members; any other input as one without name."""
    try:
        document = json.loads(call.input) if call.input_format == "json" else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return [("", call.input.strip())] if call.input.strip() else []
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in document.items()
    ]


def _state(call: ToolUsage, result: AnsweredCall | None) -> Span:
    if call.input_format == "partial":
        return Span("cut off", "bad")
    if result is None:
        by = {"provider": "run by the provider", "gateway": "run by the gateway"}
        return Span(by.get(call.executed_by, "no result seen"), "faint")
    if result.is_error:
        return Span(f"✗ error, {size(result.result_bytes)}", "bad")
    return Span(f"✓ {size(result.result_bytes)}", "good")


def _tokens(rows: tuple[Interception, ...], *, brief: bool = False) -> str:
    sums: Counter[str] = Counter()
    for row in rows:
        sums.update(row.tokens)
    words = (
        ("in", "out", "cached", "cache written")
        if brief
        else (
            "input",
            "output",
            "cache read",
            "cache write",
        )
    )
    return ", ".join(
        f"{sums[name]:,} {word}"
        for name, word in zip(TOKEN_NAMES, words, strict=True)
        if sums[name] or word in words[:2]
    )


def _joined(spans: list[Span], margin: Span = HEAD) -> Line:
    joined: list[Span] = []
    for span in spans:
        joined += [Span(" · ", "faint"), span] if joined else [span]
    return Line(tuple(joined), margin)
