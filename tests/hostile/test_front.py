"""The same requests at the front of a deployed gateway, and the answers through it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aigateway.settings import Settings
from local.__main__ import LOOPBACK, prepare
from tests.e2e.product import KEY
from tests.e2e.sandboxed import Sandboxed, sandboxed
from tests.hostile.answers import CUT, RELAYED, UNREACHABLE
from tests.hostile.conftest import rows
from tests.hostile.heads import ELSEWHERE, FOLLOWED, MALFORMED, PLAIN, SERVED, TOO_LARGE
from tests.hostile.provider import Provider
from tests.hostile.raw import BODY, Heard, posted, sent

REFUSED_THERE = {
    "empty lines first",
    "an absolute target",
    "a fragment",
    "a connection that names the rest",
}
UNFINISHED = {"line feeds alone", "chunks by line feeds", "the hello of TLS"}
"""How long the platform waits for the rest of these is not ours to try."""

SMALL = {name: content for name, content in FOLLOWED.items() if len(content) < 1 << 20}


@pytest.fixture
async def deployed(provider: Provider, tmp_path: Path) -> AsyncIterator[Sandboxed]:
    settings = Settings.from_env(
        {"AIGW_STATE_DIR": str(tmp_path), "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK}
    )
    await prepare(settings, {"AIGW_PROVIDERS_JSON": rows(provider), "AIGW_ADMIN_KEY": KEY}, 0)
    async with sandboxed(tmp_path) as made:
        yield made


async def told(deployed: Sandboxed, provider: Provider, content: bytes) -> list[Heard]:
    provider.reset()
    return await asyncio.to_thread(sent, deployed.port, content)


async def test_no_request_becomes_two_on_its_way(deployed: Sandboxed, provider: Provider) -> None:
    """Whoever refuses it; what is served is one request at the provider, and nothing hidden."""
    wrong = []
    for name, content in {**MALFORMED, **TOO_LARGE, **ELSEWHERE, **SERVED}.items():
        if name in UNFINISHED:
            continue
        heard = await told(deployed, provider, content)
        served = [each for each in heard if each.status == 200]
        bodies = [asked.body for asked in provider.asked]
        asked = all(b"hidden" not in asked.target for asked in provider.asked)
        if bodies != [BODY] * len(served) or len(heard) > 1 or provider.faults or not asked:
            wrong.append((name, heard, bodies, [*provider.faults]))
        (plain,) = await told(deployed, provider, PLAIN)
        assert (plain.status, plain.body) == (200, b"{}"), name
    assert wrong == []


async def test_what_is_only_unusual_is_served_there_too(
    deployed: Sandboxed, provider: Provider
) -> None:
    for name, content in SERVED.items():
        heard = await told(deployed, provider, content)
        statuses = [each.status for each in heard]
        assert statuses == [200] or name in REFUSED_THERE, name


async def test_what_follows_a_refused_request_is_the_next_one(
    deployed: Sandboxed, provider: Provider
) -> None:
    for name, content in SMALL.items():
        first, second = await told(deployed, provider, content + PLAIN)
        assert (first.status // 100, second.status) == (4, 200), name
        assert [asked.body for asked in provider.asked] == [BODY], name


async def test_no_answer_of_a_provider_gets_past_the_function(
    deployed: Sandboxed, provider: Provider
) -> None:
    for name in UNREACHABLE:
        (heard,) = await told(deployed, provider, posted(b"x-answer: " + name))
        assert (heard.status, heard.code) == (502, "upstream_unreachable"), name
    for name in CUT:
        (heard,) = await told(deployed, provider, posted(b"x-answer: " + name))
        assert (heard.body, heard.whole) == (b"{}", False), name
    for name, (_, body) in RELAYED.items():
        (heard,) = await told(deployed, provider, posted(b"x-answer: " + name))
        assert (heard.body, heard.whole) == (body, True), name
        assert heard.code is None, name
