from collections.abc import AsyncIterator

import pytest

from tests.acceptance.stage import Stage, check, set_up, take_down


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Whatever a test does here, no span of it may say what was said, or show a credential."""
    made = await set_up()
    yield made
    await check(made)
    await take_down(made)
    assert made.traces.leaks() == [], "row 94"
