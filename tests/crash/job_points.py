"""The points of what runs beside gateways, job by job."""

from functools import partial

from tests.crash.point import Point

_job = partial(Point, hosts=("embedded",))

_sweep = partial(
    _job,
    "sweep",
    promise="each orphan has one end, the gateway's or a sweep's; the next sweep does the rest",
)
_bring = partial(
    _job,
    "bring home",
    promise="a line stays in the file until its record has its end, which it gets once",
)
_reload = partial(
    _job,
    "reload",
    promise="gateways serve by a whole pool, old or new; the next tick publishes what is missing",
)
_key = partial(
    _job, "first key", promise="the next tick makes one admin, with the key in the vault"
)
_seed = partial(
    _job, "seed", promise="the next tick adds what is missing, each provider with its key"
)
_publish = partial(
    _job,
    "publish",
    promise="the next push tells what the records say, and no counter begins anew",
)
_erase = partial(
    _job,
    "erase",
    promise="the next tick deletes the rest and signs the receipt; no counter moves",
)
_import = partial(
    _job, "import", promise="a repeated import adds what is missing, each record once"
)
_FILE, _TABLE = ("file",), ("table",)

SWEEPING = (
    _sweep("store.orphans", "after", "orphans were found"),
    _sweep("store.remains", "after", "it is known what is left of one", most=3),
    _sweep("store.close", "before", "about to close one", most=3),
    _sweep("store.close", "after", "one is closed", most=3),
    _sweep("file.update interception", "after", "one has its end, not committed", stores=_FILE),
    _sweep("file.commit update interception", "before", "about to commit", stores=_FILE, most=3),
    _sweep("file.commit update interception", "after", "committed", stores=_FILE, most=3),
    _sweep("table.transaction", "before", "about to close one, all or nothing", stores=_TABLE),
    _sweep("table.transaction", "after", "one is closed, the reply is lost", stores=_TABLE, most=3),
    _sweep("store.unparented", "after", "records without their parents were found", session=True),
    _sweep("store.repair_parent", "before", "about to settle a parent", session=True),
    _sweep("store.repair_parent", "after", "a parent is settled", session=True),
    _sweep("store.purge", "before", "about to purge"),
    _sweep("store.purge", "after", "purged"),
)
BRINGING = (
    _bring("spill.first", "after", "the file was read"),
    _bring("store.interception", "after", "it is known what is stored of a record", most=2),
    _bring("store.close", "before", "about to close a record", most=2),
    _bring("file.commit update interception", "after", "committed", stores=_FILE, most=2),
    _bring("table.answer", "after", "the texts are put again", stores=_TABLE, most=2),
    _bring("table.transaction", "after", "closed, the reply is lost", stores=_TABLE, most=2),
    _bring("store.close", "after", "a record is closed, its line is there", most=2),
    _bring("spill.take", "before", "about to take the lines away"),
    _bring("spill.take", "after", "the lines are gone"),
)
RELOADING = (
    _reload("store.note_attempt", "before", "about to note the attempt"),
    _reload("store.note_attempt", "after", "the attempt is noted"),
    _reload("store.provider_rows", "after", "the rows were read"),
    _reload("secrets.key", "after", "a key was read", most=2),
    _reload("store.access_rules", "after", "the access rules were read"),
    _reload("store.publish", "before", "about to publish"),
    _reload("table.document", "after", "the document is put, not in force", stores=_TABLE),
    _reload("table.snapshot", "before", "an attempt, a pool or a success", stores=_TABLE, most=3),
    _reload("table.snapshot", "after", "its reply is lost", stores=_TABLE, most=3),
    _reload("file.update snapshot", "after", "written, not committed", stores=_FILE, most=3),
    _reload("file.commit update snapshot", "before", "about to commit", stores=_FILE, most=3),
    _reload("file.commit update snapshot", "after", "committed", stores=_FILE, most=3),
    _reload("store.publish", "after", "the pool is in force, the success is not noted"),
    _reload("store.note_success", "after", "the success is noted"),
    _key("vault.replace", "before", "about to put a key into the vault"),
    _key("vault.replace", "after", "the key is in the vault"),
    _key("store.put_key", "before", "about to store the key"),
    _key("store.put_key", "after", "the key is stored, its admin is not"),
    _key("table.transaction", "before", "about to store the admin", stores=_TABLE),
    _key("store.add_user", "after", "the admin is stored"),
    _seed("vault.read", "after", "the seed was read"),
    _seed("secrets.put", "after", "the keys are stored, no provider is"),
    _seed("store.put_provider", "before", "about to add a provider", most=2),
    _seed("store.put_provider", "after", "a provider is added", most=2),
)
PUBLISHING = (
    _publish("store.take_lease", "before", "about to take the lease"),
    _publish("store.take_lease", "after", "the lease is taken"),
    _publish("store.counters", "after", "the counters were read"),
    _publish("store.put_publisher_text", "before", "about to put a text", most=2),
    _publish("store.put_publisher_text", "after", "a text is put", most=2),
    _publish("table.publisher text", "after", "a part of a text is put", stores=_TABLE, most=2),
    _publish("store.note_state", "before", "about to note the attempt, or the push", most=2),
    _publish("store.note_state", "after", "the attempt, or the push, is noted", most=2),
    _publish("receiver.write", "before", "about to send a batch"),
    _publish("receiver.write", "after", "a batch has arrived, nobody knows of it"),
    _publish("store.end_lease", "before", "about to let go of the lease"),
    _publish("store.end_lease", "after", "the lease is over"),
)
KEEPING = (
    _erase("keeping.jobs", "after", "the job was found"),
    _erase("keeping.erase", "before", "about to delete a batch"),
    _erase("file.delete interception", "after", "a record is deleted, not committed", stores=_FILE),
    _erase("file.commit delete interception", "after", "committed", stores=_FILE),
    _erase("table.delete", "before", "about to delete an item", stores=_TABLE, most=5),
    _erase("table.delete", "after", "an item is deleted", stores=_TABLE, most=5),
    _erase("keeping.erase", "after", "a batch is deleted, the receipt does not say so"),
    _erase("file.vacuum", "before", "about to rewrite the file", stores=_FILE),
    _erase("file.vacuum", "after", "the file is rewritten, the log of writes is not", stores=_FILE),
    _erase("keeping.scrub", "after", "no trace is left on the disk"),
    _erase("keeping.put_job", "before", "about to sign the receipt"),
    _erase("keeping.put_job", "after", "the receipt is signed"),
    _import("keeping.restore", "before", "about to restore a record", most=2),
    _import("file.insert interception", "after", "a row is written, not committed", stores=_FILE),
    _import("file.commit insert interception", "after", "committed", stores=_FILE, most=2),
    _import("table.answer", "after", "texts are put, their record is not", stores=_TABLE, most=2),
    _import("table.transaction", "before", "about to put record and session", stores=_TABLE),
    _import("table.transaction", "after", "put, the reply is lost", stores=_TABLE, most=2),
    _import("keeping.restore", "after", "a record is restored", most=2),
    _import("store.count", "after", "a name is made known"),
)

JOB_POINTS: tuple[Point, ...] = (*SWEEPING, *BRINGING, *RELOADING, *PUBLISHING, *KEEPING)
