import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from local.fake_provider import App, build
from local.in_process import Answered, call

Ask = Callable[..., Awaitable[Answered]]


@pytest.fixture
def app() -> App:
    """A scripted provider in this process."""
    return build()


@pytest.fixture
def log(app: App) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    """What arrived at ``app`` so far."""

    async def entries() -> list[dict[str, Any]]:
        return list((await call(app, "GET", "/_log")).document)

    return entries


@pytest.fixture
def ask(app: App) -> Ask:
    """Post JSON to ``app``, or to another one, with a wish list."""

    async def post(path: str, body: object, wishes: str = "", to: App = app) -> Answered:
        headers = {"x-fake": wishes} if wishes else {}
        return await call(to, "POST", path, [json.dumps(body).encode()], headers)

    return post
