"""Which names an operator may give a header."""

import pytest

from aigateway.header_names import is_free


@pytest.mark.parametrize("name", ["X-User", "x_user", "Remote-User", "X-Request-Owner"])
def test_a_name_without_a_meaning_is_free(name: str) -> None:
    assert is_free(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "X User",
        "X-User:",
        "X-User\r\nX-Other",
        "X-Üser",
        "x" * 129,
        "Authorization",
        "X_Api_Key",
        "Host",
        "TE",
        "Cookie",
        "Via",
        "X-Amz-Date",
        "OpenAI-Project",
        "Anthropic-Workspace-Id",
        "Content-Type",
        "User-Agent",
        "X-AI-Bridge-Actor-ID",
        "x-ai-bridge-actor-anything",
        "X_AI_Bridge_Actor_ID",
    ],
)
def test_a_name_with_a_meaning_or_no_name_at_all_is_not(name: str) -> None:
    assert not is_free(name)
