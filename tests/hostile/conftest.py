import json
from collections.abc import Iterator

import pytest

from tests.e2e.product import Product, running
from tests.hostile.answers import ANSWERS
from tests.hostile.planted_answers import PROVIDER_KEY
from tests.hostile.provider import Provider, providing


def rows(provider: Provider) -> str:
    """Return both kinds of providers at one address."""
    plain = {"api_keys": [PROVIDER_KEY]}
    return json.dumps(
        [
            {"name": name, "type": name, "base_url": provider.url + path, **plain}
            for name, path in (("anthropic", ""), ("openai", "/v1"))
        ]
    )


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with providing(ANSWERS) as made:
        yield made


@pytest.fixture(scope="session")
def product(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A gateway on one machine before a provider that answers as it is told."""
    home = tmp_path_factory.mktemp("home")
    with running(home, AIGW_PROVIDERS_JSON=rows(provider)) as started:
        yield started


@pytest.fixture
def port(product: Product, provider: Provider) -> int:
    provider.reset()
    return int(product.gateway.rpartition(":")[2])
