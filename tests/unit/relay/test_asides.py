"""What is done beside a request, and behind it."""

import asyncio
import contextvars

import pytest

from aigateway.relay.asides import Asides


async def test_what_comes_last_waits_for_all_else_and_for_what_that_starts() -> None:
    asides, seen = Asides(), list[str]()

    async def first() -> None:
        await asyncio.sleep(0)
        asides.start(second())

    async def second() -> None:
        await asyncio.sleep(0)
        seen.append("second")
        asides.last(lambda: seen.append("of the second"))

    asides.last(lambda: seen.append("last"))
    asides.start(first())
    await asides.join()
    assert seen == ["second", "last", "of the second"]


async def test_it_is_done_once_in_the_context_of_the_request() -> None:
    name = contextvars.ContextVar("name", default="none")
    asides, seen = Asides(), list[str]()
    name.set("request")
    asides.last(lambda: seen.append(name.get()))
    await asides.join()
    await asides.join()
    assert seen == ["request"]


async def test_work_that_fails_is_logged_and_stops_nothing_that_comes_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asides, seen = Asides(), list[str]()

    async def fails() -> None:
        raise ValueError("planted-0a1b2c3d")

    asides.start(fails())
    asides.last(lambda: seen.append("last"))
    await asides.join()
    assert seen == ["last"]
    assert "work aside failed" in caplog.text
    assert "planted" not in caplog.text


async def test_what_cannot_wait_is_done_while_all_else_goes_on_in_the_first_context() -> None:
    name = contextvars.ContextVar("name", default="none")
    asides, seen, goes_on = Asides(), list[str](), asyncio.Event()
    name.set("interception")
    loop = asyncio.get_running_loop()

    def work() -> None:
        seen.append(name.get())
        loop.call_soon_threadsafe(goes_on.set)

    async def waits() -> None:
        await goes_on.wait()
        seen.append("all else")

    asides.start(waits())
    asides.at_once(work)
    asides.last(lambda: seen.append("last"))
    await asides.join()
    assert seen == ["none", "all else", "last"]
