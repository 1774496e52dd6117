"""What a start and a closing move besides the record: its session, pointers and counters.

The session item is written without being read. Sums (``sq mn er th uc``, tokens) are added by the
closing transaction and exact. Times are good to the time limit of a request; ``la`` and the
seven activities before it, ``a1`` to ``a7``, only move forward.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from aigateway.clock import from_micros, micros
from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.documents import late_row
from aigateway.ledger.expressions import Condition, Item, Put, Update
from aigateway.ledger.items import (
    COUNTER_SHARDS,
    META,
    OPENED,
    TOKENS,
    UNPARENTED,
    call_partition,
    client_session_partition,
    closed_attributes,
    cut,
    expiry,
    flag_bit,
    milliseconds,
    moment,
    month_partition,
    record_key,
    response_partition,
    session_partition,
    shard,
    user_partition,
)
from aigateway.ledger.listing import LAST_PROMPT_CHARACTERS
from aigateway.ledger.rows import Session
from aigateway.steps import CLOSED, Step, cut_name

LAST_PROMPT_BYTES = 300
COMBINATIONS = 8
"""A session item with more of them would no longer stay under 1 KB."""
REGISTERS = tuple(f"a{place}" for place in range(1, 8))
STILL_OPEN = Condition("attribute_exists(#pk) AND attribute_not_exists(#en)")
ABANDONED = Condition("#oc = :oc AND attribute_not_exists(#lt)", {"oc": "abandoned"})
STILL_UNPARENTED = Condition("#g3pk = :mark AND attribute_not_exists(#tp)", {"mark": UNPARENTED})
OPEN_INDEX = ("g3pk", "g3sk")
PROMPTED = OPENED["has_prompt"]


def encoded(text: str) -> str:
    return text.replace("%", "%25").replace("|", "%7C").replace("#", "%23")


def decoded(text: str) -> str:
    return text.replace("%23", "#").replace("%7C", "|").replace("%25", "%")


def combination(opened: Opened) -> str:
    """Return what filters ask for, all of one interception in one word."""
    parts = (opened.provider, opened.provider_name, cut_name(opened.model), opened.client.name)
    return "|".join(encoded(part) for part in parts)


def parts_of(text: str) -> tuple[str, ...]:
    """Undo ``combination``: runtime type, instance name, model, client."""
    return tuple(decoded(part) for part in text.split("|"))


def _identity(opened: Opened) -> dict[str, Any]:
    return {
        "si": opened.session_id,
        "in": opened.initiator_id,
        "un": opened.initiator_username,
        "cl": opened.client.name,
        "md": dict(opened.metadata),
        "st": micros(opened.started_at),
    }


def _place(opened: Opened, list_shards: int) -> dict[str, Any]:
    sid, ms = opened.session_key, milliseconds(opened.started_at)
    return {
        "la": ms,
        "g1pk": month_partition(opened.started_at, shard(sid, list_shards)),
        "g1sk": moment(ms, sid),
        "g2sk": moment(ms, sid),
    }


def _last_prompt(opened: Opened) -> dict[str, str]:
    if not opened.counts_as_activity or opened.prompt is None:
        return {}
    return {"lp": cut(opened.prompt.text[:LAST_PROMPT_CHARACTERS], LAST_PROMPT_BYTES)}


def _lasting(expires_at: dict[str, int]) -> tuple[str, ...]:
    return () if expires_at else ("expires_at",)


def session_begun(opened: Opened, list_shards: int) -> Update:
    """Return the session's move at a start: forward in the list for a person's prompt.

    An older prompt than the last one is refused by the condition, and so is a repeat.
    """
    key = session_partition(opened.session_key), META
    lasts = expiry(opened.expires_at)
    place = _place(opened, list_shards)
    firsts = _identity(opened) | {"g2pk": user_partition(opened.initiator_id)}
    sets = {"ls": micros(opened.started_at), **lasts}
    if not opened.counts_as_activity:
        return Update(*key, sets=sets, firsts=firsts | place, removes=_lasting(lasts))
    before = ("la", *REGISTERS)
    return Update(
        *key,
        sets=sets | place | _last_prompt(opened),
        firsts=firsts,
        moves={name: (earlier, place["la"]) for name, earlier in zip(REGISTERS, before)},  # noqa: B905 - the last one has no successor
        removes=_lasting(lasts),
        condition=Condition("attribute_not_exists(#la) OR #la < :t", {"t": place["la"]}),
    )


def session_pointer(opened: Opened) -> Put | None:
    """Return the way from a client's session id to its session, where it sends one."""
    client_session_id = opened.lineage.client_session_id
    if not client_session_id:
        return None
    key = {"pk": client_session_partition(client_session_id), "sk": opened.initiator_id}
    return Put(key | {"sid": opened.session_key, **expiry(opened.expires_at)})


def answer_pointers(opened: Opened, closed: Closed) -> list[Put]:
    """Return the ways back from call and response ids, where no session id leads there."""
    if opened.lineage.client_session_id:
        return []
    initiator = opened.initiator_id
    partitions = {call_partition(initiator, call_id) for call_id, _ in closed.calls}
    if closed.provider_response_id:
        partitions.add(response_partition(initiator, closed.provider_response_id))
    parents = opened.parents or closed.parents
    shared = {
        "sk": moment(milliseconds(opened.started_at), opened.id),
        "sid": opened.session_key,
        "ro": parents.thread_root_id if parents else opened.id,
        **expiry(opened.expires_at),
    }
    return [Put({"pk": pk} | shared) for pk in sorted(partitions)]


def record_closed(opened: Opened, closed: Closed, parts: str, own: str) -> Update:
    """Return the closing of the record; ``own`` marks which call it was that won.

    Where it has no prompt, one that may still arrive belongs to it no more. A sweep only does not
    know of any.
    """
    sets = closed_attributes(opened, closed, parts) | {"cw": own}
    marked = {"g3pk": UNPARENTED} if closed.parents_unknown else {}
    is_promptless = opened.prompt is None and closed.outcome != "abandoned"
    return Update(
        *record_key(opened),
        sets=sets | marked,
        removes=(() if marked else OPEN_INDEX) + ((PROMPTED,) if is_promptless else ()),
        condition=STILL_OPEN,
    )


def ended_late(opened: Opened, closed: Closed) -> Update:
    """Return the note of how a record ended that had been closed as abandoned."""
    return Update(*record_key(opened), sets={"lt": late_row(closed)}, condition=ABANDONED)


def parents_settled(opened: Opened, parents: Parents | None, flags: int) -> list[Update]:
    """Return what a later look-up of a record's parents moves; ``flags``: its stored bits.

    With parents its session has one thread less.
    """
    flags &= ~flag_bit("parents_unknown")
    found: dict[str, Any] = {}
    if parents is not None:
        flags |= flag_bit("parents_late")
        found = {"tp": parents.thread_parent_id, "tr_": parents.thread_root_id}
    record = Update(
        *record_key(opened),
        sets=found | {"fl": flags},
        removes=OPEN_INDEX,
        condition=STILL_UNPARENTED,
    )
    if parents is None or not opened.is_human:
        return [record]
    return [record, Update(session_partition(opened.session_key), META, adds={"th": -1})]


def session_closed(
    opened: Opened,
    closed: Closed,
    list_shards: int,
    known: Item | None,
    *,
    is_bounded: bool,
    is_new: bool,
    is_full: bool,
) -> Update:
    """Return what a closing adds to its session, which it creates if the start could not.

    ``known`` is the stored item where the closing is late and must set no time back. ``is_new``:
    the combination has to be added, or, when the set ``is_full``, to be marked as missing.
    """
    latest = _latest(opened, closed, known)
    place = _place(opened, list_shards)
    firsts = _identity(opened) | place | {"g2pk": user_partition(opened.initiator_id)}
    is_root = opened.parents is None and closed.parents is None
    sums = {TOKENS[name]: amount for name, amount in closed.tokens.items() if name in TOKENS}
    adds: dict[str, Any] = {
        "sq": 1,
        "mn": int(not opened.lineage.auxiliary),
        "er": int(closed.outcome != "completed"),
        "th": int(opened.is_human and is_root),
        **sums,
    }
    adds = {name: amount for name, amount in adds.items() if amount}
    if closed.cost_micros is not None:
        adds["uc"] = closed.cost_micros
    sets: dict[str, Any] = dict(latest)
    if is_new and not is_bounded and not is_full:
        adds["cb"] = frozenset({combination(opened)})
    elif is_new:
        sets["cx"] = 1
    if not is_bounded:
        firsts |= _last_prompt(opened)
    return Update(
        session_partition(opened.session_key),
        META,
        sets=sets,
        firsts=firsts,
        adds=adds,
        removes=() if "expires_at" in latest else ("expires_at",),
    )


def _latest(opened: Opened, closed: Closed, known: Item | None) -> dict[str, int]:
    own = {
        "en": micros(closed.ended_at),
        "ls": micros(opened.started_at),
        **expiry(opened.expires_at),
    }
    if known is None:
        return own
    latest = {name: max(value, known.get(name, 0)) for name, value in own.items()}
    if "sq" in known and "expires_at" not in known:
        latest.pop("expires_at", None)
    return latest


def counter_partition(part: int) -> str:
    return f"CTR#{part}"


def counter_key(kind: str, key: Sequence[str], sub_item: int) -> tuple[str, str]:
    """Return where a counter stands. An interception's lies with its initiator's others."""
    by = key[-1] if kind == CLOSED else key[0]
    labels = "|".join(encoded(part) for part in key)
    return counter_partition(shard(by, COUNTER_SHARDS)), f"{kind}#{labels}#{sub_item}"


def counter_of(sk: str) -> tuple[str, tuple[str, ...]]:
    """Undo ``counter_key``; sub-items of one counter give the same."""
    kind, labels, _ = sk.split("#")
    return kind, tuple(decoded(part) for part in labels.split("|"))


def counters_moved(steps: Iterable[Step], sub_item: int, *, is_bounded: bool) -> list[Update]:
    """Return one update per counter; bounded ones count every tool as ``other``."""
    sums: dict[tuple[str, tuple[str, ...]], Counter[str]] = {}
    for step in steps:
        name = "n:other" if is_bounded and step.attribute.startswith("n:") else step.attribute
        sums.setdefault((step.kind, step.key), Counter())[name] += step.amount
    return [
        Update(*counter_key(kind, key, sub_item), adds=dict(amounts))
        for (kind, key), amounts in sums.items()
    ]


def session_from(item: Item, names: set[tuple[str, ...]], in_flight: int | None) -> Session:
    """Return the session of an item; ``names`` are the combinations of its interceptions."""
    providers, provider_names, models, _ = zip(*names, strict=True) if names else ((),) * 4
    return Session(
        key=str(item["pk"]).removeprefix("S#"),
        id=item["si"],
        initiator_id=item["in"],
        initiator_username=item["un"],
        client=item["cl"],
        metadata=item.get("md", {}),
        providers=tuple(sorted(set(providers))),
        provider_names=tuple(sorted(set(provider_names))),
        models=tuple(sorted(set(models))),
        started_at=from_micros(item["st"]),
        ended_at=from_micros(item["en"]) if "en" in item else None,
        last_active_at=from_micros(item["la"] * 1000),
        last_prompt=item.get("lp"),
        threads=item.get("th", 0),
        errors=item.get("er", 0),
        tokens={name: item.get(TOKENS[name], 0) for name in TOKENS},
        cost_micros=item.get("uc"),
        inflight=in_flight,
    )
