"""Every fault that the tests of this folder inject: what the client sees, what the record says.

The page on reliability shows them. A fault is named as in ``FAULTS``, ``HARMS``, ``UNUSABLE`` and
``CLOCKS``; where it was injected, or for how long, follows behind a comma.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

DYNAMODB, SQLITE, BOTH = "DynamoDB", "SQLite", "both"

UNDISTURBED = "The answer, undisturbed."
REFUSED = "503 `recorder_unavailable` with `Retry-After: 1`, in the shape of its dialect."
UNKNOWN = "503 `auth_unavailable` with `Retry-After: 1`, in the shape of its dialect."
UNREADABLE = "A reader of the API gets 503 with `Retry-After: 1`, and the whole answer afterwards."
ONCE = "One record, completed, counted once."
NONE = "There is none, because no provider saw the request; the next request is recorded."
HOME = "It is kept beside the store and comes home complete with the next sweep, counted once."
ALL = "Every record is there, and is shown as soon as the fault is over."


@final
@dataclass(frozen=True, slots=True)
class Row:
    """``test``: the file and the function that hold it."""

    store: str
    fault: str
    client: str
    record: str
    test: str


def _passing() -> Iterator[Row]:
    """What a request that is sent again gets over."""
    opening = "tests/faults/test_table_opening.py::test_a_fault_that_passes_is_not_noticed"
    for fault in (
        "throttled",
        "too many requests",
        "transaction conflict",
        "transaction in progress",
        "internal error",
        "reply lost",
        "request lost",
        "unreachable",
    ):
        yield Row(DYNAMODB, f"{fault}, for less than three tries", UNDISTURBED, ONCE, opening)


def _stopping() -> Iterator[Row]:
    """What lasts, or is not tried again."""
    opening, closing = "tests/faults/test_table_opening.py", "tests/faults/test_table_closing.py"
    refuses = f"{opening}::test_a_fault_that_lasts_refuses_the_request_and_the_provider_sees_none"
    home = (
        f"{closing}::"
        "test_a_fault_that_lasts_leaves_the_client_alone_and_the_record_comes_home_whole"
    )
    for fault in (
        "throttled",
        "too many requests",
        "transaction conflict",
        "internal error",
        "request lost",
        "unreachable",
        "credentials expired",
        "clock refused",
        "access denied",
        "table missing",
    ):
        yield Row(DYNAMODB, f"{fault}, at the opening", REFUSED, NONE, refuses)
        yield Row(DYNAMODB, f"{fault}, at the closing", UNDISTURBED, HOME, home)
    yield Row(DYNAMODB, "transaction in progress, at the closing", UNDISTURBED, HOME, home)


TABLE = (
    Row(
        DYNAMODB,
        "reply lost, at every try of the opening",
        REFUSED,
        "The record is there, and is closed as failed with `server_error`: no provider saw it.",
        "tests/faults/test_table_opening.py::"
        "test_a_record_whose_replies_were_all_lost_is_closed_as_failed",
    ),
    Row(
        DYNAMODB,
        "reply lost, at every try of the closing",
        UNDISTURBED,
        "Completed and counted once; the copy that its gateway kept is found to be nothing new.",
        "tests/faults/test_table_closing.py::"
        "test_what_was_closed_by_a_call_that_never_heard_of_it_is_brought_home_as_nothing_new",
    ),
    Row(
        DYNAMODB,
        "throttled, at the prompt of an opening",
        REFUSED,
        "The record says that it failed with `server_error`, and has no prompt.",
        "tests/faults/test_table_opening.py::"
        "test_a_prompt_that_cannot_be_written_refuses_the_request_and_its_record_failed",
    ),
    Row(
        DYNAMODB,
        "throttled, at the session of an opening",
        UNDISTURBED,
        "Complete; the closing moves the session, or it keeps the place that it had.",
        "tests/faults/test_table_opening.py::test_a_session_that_cannot_be_moved_holds_nobody_up",
    ),
    Row(
        DYNAMODB,
        "throttled, at the closing, and the machine is lost",
        UNDISTURBED,
        "Abandoned at the sweep, with the tokens and texts that the table had of its answer.",
        "tests/faults/test_table_closing.py::"
        "test_without_what_was_kept_the_sweep_finds_what_the_table_has_of_an_answer",
    ),
    Row(
        DYNAMODB,
        "throttled, when a kept record comes home",
        "Nothing.",
        "It stays where it was kept, and comes home with a later sweep, counted once.",
        "tests/faults/test_table_closing.py::"
        "test_a_spilled_record_that_the_table_refuses_again_stays_and_comes_home_later",
    ),
    Row(
        DYNAMODB,
        "throttled, until the sweep has given the record up",
        UNDISTURBED,
        "Abandoned and counted so; how it did end is told beside it as `late`, and not counted.",
        "tests/faults/test_table_closing.py::"
        "test_a_spilled_record_that_was_swept_first_is_told_as_late_and_counts_nothing",
    ),
    Row(
        DYNAMODB,
        "throttled, while something without a record is counted",
        "The refusal or answer that it is.",
        "The count is lost; one whose reply was lost is not repeated, so none counts twice.",
        "tests/faults/test_table_counting.py::"
        "test_a_refusal_that_cannot_be_counted_is_the_same_refusal",
    ),
    Row(
        DYNAMODB,
        "throttled, while the use of a key is noted",
        UNDISTURBED,
        ONCE,
        "tests/faults/test_table_counting.py::"
        "test_the_use_of_a_key_that_cannot_be_noted_holds_nobody_up",
    ),
    Row(
        DYNAMODB,
        "throttled, while the rate of a key is counted",
        "The answer: a rate that cannot be counted limits nobody.",
        ONCE,
        "tests/faults/test_table_counting.py::test_a_rate_that_cannot_be_counted_lets_requests_pass",
    ),
    Row(
        DYNAMODB,
        "unreachable, while a breaker is told of",
        "The breaker of its gateway opens all the same.",
        "One record for each request, that of the breaker's refusal included.",
        "tests/faults/test_table_counting.py::"
        "test_a_breaker_that_cannot_be_told_of_opens_all_the_same",
    ),
    Row(
        DYNAMODB,
        "table missing, at the reading",
        UNREADABLE,
        ALL,
        "tests/faults/test_table_reading.py::"
        "test_a_fault_that_lasts_is_told_to_readers_in_the_shape_of_the_api",
    ),
    Row(
        DYNAMODB,
        "credentials expired, while a caller is looked up",
        UNKNOWN,
        NONE,
        "tests/faults/test_table_reading.py::"
        "test_a_caller_that_cannot_be_looked_up_is_told_to_come_again",
    ),
    Row(
        DYNAMODB,
        "batch answered in part",
        "A reader of the API gets the whole answer: what was left over is asked for again.",
        ALL,
        "tests/faults/test_table_reading.py::test_answers_in_part_are_put_together",
    ),
    Row(
        DYNAMODB,
        "empty page",
        "A reader of the API gets the whole answer: the range is read to its end.",
        "None is overlooked, neither by readers nor by the sweep.",
        "tests/faults/test_table_reading.py::test_answers_in_part_are_put_together",
    ),
    Row(
        DYNAMODB,
        "access denied, at a reload",
        "The answer, by the providers that were published last.",
        ONCE,
        "tests/faults/test_table_tick.py::"
        "test_a_reload_that_fails_leaves_the_pool_in_force_and_the_next_one_heals",
    ),
    Row(
        DYNAMODB,
        "request lost, at a sweep",
        "Nothing.",
        "It is closed as abandoned by a later sweep, once.",
        "tests/faults/test_table_tick.py::"
        "test_an_orphan_that_a_sweep_cannot_close_is_closed_by_a_later_one_and_once",
    ),
    Row(
        DYNAMODB,
        "table missing, when a gateway begins",
        UNKNOWN,
        NONE,
        "tests/faults/test_start.py::"
        "test_a_gateway_begins_while_the_table_cannot_be_used_and_heals",
    ),
    Row(
        DYNAMODB,
        "slow, at the opening",
        "The answer, later: the provider gets the last byte once the record is durable.",
        ONCE,
        "tests/faults/test_table_late.py::test_a_slow_opening_holds_back_the_end_of_the_request",
    ),
    Row(
        DYNAMODB,
        "slow, at the closing",
        "Every byte at once, the end of the body after `AIGW_CLOSE_SECONDS` at the latest.",
        ONCE,
        "tests/faults/test_table_late.py::"
        "test_a_slow_closing_holds_back_the_end_of_the_answer_as_long_as_it_may",
    ),
    Row(
        DYNAMODB,
        "late arrival, of an opening that was given up",
        REFUSED,
        "Abandoned at the sweep: no provider saw the request.",
        "tests/faults/test_table_late.py::"
        "test_an_opening_that_arrives_when_its_request_was_refused_is_swept",
    ),
    Row(
        DYNAMODB,
        "late arrival, of all tries of a closing",
        UNDISTURBED,
        ONCE,
        "tests/faults/test_table_late.py::test_closings_that_arrive_all_at_once_count_once",
    ),
    Row(
        DYNAMODB,
        "late arrival, of a closing whose record came home",
        UNDISTURBED,
        ONCE,
        "tests/faults/test_table_late.py::"
        "test_a_closing_that_arrives_after_its_record_came_home_changes_nothing",
    ),
    Row(
        DYNAMODB,
        "late arrival, of a closing after the sweep",
        UNDISTURBED,
        "It stays abandoned, and counted so.",
        "tests/faults/test_table_late.py::"
        "test_a_closing_that_arrives_after_the_sweep_changes_nothing",
    ),
)

CLIENT = "tests/faults/test_client.py::"


def _client() -> Iterator[Row]:
    """What the SDK by itself takes for an answer."""
    for answer in (
        "answer cut",
        "answer cut between two values",
        "answer changed",
        "answer of something in between",
        "error of something in between",
    ):
        yield Row(
            DYNAMODB,
            f"{answer}, at the opening",
            REFUSED,
            NONE,
            f"{CLIENT}test_an_answer_that_is_not_whole_or_not_the_tables_is_none",
        )
    yield Row(
        DYNAMODB,
        "credentials expired, until they are renewed",
        UNKNOWN,
        "The next request is recorded: the gateway goes on with the new ones by itself.",
        f"{CLIENT}test_renewed_credentials_are_used_without_a_restart",
    )


IN_FILE = "tests/faults/test_file.py::"
OPENS_NOT = f"{IN_FILE}test_a_request_whose_record_cannot_be_opened_is_refused_until_it_can"
CLOSES_NOT = f"{IN_FILE}test_a_record_that_cannot_be_closed_leaves_the_client_alone_and_comes_home"
READS = f"{IN_FILE}test_readers_are_answered_as_long_as_the_file_can_be_read"
BEGINS = "tests/faults/test_start.py::test_a_gateway_begins_while_the_file_cannot_be_used_and_heals"


def _file() -> Iterator[Row]:
    for harm in ("disk full", "locked", "read-only", "file deleted", "directory gone", "damaged"):
        yield Row(SQLITE, f"{harm}, at the opening", REFUSED, NONE, OPENS_NOT)
    for harm in ("disk full", "locked", "read-only", "file deleted", "damaged"):
        yield Row(SQLITE, f"{harm}, at the closing", UNDISTURBED, HOME, CLOSES_NOT)
    for harm in ("file deleted", "directory gone", "damaged"):
        yield Row(SQLITE, f"{harm}, at the reading", UNREADABLE, ALL, READS)
    for fault in (
        "file of another kind",
        "newer layout",
        "directory cannot be made",
        "file cannot be opened",
    ):
        yield Row(SQLITE, f"{fault}, when a gateway begins", UNKNOWN, NONE, BEGINS)


DISK = "tests/faults/test_disk.py::"
FILE = (
    Row(
        SQLITE,
        "disk full, for all that a process writes, at the opening",
        REFUSED,
        NONE,
        f"{DISK}test_a_full_disk_refuses_requests_until_there_is_room",
    ),
    Row(
        SQLITE,
        "disk full, for all that a process writes, at the closing",
        UNDISTURBED,
        "Abandoned at the sweep: nothing of the answer could be kept on that disk.",
        f"{DISK}test_a_disk_that_fills_up_in_a_stream_costs_the_answer_in_the_record",
    ),
    Row(
        SQLITE,
        "directory gone, at the closing",
        UNDISTURBED,
        "The log has all of it; in the ledger it is abandoned at the sweep, because what was kept "
        "beside the store is gone with the directory.",
        CLOSES_NOT,
    ),
    Row(
        SQLITE,
        "locked, for less than five seconds",
        "The answer, later.",
        ONCE,
        f"{IN_FILE}test_a_lock_that_is_let_go_in_time_is_waited_for",
    ),
    Row(
        SQLITE,
        "locked, at the reading",
        "A reader of the API gets its answer: a writer locks no reader out.",
        ALL,
        READS,
    ),
    Row(
        SQLITE,
        "read-only, while something without a record is counted",
        "The refusal or answer that it is.",
        "The count is lost, and none counts twice.",
        f"{IN_FILE}test_what_belongs_to_no_record_fails_alone",
    ),
    Row(
        SQLITE,
        "locked, at a reload and a sweep",
        "The answer, by the providers that were published last.",
        "An orphan is closed as abandoned by the next sweep, once.",
        f"{IN_FILE}test_a_reload_and_a_sweep_that_fail_are_made_up_for_by_the_next",
    ),
    Row(
        SQLITE,
        "file deleted, and a copy put in its place",
        UNDISTURBED,
        "What was recorded since the copy was made is gone; everything from then on is in it.",
        f"{IN_FILE}test_a_copy_that_is_put_in_place_is_gone_on_with",
    ),
)

CLOCK = "tests/faults/test_clocks.py::"


def _clocks() -> Iterator[Row]:
    jumps = f"{CLOCK}test_a_clock_that_jumps_in_the_middle_of_a_stream_costs_the_record_nothing"
    for ahead in ("clock ahead", "clock half a second ahead"):
        yield Row(BOTH, f"{ahead}, in the middle of a stream", UNDISTURBED, ONCE, jumps)
    for back in ("clock back", "clock half a second back"):
        yield Row(
            BOTH,
            f"{back}, in the middle of a stream",
            UNDISTURBED,
            "One record, completed, counted once; it ends before it began, and counts as no time.",
            jumps,
        )
    yield Row(
        BOTH,
        "clock ahead, at a sweep",
        UNDISTURBED,
        "A stream that lives is not swept, and nothing expires: on one machine both wait twenty "
        "minutes.",
        f"{CLOCK}test_a_stream_that_lives_is_never_swept_whatever_its_clock_does",
    )
    yield Row(
        BOTH,
        "clock back, between requests",
        UNDISTURBED,
        "Each is listed by the time that it was given, and found by its id.",
        f"{CLOCK}test_requests_before_and_after_a_jump_are_all_listed_and_found",
    )
    yield Row(
        BOTH,
        "clock back, while a key cools or a circuit is open",
        "The answer: an end that is too far off keeps nobody from the provider.",
        ONCE,
        "tests/unit/pool/test_breaker.py::test_a_clock_that_is_set_back_does_not_keep_it_open",
    )
    yield Row(
        BOTH,
        "clock back, at a reload",
        "The answer, by the providers that were published last; a newer pool is looked for.",
        "The times and the version of the reload never go back.",
        "tests/contract/test_reload.py::"
        "test_a_clock_that_goes_back_moves_neither_times_nor_versions_back",
    )
    yield Row(
        BOTH,
        "clock back, after a publisher of metrics died",
        "Nothing.",
        "Its lease is free once it lasts longer than any should: figures are published on.",
        "tests/contract/test_publisher.py::test_a_lease_of_a_clock_that_was_set_back_since_is_free",
    )
    yield Row(
        BOTH,
        "clock half a second back, between a call and its result",
        UNDISTURBED,
        "The result belongs to the call's thread, if more than that lay between the two.",
        f"{CLOCK}test_a_tool_result_finds_its_call_over_half_a_second_of_skew",
    )


ROWS: tuple[Row, ...] = (*_passing(), *_stopping(), *TABLE, *_client(), *_file(), *FILE, *_clocks())
