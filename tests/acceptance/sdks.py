"""The vendors' SDKs against a stage, without a socket, with the retries they do by default."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx2
import openai

from tests.acceptance.stage import Stage

REFUSED = (anthropic.AuthenticationError, openai.AuthenticationError)
FAILED = (anthropic.InternalServerError, openai.InternalServerError)
NOT_FOUND = (anthropic.NotFoundError, openai.NotFoundError)


@asynccontextmanager
async def claude(
    stage: Stage, key: str, provider: str = "anthropic"
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    app: Any = stage.app
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as client:
        yield anthropic.AsyncAnthropic(
            api_key=key, base_url=f"http://gateway/{provider}", http_client=client
        )


@asynccontextmanager
async def gpt(
    stage: Stage, key: str, provider: str = "openai"
) -> AsyncIterator[openai.AsyncOpenAI]:
    app: Any = stage.app
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as client:
        yield openai.AsyncOpenAI(
            api_key=key, base_url=f"http://gateway/{provider}/v1", http_client=client
        )


@asynccontextmanager
async def asking(
    stage: Stage, dialect: str, key: str, provider: str | None = None
) -> AsyncIterator[Callable[[], Any]]:
    """Yield a call in that dialect; ``provider``: by default the one of its family."""
    turns: Any = [{"role": "user", "content": "go"}]
    if dialect == "messages":
        async with claude(stage, key, provider or "anthropic") as client:
            yield lambda: client.messages.create(model="m", max_tokens=9, messages=turns)
        return
    async with gpt(stage, key, provider or "openai") as other:
        if dialect == "chat":
            yield lambda: other.chat.completions.create(model="m", messages=turns)
        else:
            yield lambda: other.responses.create(model="m", input="go")
