"""The points of a gateway, in the order of an exchange."""

from functools import partial

from tests.crash.point import (
    CUT,
    DONE,
    EITHER,
    FAILED,
    GONE,
    LEFT,
    MAYBE,
    NOTHING,
    UNTOUCHED,
    Point,
)

_at = partial(Point, "gateway")
_of_file = partial(_at, stores=("file",))
_of_table = partial(_at, stores=("table",))
_starting = partial(_at, fates=UNTOUCHED, scene="start")
_piece = partial(_at, fates=LEFT, most=3, streams=True)
_first = partial(_at, scene="prompt")
_spilling = partial(_at, scene="outage", hosts=("embedded",))
_passed = partial(_at, scene="passed", promise="no record, as ever; its count may be missing")
_keys = partial(_at, fates=EITHER, scene="keys")

STARTING = (
    _starting("store.start", "before", "the store is about to be opened"),
    _starting("store.start", "after", "the store is open"),
    _starting("store.published", "after", "the pool was read"),
)
BEFORE_THE_RECORD = (
    _at("client.body", "after", "the request has come", NOTHING),
    _at("store.reload_state", "before", "about to look for a newer pool", NOTHING),
    _at("store.key", "after", "the caller's key was read", NOTHING),
    _first("store.key_used", "before", "about to note the key's last use", MAYBE),
    _first("store.key_used", "after", "the key's last use was noted", MAYBE),
    _at("store.hit", "before", "about to count against the key's rate", NOTHING),
    _at("store.hit", "after", "counted against the key's rate", NOTHING),
    _at("secrets.key", "before", "about to read the provider's key", NOTHING),
    _at("secrets.key", "after", "the provider's key was read", NOTHING),
    _at("store.parents", "before", "about to look whose call it answers", NOTHING, session=False),
    _at("store.parents", "after", "found whose call it answers", NOTHING, session=False),
)
OPENING = (
    _at("store.open", "before", "the record is about to be written", NOTHING),
    _of_file("file.insert session", "after", "the session has moved, not committed", NOTHING),
    _of_file("file.insert interception", "after", "the row is written, not committed", NOTHING),
    _of_file(
        *("file.insert payload", "after", "the prompt is written, not committed", NOTHING),
        scene="prompt",
    ),
    _of_file("file.commit insert interception", "before", "about to commit", NOTHING),
    _of_file("file.commit insert interception", "after", "committed, nobody knows of it", LEFT),
    _of_table("table.record", "before", "about to put the record", MAYBE),
    _of_table("table.record", "after", "the record is put, nobody knows of it", LEFT),
    _of_table("table.prompt", "before", "about to put the prompt", MAYBE, scene="prompt"),
    _of_table("table.prompt", "after", "the prompt is put", MAYBE, scene="prompt"),
    _of_table("table.session", "before", "about to move the session", MAYBE, scene="prompt"),
    _of_table("table.session", "after", "the session has moved", MAYBE, scene="prompt"),
    _of_table(
        *("table.session pointer", "after", "the session can be found", MAYBE),
        scene="prompt",
        session=True,
    ),
    _at("store.parents", "after", "found whose call it answers, beside", MAYBE, session=True),
    _at("provider.send", "before", "about to dial the provider", MAYBE),
    _at("provider.release", "before", "all is sent but the last byte", MAYBE),
    _at("store.open", "after", "the record is durable, the last byte is held", LEFT),
    _at("provider.release", "after", "the last byte may go", LEFT),
)
ANSWERING = (
    _at("provider.asked", "after", "the last byte is gone", LEFT),
    _at("provider.head", "after", "the head of the answer is here", LEFT),
    _at("client.head", "before", "about to pass on the head", LEFT),
    _at("client.head", "after", "the head is passed on", LEFT),
    _piece("provider.chunk", "before", "waiting for a piece of the answer"),
    _piece("provider.chunk", "after", "a piece is here, the client lacks it"),
    _piece("client.chunk", "before", "about to pass on a piece"),
    _piece("client.chunk", "after", "a piece is passed on, nobody has heard it"),
    _at("provider.end", "after", "the provider has said all", LEFT),
)
CLOSING = (
    _at("store.close", "before", "the record is about to be closed", LEFT),
    _of_file("file.update interception", "after", "the row has its end, not committed", LEFT),
    _of_file("file.update session", "after", "the session is summed up, not committed", LEFT),
    _of_file("file.insert counter", "after", "the counters have moved, not committed", LEFT),
    _of_file("file.commit update interception", "before", "about to commit", LEFT),
    _of_file("file.commit update interception", "after", "committed, nobody knows of it", DONE),
    _of_table("table.answer", "before", "about to put the answer's texts", LEFT),
    _of_table("table.answer", "after", "the texts are put, the record is open", LEFT),
    _of_table(
        *("table.pointer", "after", "the answer's calls can be found, the record is open", LEFT),
        session=False,
    ),
    _of_table("table.transaction", "before", "about to close, all or nothing", LEFT),
    _of_table("table.transaction", "after", "closed, the reply is lost", DONE),
    _at("store.close", "after", "the record is closed", DONE),
    _at("client.end", "before", "about to end the body", DONE),
    _first("client.end", "after", "the body is ended", DONE),
    _first("journal.closed", "before", "about to tell the log of the record", DONE),
    _first("journal.closed", "after", "the log is told of the record", DONE),
)
OTHER_ENDS = (
    _at(
        "store.close", "before", "a provider's error is about to be recorded", LEFT, scene="failing"
    ),
    _at("store.close", "after", "a provider's error is recorded", FAILED, scene="failing"),
    _at("store.close", "before", "a cut is about to be recorded", LEFT, scene="cut", streams=True),
    _at("store.close", "after", "a cut is recorded", CUT, scene="cut", streams=True),
    _at(
        *("store.close", "before", "a client's leaving is about to be recorded", LEFT),
        scene="leaves",
        streams=True,
        hosts=("embedded",),
    ),
    _at(
        *("store.close", "after", "a client's leaving is recorded", GONE),
        scene="leaves",
        streams=True,
        hosts=("embedded",),
    ),
    _spilling("spill.append", "before", "about to keep what the store did not take", LEFT),
    _spilling("spill.append", "after", "what the store did not take is kept in the file", DONE),
    _at("store.open", "after", "a refusal's record is open", LEFT, scene="refused"),
    _at("store.close", "after", "a refusal's record is closed", FAILED, scene="refused"),
)
WITHOUT_A_RECORD = (
    _at("store.count", "before", "about to count a refusal", NOTHING, scene="unrecorded"),
    _at("store.count", "after", "a refusal is counted", NOTHING, scene="unrecorded"),
    _passed("store.count", "before", "about to count what was passed through"),
    _passed("store.count", "after", "what was passed through is counted"),
    _keys("store.set_gauge", "before", "about to tell that a key cools"),
    _keys("store.set_gauge", "after", "it is told that a key cools"),
    _keys("store.count", "before", "about to count a key's mark"),
    _keys("store.count", "after", "a key's mark is counted"),
)

EXCHANGE_POINTS: tuple[Point, ...] = (
    *STARTING,
    *BEFORE_THE_RECORD,
    *OPENING,
    *ANSWERING,
    *CLOSING,
    *OTHER_ENDS,
    *WITHOUT_A_RECORD,
)
