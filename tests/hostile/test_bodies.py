"""Bodies that are no honest request: passed on unchanged or refused, recorded, in bounds."""

import json

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.product import Product
from tests.e2e.streams import resident_kb
from tests.hostile.bodies import BODIES
from tests.hostile.provider import Provider
from tests.hostile.raw import posted, sent
from tests.hostile.records import record_of

GROWN_MB = 160
"""The body, its decoded copy, and 200,000 members as objects."""


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("dialect", PATHS)
async def test_a_vast_or_odd_body_goes_on_unchanged_or_not_at_all(
    product: Product, port: int, provider: Provider, dialect: str, name: str
) -> None:
    """Where background cannot be ruled out, what cannot be read is refused."""
    body = BODIES[name]
    content = body.made(json.dumps(ask(dialect, "hi", stream=True)).encode())
    before = resident_kb(product.child("gateway"))
    path = PATHS[dialect].encode()
    coding = b"Content-Encoding: " + body.coding
    (heard,) = sent(port, posted(coding, path=path, body=content))
    if dialect == "responses" and body.unavailable is not None:
        assert (heard.status, heard.code) == (400, "unreadable_body")
        assert provider.asked == []
    else:
        assert (heard.status, heard.whole) == (200, True)
        assert [asked.body for asked in provider.asked] == [content]
        opened = (await record_of(product, heard)).opened
        assert opened.metadata.get("prompt_unavailable") == body.unavailable
        assert (opened.prompt is None) == (body.unavailable is not None)
    assert resident_kb(product.child("gateway")) < before + GROWN_MB * 1024
