"""Mixed traffic, planned beforehand: what is sent, and what of it leaves no row.

Dialects, models, clients, people, tools, tokens of every kind, all ways in which an answer can
fail, and clients of which the gateway is killed in the middle of a stream.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import final

from tests.acceptance.words import CLIENTS
from tests.e2e.asks import ask

KEYS = ("sk-made-up-pool-one", "sk-made-up-pool-two", "sk-made-up-pool-three")
MODELS = {
    "messages": ("claude-opus-5", "claude-sonnet-5", "claude-haiku-5"),
    "chat": ("gpt-5", "gpt-5-mini"),
    "responses": ("gpt-5-codex", "gpt-5-pro"),
}
ROUTES = {
    "messages": ("/anthropic/v1/messages", "/pooled/v1/messages"),
    "chat": ("/openai/v1/chat/completions",),
    "responses": ("/openai/v1/responses",),
}
LISTED = "/listed/v1/models"
TOOLS = ("Read", "Bash", "mcp__docs__search", "a.b/c:d", "not a name")
FAULTS = (
    "status=400",
    "status=429;retry-after=1",
    "status=500",
    "status=529",
    "cut;at=2",
    "cut;at=5",
    "end;at=4",
    "truncate",
    "error=overloaded_error;at=4",
    "failed=server_error;at=4",
    "keys=one:429:1",
    "keys=one:401,two:429:1,three:429:1",
)
INVENTED = "model-that-nobody-serves"
STALL = "tools=Read;stall;at=5"
CLOSING_SECONDS = 0.1
LAST_EVENTS = {"messages": b"message_stop", "chat": b"[DONE]", "responses": b"response.completed"}


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """One request. ``person``: whose key it comes with, ``None`` is nobody's.

    ``counts_as`` names what a request without a row counts as. ``kills``: its gateway is killed
    when the answer holds ``killed_at``, or so many seconds later: in the middle of a stream, or
    anywhere while the record is being closed.
    """

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    person: str | None
    method: str = "POST"
    counts_as: str = ""
    kills: bool = False
    killed_at: bytes = b""
    killed_after_seconds: float = 0.0

    @property
    def is_recorded(self) -> bool:
        return not self.counts_as


def planned(number: int, people: Sequence[str], seed: int = 1) -> list[Asked]:
    """Return so many requests, at least those that give each model a name of its own."""
    random = Random(seed)  # noqa: S311 - the same traffic each time
    first = [
        recorded(random, dialect, route, model, "text=fine", people[0])
        for dialect, models in MODELS.items()
        for route in ROUTES[dialect]
        for model in models
    ]
    return [*first, *(any_of(random, people) for _ in range(number - len(first)))]


def any_of(random: Random, people: Sequence[str]) -> Asked:
    person = random.choice(people)
    dialect = random.choice(tuple(MODELS))
    route, model = random.choice(ROUTES[dialect]), random.choice(MODELS[dialect])
    chance = random.random()
    if chance < 0.04:
        return Asked(LISTED, b"", (), person, "GET", counts_as="passthrough")
    if chance < 0.06:
        return Asked(route, b"{}", (), None, counts_as="invalid_gateway_key")
    if chance < 0.08:
        return Asked("/nobody/v1/messages", b"{}", (), person, counts_as="route_not_supported")
    if chance < 0.11:
        return recorded(random, dialect, route, INVENTED, "status=404", person)
    if chance < 0.14:
        stalled = recorded(random, dialect, route, model, STALL, person, stream=True)
        return replace(stalled, kills=True)
    if chance < 0.17:
        served = recorded(random, dialect, route, model, "tools=Read", person, stream=True)
        after = random.random() * CLOSING_SECONDS
        last = LAST_EVENTS[dialect]
        return replace(served, kills=True, killed_at=last, killed_after_seconds=after)
    if chance < 0.31:
        return recorded(random, dialect, route, model, random.choice(FAULTS), person)
    return recorded(random, dialect, route, model, ";".join(wished(random)), person)


def wished(random: Random) -> Iterator[str]:
    usage = (random.randrange(5_000), random.randrange(1, 900), random.randrange(90_000))
    yield f"usage={','.join(map(str, usage))},{random.choice((0, 0, 700))}"
    if random.random() < 0.5:
        yield f"tools={','.join(random.sample(TOOLS, random.randrange(1, 4)))}"
    if random.random() < 0.3:
        yield "think=hm"


def recorded(
    random: Random,
    dialect: str,
    route: str,
    model: str,
    wish: str,
    person: str,
    *,
    stream: bool | None = None,
) -> Asked:
    client = CLIENTS[random.choice(sorted(CLIENTS))]
    streams = random.random() < 0.6 if stream is None else stream
    body = ask(dialect, "hello", stream=streams) | {"model": model}
    headers = {"x-fake": wish, "content-type": "application/json", **client}
    return Asked(route, json.dumps(body).encode(), tuple(headers.items()), person)
