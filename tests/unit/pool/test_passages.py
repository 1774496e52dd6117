"""Paths that an operator may add to those that are passed through."""

import pytest

from aigateway.errors import RowInvalid
from aigateway.pool.passages import LENGTH_LIMIT, RECORDED, TEMPLATES_LIMIT, templates_from
from aigateway.pool.routes import ANTHROPIC_BRIDGED, COPILOT_BRIDGED, OPENAI_BRIDGED


def test_every_recorded_path_is_known_as_one() -> None:
    assert {*ANTHROPIC_BRIDGED, *COPILOT_BRIDGED, *OPENAI_BRIDGED} <= RECORDED


@pytest.mark.parametrize(
    "templates",
    [
        [],
        ["/v1/embeddings", "/v1/files", "/v1/files/*", "/x", "/a-b/c_d/e.f~g"],
        ["/v1/messages/batches", "/v1/messages/*"],
        ["/" + "x" * (LENGTH_LIMIT - 1)],
        [f"/v1/{number}" for number in range(TEMPLATES_LIMIT)],
    ],
)
def test_paths_are_taken_as_they_are(templates: list[str]) -> None:
    assert templates_from(templates) == tuple(templates)


def test_without_any_there_are_none() -> None:
    assert templates_from(None) == ()


@pytest.mark.parametrize(
    "bad",
    [
        "/v1/files",
        {"/v1/files": ["GET"]},
        [5],
        [""],
        ["/"],
        ["v1/files"],
        ["/v1/files/"],
        ["/v1//files"],
        ["/v1/../files"],
        ["/v1/./files"],
        ["/v1/%2e%2e/files"],
        ["/v1/files?x=1"],
        ["/v1/files#x"],
        ["/v1/files\n"],
        ["/v1/é"],
        ["/*"],
        ["/v1/*/content"],
        ["/v1/f*"],
        ["/v1/**"],
        ["/" + "x" * LENGTH_LIMIT],
        [f"/v1/{number}" for number in range(TEMPLATES_LIMIT + 1)],
        ["/v1/files", "/v1/files"],
    ],
)
def test_anything_else_is_refused(bad: object) -> None:
    with pytest.raises(RowInvalid, match=r"^extra_passthrough: "):
        templates_from(bad)


@pytest.mark.parametrize(
    "path",
    [*sorted(RECORDED), "/V1/Messages", "/openai/v1/responses", "/v1/*", "/v1/chat/*", "/chat/*",
     "/responses/*"],
)  # fmt: skip
def test_no_path_lets_a_model_be_asked_without_a_record(path: str) -> None:
    with pytest.raises(RowInvalid, match="must be recorded"):
        templates_from([path])
