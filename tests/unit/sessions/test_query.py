from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.ledger.listing import Filter, Window
from aigateway.ledger.rows import whole
from aigateway.sessions.query import (
    DETAIL_PARAMETERS,
    INTERCEPTION_PARAMETERS,
    LIST_PARAMETERS,
    NAME_PARAMETERS,
    SESSION_PARAMETERS,
    Known,
    QueryInvalid,
    ThreadWindow,
    asked,
    listing,
    name_window,
    page_of,
    thread_window,
)
from aigateway.sessions.threads import Thread
from tests.builders import an_opened, at

NOW = at(0)
KNOWN = Known("u-alice", frozenset({"anthropic", "my-openai"}))


def read(known: Known = KNOWN, /, **parameters: str | Sequence[str]) -> tuple[Filter, Window]:
    many = {n: [v] if isinstance(v, str) else list(v) for n, v in parameters.items()}
    return listing(asked(many, LIST_PARAMETERS), known, NOW)


def faults(known: Known = KNOWN, /, **parameters: str | Sequence[str]) -> dict[str, str]:
    with pytest.raises(QueryInvalid) as refused:
        read(known, **parameters)
    return {fault.field: fault.detail for fault in refused.value.faults}


def test_nothing_asked_is_the_first_hundred_of_everything() -> None:
    assert read(Known()) == (Filter(), Window(100, NOW))


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("1000", 1000), ("0", 100), ("007", 7)])
def test_a_limit_is_one_to_a_thousand_and_zero_the_default(text: str, limit: int) -> None:
    assert read(limit=text)[1].limit == limit


@pytest.mark.parametrize("text", ["1001", "-1", "1.0", "ten", "٣", " 1", "1e2", "9" * 5000, ""])
def test_another_limit_is_refused(text: str) -> None:
    assert set(faults(limit=text)) == {"limit"}


def test_the_message_says_so_when_only_the_limit_is_wrong() -> None:
    with pytest.raises(QueryInvalid, match="Invalid pagination limit value"):
        read(limit="1001")
    with pytest.raises(QueryInvalid, match="Query parameters have invalid values"):
        read(limit="1001", q="x")


@pytest.mark.parametrize(
    ("parameters", "provider", "name"),
    [
        ({"provider": "openai"}, "openai", None),
        ({"provider": "anthropic"}, "anthropic", None),
        ({"provider": "my-openai"}, None, "my-openai"),
        ({"provider": "openai", "provider_name": "my-openai"}, "openai", "my-openai"),
        ({"provider": "my-openai", "provider_name": "my-openai"}, None, "my-openai"),
    ],
)
def test_a_provider_is_a_type_or_else_an_instance(
    parameters: dict[str, str], provider: str | None, name: str | None
) -> None:
    wanted, _ = read(**parameters)
    assert (wanted.provider, wanted.provider_name) == (provider, name)


def test_an_unknown_provider_is_refused() -> None:
    assert set(faults(provider="nowhere")) == {"provider"}
    assert set(faults(provider_name="openai")) == {"provider_name"}
    assert set(faults(provider="my-openai", provider_name="anthropic")) == {"provider_name"}


def test_all_faults_are_named_at_once() -> None:
    found = faults(
        Known(),
        initiator="nobody",
        provider="x",
        provider_name="y",
        started_after="yesterday",
        started_before="2026-13-01T00:00:00Z",
        limit="x",
        include="everything",
        q="x:y",
        offset="-1",
        client=("a", "b"),
        model="",
    )
    assert set(found) == {
        "initiator", "provider", "provider_name", "started_after", "started_before", "limit",
        "include", "q", "client", "model", "offset",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-24T12:00:00Z", 0),
        ("2026-11-24t12:00:00.5z", 500_000),
        ("2026-11-24T14:00:00.000001+02:00", 1),
        ("2026-11-24T14:00:00 02:00", 0),
        ("2026-11-24 06:30:00-05:30", 0),
    ],
)
def test_times_are_rfc_3339_with_any_offset(text: str, microsecond: int) -> None:
    exact = datetime(2026, 11, 24, 12, 0, 0, microsecond, tzinfo=UTC)
    assert read(started_after=text)[0].started_after == exact
    assert read(started_before=text)[0].started_before == exact


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24", "2026-11-24T12:00:00", "1764000000", "2026-02-30T00:00:00Z",
        "2026-11-24T25:00:00Z", "2026-11-24T12:00:00.1234567890Z", "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.9999999Z", "2026-11-24T12:00:00+99:00", "2026-11-24T12:00:00Z\n",
    ],
)  # fmt: skip
def test_another_time_is_refused(text: str) -> None:
    assert set(faults(started_after=text)) == {"started_after"}


def test_nanoseconds_round_into_the_asked_range() -> None:
    text = "2026-11-24T12:00:00.000000001Z"
    assert read(started_after=text)[0].started_after == at(0) + timedelta(microseconds=1)
    assert read(started_before=text)[0].started_before == at(0)


@pytest.mark.parametrize("before", ["2026-11-24T12:00:00Z", "2026-11-24T11:59:59Z"])
def test_the_end_must_be_later_than_the_beginning(before: str) -> None:
    found = faults(started_after="2026-11-24T12:00:00Z", started_before=before)
    assert set(found) == {"started_before"}


def test_include_takes_both_words() -> None:
    window = read(include="inflight, auxiliary")[1]
    assert (window.inflight, window.auxiliary) == (True, True)
    assert read(include="auxiliary")[1].inflight is False


@pytest.mark.parametrize("text", ["-1", "10001", "1.5", "x"])
def test_an_offset_is_bounded_and_the_cursor_goes_on(text: str) -> None:
    assert "use the cursor" in faults(offset=text)["offset"]
    assert read(offset="10000")[1].offset == 10_000
    assert read(offset="0")[1].offset == 0


def test_a_page_begins_in_one_way() -> None:
    assert set(faults(cursor="x", offset="1")) == {"offset"}
    for parameters, name in (
        (SESSION_PARAMETERS, "after_session_id"),
        (INTERCEPTION_PARAMETERS, "after_id"),
    ):
        window = listing(asked({name: ["x"]}, parameters), KNOWN, NOW)[1]
        assert (window.after, window.offset) == ("x", 0)
        with pytest.raises(QueryInvalid) as refused:
            listing(asked({name: ["x"], "cursor": ["y"], "offset": ["0"]}, parameters), KNOWN, NOW)
        assert {fault.field for fault in refused.value.faults} == {name, "offset"}
        others = {"after_session_id", "after_id"} - {name}
        assert {f.field for f in asked({o: ["x"] for o in others}, parameters).faults} == others


def test_the_search_text_and_plain_parameters_are_one_filter() -> None:
    plain = read(client="Claude Code", model="m:1", initiator="me", session_id="s")
    both = read(q='CLIENT:"Claude Code" model:"m:1"', initiator="me", session_id="s", model="m:1")
    assert both == read(q='client:"Claude Code" model:"m:1" initiator:me session_id:s') == plain
    assert read(q=" ") == read()
    after = read(q='started_after:"2026-11-24T12:00:00Z" provider:openai')[0]
    assert (after.started_after, after.provider) == (at(0), "openai")


def test_two_values_for_one_filter_are_refused_wherever_they_stand() -> None:
    for parameters in (
        {"model": "a", "q": "model:b"},
        {"q": "model:a model:b"},
        {"q": "model:a Model:b model:c"},
    ):
        assert set(faults(**parameters)) == {"model"}
    assert read(q="model:a model:a", model=("a", "a"))[0].model == "a"
    assert set(faults(q=("model:a", "model:b"))) == {"q"}


def test_a_fault_in_the_search_text_has_the_name_of_its_key() -> None:
    found = faults(q='started_after:yesterday provider:nowhere initiator:"x y" what:ever')
    assert found.keys() == {"started_after", "provider", "q"}
    assert set(faults(Known(), q="initiator:nobody")) == {"initiator"}


def test_a_bare_word_is_an_initiator_on_interceptions_only() -> None:
    assert faults(q="alice") == {"q": "no search key specified"}
    bare = asked({"q": ["alice model:m"]}, INTERCEPTION_PARAMETERS, bare="initiator")
    assert (bare.values, bare.faults) == ({"initiator": "alice", "model": "m"}, ())
    two = asked({"q": ["alice bob"]}, INTERCEPTION_PARAMETERS, bare="initiator")
    assert [fault.field for fault in two.faults] == ["initiator"]


def test_names_have_a_window_and_a_beginning() -> None:
    given_ = asked({"q": ["model:gpt"], "limit": ["2"], "offset": ["3"]}, NAME_PARAMETERS)
    assert name_window(given_, ("model",), NOW) == (Window(2, NOW, offset=3), "gpt")
    assert name_window(asked({}, NAME_PARAMETERS), ("model",), NOW) == (Window(100, NOW), "")
    wrong = asked({"q": ["client:x"], "limit": ["x"], "model": ["m"]}, NAME_PARAMETERS)
    with pytest.raises(QueryInvalid) as refused:
        name_window(wrong, ("model",), NOW)
    assert {fault.field for fault in refused.value.faults} == {"q", "limit", "model"}


@given(st.dictionaries(st.sampled_from(sorted(LIST_PARAMETERS)), st.lists(st.text(), max_size=3)))
def test_any_text_is_read_or_refused(parameters: dict[str, list[str]]) -> None:
    named: set[str] = set()
    try:
        listing(asked(parameters, LIST_PARAMETERS), KNOWN, NOW)
    except QueryInvalid as refused:
        named = {fault.field for fault in refused.faults}
    assert named <= parameters.keys()


THREADS = tuple(
    Thread(opened.id, (whole(opened, None),))
    for opened in (an_opened(second) for second in range(5))
)
IDS = [thread.id for thread in THREADS]


def places(**window: str) -> list[int]:
    limits = thread_window(asked({n: [v] for n, v in window.items()}, DETAIL_PARAMETERS), Known())
    return [IDS.index(thread.id) for thread in page_of(THREADS, limits)]


def test_threads_are_paged_in_both_directions_and_always_ascend() -> None:
    assert places() == [0, 1, 2, 3, 4]
    assert places(limit="2") == [0, 1]
    assert places(limit="2", after_id=IDS[1]) == [2, 3]
    assert places(limit="2", after_id=IDS[1].upper()) == [2, 3]
    assert places(limit="2", before_id=IDS[4]) == [2, 3]
    assert places(limit="2", before_id=IDS[1]) == [0]
    assert places(before_id=IDS[0]) == places(after_id=IDS[4]) == []


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({"limit": "201"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"after_id": "x"}, "after_id"),
        ({"before_id": "{0193a5b2-7c00-7e00-8000-000000000001}"}, "before_id"),
        ({"after_id": "0193a5b2-7c00-7e00-8000-000000000001"}, "after_id"),
        ({"after_id": IDS[0], "before_id": IDS[1]}, "before_id"),
        ({"cursor": "x"}, "cursor"),
        ({"initiator": "nobody"}, "initiator"),
    ],
)
def test_a_wrong_page_of_threads_is_refused(window: dict[str, str], field: str) -> None:
    with pytest.raises(QueryInvalid) as refused:
        places(**window)
    assert [fault.field for fault in refused.value.faults] == [field]


def test_the_first_page_of_threads_has_fifty() -> None:
    assert thread_window(asked({}, DETAIL_PARAMETERS), Known()) == ThreadWindow(50)
