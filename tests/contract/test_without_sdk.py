"""A gateway function over a table serves where AWS's libraries cannot be loaded at all."""

import dataclasses
from pathlib import Path
from uuid import uuid4

import pytest

from aigateway.caller.keys import new_secret
from bench import sandbox
from bench.layer import Layer, source_layer
from local.__main__ import LOOPBACK
from tests.contract.stand_in import ACCOUNT

pytestmark = pytest.mark.ministack


@pytest.fixture
def environment(stand_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the function gets; this process makes its table, key and provider, by the SDK."""
    account = ACCOUNT | {"AWS_ENDPOINT_URL": stand_in}
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    name = f"ledger-{uuid4().hex[:12]}"
    return account | {
        "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK,
        "AIGW_SECRETS_PREFIX": f"{name}/",
        "AIGW_STATE_DIR": str(tmp_path / "state"),
        "AIGW_TABLE": name,
        "HOME": str(tmp_path),
    }


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    """The layers, before them packages that stand in the way of the SDK's."""
    for name in ("boto3", "botocore", "pynamodb"):
        package = tmp_path / "packages" / name
        package.mkdir(parents=True)
        package.joinpath("__init__.py").write_text("raise ImportError('not in a gateway')\n")
    whole = source_layer()
    return dataclasses.replace(whole, packages=f"{tmp_path / 'packages'}:{whole.packages}")


async def test_requests_are_served_and_recorded(environment: dict[str, str], layer: Layer) -> None:
    """From the start to the key of a provider and the closing of a record."""
    served = await sandbox.warm(layer, environment, new_secret(), 1)
    assert served.own_ms > 0
