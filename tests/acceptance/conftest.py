from collections.abc import AsyncIterator

import pytest

from tests.acceptance.stage import Stage, check, set_up, take_down


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = await set_up()
    yield made
    await check(made)
    await take_down(made)
