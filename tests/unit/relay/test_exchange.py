"""The order of an exchange, and every way out of it."""

import asyncio
from dataclasses import replace

import pytest

from aigateway.errors import RecorderUnavailable, UpstreamUnreachable
from aigateway.interception import TOKEN_NAMES, Closed, Opened, Parents
from aigateway.relay.asgi import Aborted
from aigateway.transcript.facts import AnsweredCall
from tests.builders import an_opened
from tests.told import Told
from tests.unit.relay.stand_ins import (
    EVENTS,
    Listener,
    NotingRecords,
    ScriptedUpstream,
    a_request,
    an_exchange,
    failing,
    until,
)

ORDER = ["opening", "sending", "opened", "last byte", "head", *["chunk"] * 5, "closed", "end"]


async def test_i06_i09_the_record_is_first_and_the_end_of_the_body_last() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    await exchange.relay(an_opened(), a_request(), client)
    assert seen == ORDER
    assert client.body == b"".join(EVENTS)
    (closed,) = records.closed
    assert closed.outcome == "completed"
    assert [closed.tokens[name] for name in TOKEN_NAMES] == [3, 9, 0, 0]
    assert closed.credential_hint == "sk-a...xyz1"
    assert closed.response_bytes == len(client.body)
    assert closed.undelivered_bytes == 0


class BrokenPrices:
    def priced(self, opened: Opened, closed: Closed) -> Closed:
        raise KeyError(opened.model)


async def test_a_price_that_cannot_be_reckoned_keeps_no_record_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    exchange, _ = an_exchange(records, ScriptedUpstream(seen), prices=BrokenPrices())
    await exchange.relay(an_opened(), a_request(), client)
    assert seen == ORDER
    (closed,) = records.closed
    assert (closed.outcome, closed.unpriced) == ("completed", 1)
    assert "an answer could not be priced" in caplog.messages
    assert "claude" not in caplog.text


async def test_i06_nothing_is_released_while_the_opening_write_is_under_way() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.gate.clear()
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    running = asyncio.create_task(exchange.relay(an_opened(), a_request(), client))
    await until(lambda: "sending" in seen)
    for _ in range(20):
        await asyncio.sleep(0)
    assert seen == ["opening", "sending"]
    records.gate.set()
    await running
    assert seen == ORDER


async def test_i06_a_failed_opening_write_aborts_the_request() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.down = True
    upstream = ScriptedUpstream(seen)
    exchange, asides = an_exchange(records, upstream)
    with pytest.raises(RecorderUnavailable):
        await exchange.relay(an_opened(), a_request(), client)
    await asides.join()
    assert "last byte" not in seen
    assert upstream.aborted
    assert client.messages == []
    assert records.closed == []


async def test_a_provider_that_cannot_be_reached_closes_the_record_as_failed() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    upstream = ScriptedUpstream(seen)
    upstream.fault = UpstreamUnreachable("no such host")
    exchange, _ = an_exchange(records, upstream)
    with pytest.raises(UpstreamUnreachable):
        await exchange.relay(an_opened(), a_request(), client)
    (closed,) = records.closed
    assert (closed.outcome, closed.error_type, closed.http_status) == (
        "failed",
        "server_error",
        None,
    )
    assert client.messages == []


async def test_i19_a_cut_is_closed_first_and_never_ended_politely() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    upstream = ScriptedUpstream(seen, EVENTS[:3])
    upstream.cut = True
    exchange, _ = an_exchange(records, upstream)
    with pytest.raises(Aborted):
        await exchange.relay(an_opened(), a_request(), client)
    assert seen[-1] == "closed"
    assert "end" not in seen
    (closed,) = records.closed
    assert (closed.outcome, closed.error_type) == ("upstream_cut", "server_error")
    assert closed.usage_partial


@pytest.mark.parametrize("stopped", ["client_disconnected", "gateway_timeout"])
async def test_an_exchange_that_is_stopped_closes_its_record_with_the_reason(stopped: str) -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    upstream = ScriptedUpstream(seen, EVENTS[:3])
    upstream.stalls = True
    exchange, _ = an_exchange(records, upstream)
    running = asyncio.create_task(exchange.relay(an_opened(), a_request(), client))
    await until(lambda: seen.count("chunk") == 3)
    exchange.progress.stopped = stopped  # type: ignore[assignment]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [c.outcome for c in records.closed] == [stopped]
    assert records.closed[0].response_bytes == sum(map(len, EVENTS[:3]))


async def test_a_client_that_hangs_up_after_the_terminal_event_completed_its_exchange() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    upstream = ScriptedUpstream(seen)
    upstream.stalls = True
    exchange, _ = an_exchange(records, upstream)
    running = asyncio.create_task(exchange.relay(an_opened(), a_request(), client))
    await until(lambda: seen.count("chunk") == 5)
    exchange.progress.stopped = "client_disconnected"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [c.outcome for c in records.closed] == ["completed"]


async def test_a_client_that_leaves_before_the_record_is_durable_is_still_recorded() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.gate.clear()
    exchange, asides = an_exchange(records, ScriptedUpstream(seen))
    running = asyncio.create_task(exchange.relay(an_opened(), a_request(), client))
    await until(lambda: "sending" in seen)
    exchange.progress.stopped = "client_disconnected"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    records.gate.set()
    await asides.join()
    assert "last byte" not in seen
    assert [c.outcome for c in records.closed] == ["client_disconnected"]


async def test_a_client_that_cannot_be_written_to_does_not_stop_the_recording() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    client.breaks_after = 1
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    with pytest.raises(OSError, match="gone"):
        await exchange.relay(an_opened(), a_request(), client)
    (closed,) = records.closed
    assert closed.outcome == "completed"
    assert closed.undelivered_bytes == sum(map(len, EVENTS[1:]))


async def test_i09_the_end_waits_for_the_closing_write_no_longer_than_the_bound() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.closing.clear()
    exchange, asides = an_exchange(records, ScriptedUpstream(seen), close_seconds=0.01)
    await exchange.relay(an_opened(), a_request(), client)
    assert seen[-1] == "end"
    records.closing.set()
    await asides.join()
    assert seen[-1] == "closed"


async def test_i05_a_reader_that_fails_on_everything_changes_nothing() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    exchange, _ = an_exchange(records, ScriptedUpstream(seen), readers=failing)
    await exchange.relay(an_opened(), a_request(), client)
    assert seen == ORDER
    assert client.body == b"".join(EVENTS)
    (closed,) = records.closed
    assert closed.deaf == "bug:ZeroDivisionError"
    assert (closed.outcome, closed.usage_missing) == ("completed", True)


ANSWERED = (AnsweredCall("toolu_1", None, 3),)
PARENTS = Parents("parent", "root")


async def test_with_a_session_id_the_parent_is_looked_for_beside_the_request() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.found = [None, PARENTS]
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    await exchange.relay(replace(an_opened(), answered_calls=ANSWERED), a_request(), client)
    assert records.opened[0].parents is None
    assert records.closed[0].parents == PARENTS
    assert len(records.asked) == 2


async def test_without_a_session_id_the_parent_is_known_before_the_record() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.found = [None, PARENTS]
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    opened = replace(an_opened(session=None), answered_calls=ANSWERED)
    await exchange.relay(opened, a_request(), client)
    assert records.opened[0].parents == PARENTS
    assert records.closed[0].parents is None


async def test_a_look_up_without_an_answer_in_time_makes_a_root() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.never_finds = True
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    opened = replace(an_opened(session=None), answered_calls=ANSWERED)
    await exchange.relay(opened, a_request(), client)
    assert records.opened[0].parents is None
    assert records.closed[0].outcome == "completed"


async def test_parents_that_cannot_be_looked_for_are_left_to_the_sweep() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.fails_to_find = True
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    await exchange.relay(replace(an_opened(), answered_calls=ANSWERED), a_request(), client)
    (closed,) = records.closed
    assert (closed.outcome, closed.parents) == ("completed", None)
    assert closed.parents_unknown


async def test_a_closing_waits_no_longer_for_its_parents_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aigateway.relay.exchange.LATE_LOOK_UP_SECONDS", 0.0)
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    records.never_finds = True
    exchange, asides = an_exchange(records, ScriptedUpstream(seen))
    await exchange.relay(replace(an_opened(), answered_calls=ANSWERED), a_request(), client)
    await asides.join()
    assert records.closed[0].parents_unknown
    assert seen[-2:] == ["closed", "end"]


async def test_parents_that_were_not_found_are_known_to_be_none() -> None:
    seen: list[str] = []
    records, client = NotingRecords(seen), Listener(seen)
    exchange, _ = an_exchange(records, ScriptedUpstream(seen))
    await exchange.relay(replace(an_opened(), answered_calls=ANSWERED), a_request(), client)
    assert not records.closed[0].parents_unknown


async def test_a_closed_record_is_told_of_when_nobody_waits_any_more() -> None:
    seen: list[str] = []
    records, client, told = NotingRecords(seen), Listener(seen), Told()
    exchange, asides = an_exchange(records, ScriptedUpstream(seen), journal=told)
    await exchange.relay(an_opened(), a_request(), client)
    assert seen == ORDER
    assert told.records == []
    await asides.join()
    assert [(closed, stored) for _, closed, stored in told.records] == [(*records.closed, True)]


async def test_a_record_that_could_not_be_closed_is_told_of_as_not_stored() -> None:
    seen: list[str] = []
    records, client, told = NotingRecords(seen), Listener(seen), Told()
    records.closes = RecorderUnavailable("down")
    exchange, asides = an_exchange(records, ScriptedUpstream(seen), journal=told)
    await exchange.relay(an_opened(), a_request(), client)
    await asides.join()
    assert seen == ORDER
    assert [(closed, stored) for _, closed, stored in told.records] == [(*records.closed, False)]


async def test_a_record_that_another_call_has_closed_is_not_told_of() -> None:
    seen: list[str] = []
    records, client, told = NotingRecords(seen), Listener(seen), Told()
    records.closes = False
    exchange, asides = an_exchange(records, ScriptedUpstream(seen), journal=told)
    await exchange.relay(an_opened(), a_request(), client)
    await asides.join()
    assert told.records == []


async def test_a_record_whose_closing_outlasts_the_bound_is_told_of_in_the_end() -> None:
    seen: list[str] = []
    records, client, told = NotingRecords(seen), Listener(seen), Told()
    records.closing.clear()
    exchange, asides = an_exchange(
        records, ScriptedUpstream(seen), close_seconds=0.01, journal=told
    )
    await exchange.relay(an_opened(), a_request(), client)
    assert told.records == []
    records.closing.set()
    await asides.join()
    assert len(told.records) == 1


async def test_what_is_told_are_the_values_of_the_rows() -> None:
    seen: list[str] = []
    records, client, told = NotingRecords(seen), Listener(seen), Told()
    records.found = [PARENTS]
    exchange, asides = an_exchange(records, ScriptedUpstream(seen), journal=told)
    await exchange.relay(replace(an_opened(), answered_calls=ANSWERED), a_request(), client)
    await asides.join()
    ((opened, closed, _),) = told.records
    assert opened == records.opened[0]
    assert closed == records.closed[0]
    assert closed.parents == PARENTS


async def test_a_bug_in_a_closing_costs_the_row_and_not_its_lines() -> None:
    seen: list[str] = []
    records, client, told = NotingRecords(seen), Listener(seen), Told()
    records.closes = ZeroDivisionError()
    exchange, asides = an_exchange(records, ScriptedUpstream(seen), journal=told)
    await exchange.relay(an_opened(), a_request(), client)
    await asides.join()
    assert seen == ORDER
    assert [stored for _, _, stored in told.records] == [False]


async def test_an_end_that_somebody_else_had_written_becomes_a_detail() -> None:
    seen: list[str] = []
    records, client, told = NotingRecords(seen), Listener(seen), Told()
    records.closes = False
    exchange, asides = an_exchange(records, ScriptedUpstream(seen), journal=told)
    await exchange.relay(an_opened(), a_request(), client)
    await asides.join()
    assert seen[-3:] == ["closed", "late", "end"]
    assert told.records == []
