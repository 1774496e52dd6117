"""The settings of a provider that say whose its requests are."""

import pytest

from aigateway.errors import RowInvalid
from aigateway.pool.tenant import tenant_from

OPENAI = {"_type": "openai", "_version": 1}
ANTHROPIC = {"_type": "anthropic", "_version": 1}


def test_settings_become_the_vendors_headers() -> None:
    both = OPENAI | {"organization": "org_1", "project": "proj_1"}
    expected = ((b"openai-organization", b"org_1"), (b"openai-project", b"proj_1"))
    assert tenant_from(both, "openai") == expected
    workspace = ANTHROPIC | {"workspace": "wrkspc_1"}
    assert tenant_from(workspace, "anthropic") == ((b"anthropic-workspace-id", b"wrkspc_1"),)


@pytest.mark.parametrize("settings", [None, OPENAI, OPENAI | {"project": None}])
def test_what_is_not_given_is_not_sent(settings: object) -> None:
    assert tenant_from(settings, "openai") == ()


def test_settings_of_bedrock_are_none_of_these() -> None:
    assert (
        tenant_from({"_type": "bedrock", "_version": 1, "region": "us-east-1"}, "anthropic") == ()
    )


@pytest.mark.parametrize(
    "settings",
    [
        [],
        "x",
        {},
        {"_type": "openai"},
        {"_version": 1},
        {"_type": "unheard-of", "_version": 1},
        {"_type": ["openai"], "_version": 1},
        ANTHROPIC,
        OPENAI | {"_version": 2},
        OPENAI | {"_version": "1"},
        OPENAI | {"_version": True},
        OPENAI | {"workspace": "wrkspc_1"},
        OPENAI | {"organisation": "org_1"},
        OPENAI | {"organization": ""},
        OPENAI | {"organization": 5},
        OPENAI | {"organization": "a b"},
        OPENAI | {"organization": "org_1\r\nX-Other: 1"},
        OPENAI | {"organization": "é"},
        OPENAI | {"organization": "x" * 257},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: object) -> None:
    with pytest.raises(RowInvalid, match=r"^settings: "):
        tenant_from(settings, "openai")
