"""Secrets planted in everything that goes through: which sinks may hold which of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.product import COMPOSITIONS, KEY, SAID, Product, Reply, call, running
from tests.e2e.streams import ID
from tests.hostile.conftest import rows
from tests.hostile.planted_answers import OWN, PROVIDER_KEY, TOOL
from tests.hostile.provider import Provider
from tests.otlp import Collected, collecting
from tests.planted import found_in, layers_of, marks_of
from tests.remains import is_home

COOKIE = "planted-cookie-of-somebody-0123456789"
BASIC = "cGxhbnRlZC1iYXNpYy1jcmVkZW50aWFs"
PROMPT = "AKIAPLANTEDWITHINAPROMPT0123456789"
WORDS = "what a person said in confidence"
SHOWN = {
    "Cookie": f"session={COOKIE}",
    "Proxy-Authorization": f"Basic {BASIC}",
    "User-Agent": f"tool/1 (Bearer {OWN})",
    "X-Session-Id": f"s-{OWN}",
    "X-Odd": f"Bearer {OWN}",
}
"""Secrets where clients put them, and where only a mistake does."""

ANSWERS = ("", "a quoted key", "a key in an event", "a key for a tool")
NOWHERE = {
    "gateway key": KEY,
    "provider key": PROVIDER_KEY,
    "cookie": COOKIE,
    "proxy credential": BASIC,
}
"""These belong into no sink at all."""

IN_RECORDS = {"own credential": OWN, "prompt": PROMPT, "tool input": TOOL, "words": WORDS}
"""These belong where texts of clients and models are kept, and nowhere else."""


SECRETS = {**NOWHERE, **IN_RECORDS}


@final
@dataclass(frozen=True, slots=True)
class Told:
    """What came of the requests: answers, and what each sink got."""

    state: Path
    replies: Sequence[Reply]
    said: str
    spans: str
    metrics: str
    listed: str


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_i10_each_sink_holds_only_what_belongs_there(
    provider: Provider, tmp_path: Path, composition: str
) -> None:
    told = exercised(provider, tmp_path, composition)
    no_log_shows_a_secret(told)
    no_span_shows_a_secret_or_what_was_said(told)
    no_metric_and_no_list_of_records_shows_one(told)
    no_error_of_our_own_shows_one(told)
    no_record_holds_a_key(told)


def exercised(provider: Provider, home: Path, composition: str) -> Told:
    """Have a product log, trace and count requests of each dialect and each end."""
    with collecting() as collected:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.endpoint,
            "AIGW_PROVIDERS_JSON": rows(provider),
            "AIGW_RELOAD_INTERVAL": "1s",
        }
        with running(home, composition, "--trace", "--trace-logs", **variables) as product:
            replies = [*asked(product)]
            traced(collected, sum(reply.header(ID) is not None for reply in replies))
            listed = [product.aigw("export", "--format", name) for name in ("csv", "tokens")]
            metrics = call(f"{product.api}/metrics", headers={"Authorization": f"Bearer {KEY}"})
    return Told(
        product.state,
        replies,
        (home / SAID).read_text(),
        str(collected.spans),
        metrics.body.decode(),
        "".join(listed),
    )


def asked(product: Product) -> Iterator[Reply]:
    own = {"Authorization": f"Bearer {OWN}", "X-AI-Gateway-Token": product.key}
    for dialect, path in PATHS.items():
        body = ask(dialect, f"{WORDS}: {PROMPT}", stream=True)
        for answer in ANSWERS:
            wanted = {"x-answer": f"{answer} {dialect}"} if answer else {}
            yield product.post(path, body, SHOWN | wanted)
            yield product.post(path, body, SHOWN | wanted | own)
        yield product.post(path, b"{" + OWN.encode(), SHOWN)
        yield product.post(path, body, SHOWN | {"Authorization": f"Bearer {OWN}"})
        yield product.post(f"/nowhere{path}?key={OWN}", body, SHOWN)
        yield product.post(path, body, SHOWN | {"Content-Encoding": OWN})


def traced(collected: Collected, recorded: int) -> None:
    with collected.came:
        assert collected.came.wait_for(lambda: len(collected.named("Intercept")) >= recorded, 30)


def shown(text: str) -> list[str]:
    """Return which secret a text shows."""
    return [
        name
        for name, secret in SECRETS.items()
        if any(mark in layer for layer in layers_of(text.encode()) for mark in marks_of(secret))
    ]


def no_log_shows_a_secret(told: Told) -> None:
    secrets = {name: secret for name, secret in SECRETS.items() if name != "words"}
    folders = [told.state / "logs", told.state / "records"]
    assert [found_in(folder, told.said, secrets) for folder in folders] == [[], []]
    assert [found for folder in folders for found in found_in(folder, "", {"words": WORDS})]


def no_span_shows_a_secret_or_what_was_said(told: Told) -> None:
    assert shown(told.spans) == []
    assert "Intercept.RecordToolUsage" in told.spans


def no_metric_and_no_list_of_records_shows_one(told: Told) -> None:
    assert "aigw_rejected_total" in told.metrics
    assert shown(told.metrics) == []
    assert len(told.listed.splitlines()) > len(told.replies) // 2
    assert shown(told.listed) == []


def no_error_of_our_own_shows_one(told: Told) -> None:
    own = [reply for reply in told.replies if reply.header("x-ai-gateway-error") is not None]
    assert len(own) >= 3 * len(PATHS)
    for reply in own:
        assert shown(reply.body.decode() + str(reply.headers)) == []


def no_record_holds_a_key(told: Told) -> None:
    """Where keys are at home they lie, of course."""
    kept = found_in(told.state, "", NOWHERE | {"own credential": OWN})
    assert [place for place in kept if not is_home(Path(place.partition(" in ")[2]))] == []
    assert len(found_in(told.state, "", {"prompt": PROMPT, "tool input": TOOL})) >= 2
