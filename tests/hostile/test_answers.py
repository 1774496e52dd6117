"""Answers that no provider should give: a clear error, a cut, or every byte; and a record."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from aigateway.interception import Closed
from tests.e2e.product import Product
from tests.e2e.streams import resident_kb
from tests.hostile.answers import CUT, NOT_READ, RELAYED, UNREACHABLE, VAST
from tests.hostile.provider import Provider
from tests.hostile.raw import PLAIN_ANSWER, Heard, posted, sent
from tests.hostile.records import record_of

GROWN_MB = 96
"""What a process may keep of the largest answer: decoded texts and frames up to their limits."""


@pytest.fixture(autouse=True)
def serves_on(port: int, provider: Provider) -> Iterator[None]:
    """Whatever was answered: the next request gets its own answer."""
    yield
    (heard,) = sent(port, posted())
    assert (heard.status, heard.body, heard.whole) == (200, PLAIN_ANSWER, True)
    assert provider.faults == []


def asked(port: int, name: bytes, path: bytes = b"/anthropic/v1/messages") -> Heard:
    (heard,) = sent(port, posted(b"x-answer: " + name, path=path))
    return heard


async def closed(product: Product, heard: Heard) -> Closed:
    """Return what the record says of how an exchange ended."""
    found = (await record_of(product, heard)).closed
    assert found is not None
    return found


@pytest.mark.parametrize("name", UNREACHABLE, ids=bytes.decode)
async def test_what_is_no_answer_is_an_error_in_the_dialect(
    product: Product, port: int, provider: Provider, name: bytes
) -> None:
    heard = asked(port, name)
    assert (heard.status, heard.code, heard.whole) == (502, "upstream_unreachable", True)
    assert heard.body.startswith(b'{"type":"error","error":{"type":"api_error"')
    assert len(provider.asked) == 1
    kept = await closed(product, heard)
    assert (kept.outcome, kept.error_type) == ("failed", "server_error")


@pytest.mark.parametrize("name", CUT, ids=bytes.decode)
async def test_what_breaks_off_stays_broken_off(product: Product, port: int, name: bytes) -> None:
    heard = asked(port, name)
    assert (heard.status, heard.body, heard.whole) == (200, b"{}", False)
    assert (await closed(product, heard)).outcome == "upstream_cut"


@pytest.mark.parametrize("name", RELAYED, ids=bytes.decode)
async def test_what_is_only_unusual_is_passed_on(product: Product, port: int, name: bytes) -> None:
    answer, body = RELAYED[name]
    heard = asked(port, name)
    assert b"HTTP/1.1 %d " % heard.status in answer.replace(b"HTTP/1.0", b"HTTP/1.1")
    assert (heard.body, heard.whole) == (body, True)
    assert heard.code is None
    names = {name for name, _ in heard.headers}
    assert not names & {"x-hidden", "keep-alive", "upgrade", "set-cookie", "alt-svc", "link"}
    assert (await closed(product, heard)).response_bytes == len(body)


@pytest.mark.parametrize("name", VAST, ids=bytes.decode)
async def test_the_largest_answer_is_passed_on_in_bounded_memory(
    product: Product, port: int, name: bytes
) -> None:
    before = resident_kb(product.child("gateway"))
    heard = asked(port, name)
    assert heard.whole
    expected = VAST[name]()
    assert sha256(heard.body).digest() == sha256(expected.body).digest()
    assert (await closed(product, heard)).deaf == expected.deaf
    assert resident_kb(product.child("gateway")) < before + GROWN_MB * 1024


@pytest.mark.parametrize("path", [b"/openai/v1/chat/completions", b"/openai/v1/responses"])
@pytest.mark.parametrize("name", sorted(VAST.keys() - NOT_READ), ids=bytes.decode)
async def test_so_it_is_in_the_other_dialects(
    product: Product, port: int, name: bytes, path: bytes
) -> None:
    heard = asked(port, name, path)
    assert heard.whole
    expected = VAST[name]()
    assert sha256(heard.body).digest() == sha256(expected.body).digest()
    assert (await closed(product, heard)).deaf == expected.deaf
