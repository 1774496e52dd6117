"""The contract of a store: the verbs, and what each of them promises.

Everything is async and raises ``LedgerFault`` when the store cannot answer. Times are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, final

from aigateway.caller.access import Rule
from aigateway.caller.people import Key, User
from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.keeping import Keeping
from aigateway.ledger.listing import Filter, NameKind, Reach, Window
from aigateway.ledger.rows import Interception, Page, Session
from aigateway.pool.providers import ProviderRow
from aigateway.steps import Step


@final
@dataclass(frozen=True, slots=True)
class ParentQuery:
    """Whose calls a request answers: looked for within one initiator, and within one session.

    With ``client_session_id`` only in that session, the same ``agent_id`` first; without one
    only among the initiator's interceptions that have none. ``response_id`` is the last resort.
    What started at ``before`` or later is no parent: some servers number their calls anew.
    """

    initiator_id: str
    client_session_id: str | None
    agent_id: str | None
    call_ids: tuple[str, ...]
    response_id: str | None
    before: datetime | None = None

    @classmethod
    def of(cls, opened: Opened) -> "ParentQuery | None":
        """Return what to look for, or nothing where the request answers nothing."""
        calls = tuple(call.call_id for call in opened.answered_calls)
        if not calls and opened.previous_response_id is None:
            return None
        return cls(
            opened.initiator_id,
            opened.lineage.client_session_id,
            opened.lineage.agent_id,
            calls,
            opened.previous_response_id,
            opened.started_at,
        )


class Recording(Protocol):
    """Writing interceptions while they happen."""

    async def open(self, opened: Opened) -> None:
        """Make the record durable, its prompt included; repeating the call changes nothing."""

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        """Close the record, move its session and add ``steps``, all or nothing, once.

        Returns ``False``, changing nothing, if another call closed it before.
        """

    async def late(self, opened: Opened, closed: Closed) -> bool:
        """Note how a record ended that had been closed as abandoned: nothing else of it moves.

        Returns ``False``, changing nothing, if it was closed otherwise, or this was noted before.
        """

    async def count(self, steps: tuple[Step, ...]) -> None:
        """Add steps that belong to no record."""

    async def parents(self, query: ParentQuery) -> Parents | None:
        """Find the newest interception that made one of the calls; in flight is no obstacle."""


class Records(Recording, Protocol):
    """Writing interceptions, and looking after those that nobody closed."""

    async def orphans(self, before: datetime, most: int) -> tuple[Opened, ...]:
        """Return records started before ``before`` and never closed, oldest first."""

    async def remains(self, opened: Opened) -> Closed | None:
        """Return what a closing that was cut short had stored of an open record's answer.

        How and when that answer ended is not known.
        """

    async def unparented(self, most: int) -> tuple[Opened, ...]:
        """Return records closed with ``parents_unknown``, oldest first, prompts left out."""

    async def repair_parent(self, opened: Opened, parents: Parents | None) -> bool:
        """Settle whom such a record answers: it is no thread of its own any more, or for good.

        Returns ``False``, changing nothing, if that was settled before.
        """

    async def purge(self, now: datetime, most: int) -> int:
        """Delete up to ``most`` expired items where the store does not do so by itself."""


class Reading(Protocol):
    """Reading interceptions back. Expired records are absent, even if still stored."""

    async def sessions(self, filter: Filter, reach: Reach, window: Window) -> Page[Session]:  # noqa: A002 - the word of the API
        """List sessions of which any interception matches the filter, last active first.

        Raises ``CursorInvalid``, also where ``window.after`` is not one session within reach.
        """

    async def session(
        self, session_id: str, reach: Reach, now: datetime
    ) -> tuple[tuple[Interception, ...], ...]:
        """Return the bare interceptions of a session, oldest first, one group per initiator.

        ``session_id`` is a client's session id, or the UUID of any thread root that has none.
        """

    async def filled(self, rows: tuple[Interception, ...]) -> tuple[Interception, ...]:
        """Return the same interceptions with their texts."""

    async def interceptions(
        self,
        filter: Filter,  # noqa: A002 - the word of the API
        reach: Reach,
        window: Window,
    ) -> Page[Interception]:
        """List whole interceptions, newest start first.

        Raises ``CursorInvalid``, also where ``window.after`` is not within reach.
        """

    async def interception(self, id: str, reach: Reach, now: datetime) -> Interception | None:  # noqa: A002 - the field's name
        """Return one whole interception."""

    async def names(
        self, kind: NameKind, reach: Reach, window: Window, prefix: str
    ) -> tuple[str, ...]:
        """Return the distinct names of ended interceptions that begin with ``prefix``, in order.

        Known for up to five minutes. They come from the counters, which outlive the records: a
        name may be there that no stored record has, and a long model's name is cut.
        """


@final
@dataclass(frozen=True, slots=True)
class Published:
    """The provider snapshot in force: a JSON document, its version and content hash."""

    version: int
    digest: str
    document: bytes


@final
@dataclass(frozen=True, slots=True)
class ReloadState:
    """When the pool was last reloaded; ``version`` is 0 and both times ``None`` before that."""

    version: int
    digest: str
    attempted_at: datetime | None
    succeeded_at: datetime | None


@final
@dataclass(frozen=True, slots=True)
class AccessRules:
    """All access rules; each change makes the next ``version``, 0 is before the first."""

    version: int
    rules: tuple[Rule, ...]


@final
@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change that a person made to the configuration; kept for ``AUDIT_KEPT``.

    ``id`` is a UUID. ``action`` is a word such as ``provider.changed``, ``target`` the name of
    what was changed, ``changes`` JSON that never holds a secret.
    """

    id: str
    at: datetime
    actor_id: str
    action: str
    target: str
    changes: Mapping[str, object]


AUDIT_KEPT = timedelta(days=400)


class Directory(Protocol):
    """Users, keys, providers, access rules, the published snapshot, and who changed what."""

    async def key(self, key_id: str) -> tuple[Key, User] | None:
        """Return a key and its user, revoked, expired, suspended or deleted ones included."""

    async def keys(self, user_id: str | None = None) -> tuple[Key, ...]:
        """Return the keys of one user, or all, oldest first."""

    async def put_key(self, key: Key) -> None:
        """Store a key, new or changed, by its id."""

    async def key_used(self, key_id: str, at: datetime) -> None:
        """Note the time of a key's last use."""

    async def users(self) -> tuple[User, ...]:
        """Return all users that are not deleted, by name."""

    async def user(self, id_or_username: str) -> User | None:
        """Find a user that is not deleted."""

    async def principal(self, arn: str) -> User | None:
        """Return whose entry names an AWS principal (``User.principals``), whatever its status."""

    async def add_user(self, user: User) -> None:
        """Store a new user.

        Raises ``Conflict`` when the name is taken, also by a deleted user, or a principal is.
        """

    async def change_user(self, before: User, after: User, admin_left: str | None = None) -> None:
        """Store a changed user; id and name never change.

        Raises ``Conflict`` when what is stored is not ``before``, when a principal is another
        user's, or when the user with the id ``admin_left`` is no active admin at this moment.
        """

    async def provider_rows(self, *, deleted: bool = False) -> tuple[ProviderRow, ...]:
        """Return all provider rows, by name; those of deleted providers only on ``deleted``.

        A damaged one has an empty document.
        """

    async def put_provider(
        self, row: ProviderRow, previous: int | None, entry: AuditEntry | None = None
    ) -> None:
        """Store a row if its stored version is ``previous``, else raise ``Conflict``.

        ``None`` means that there is no such row yet. The ``entry`` is kept if the row is stored,
        and only then.
        """

    async def access_rules(self) -> AccessRules:
        """Return the access rules as they were last put."""

    async def put_access_rules(self, rules: tuple[Rule, ...], previous: int) -> None:
        """Replace all rules if ``previous`` is the stored version, else raise ``Conflict``."""

    async def published(self) -> Published | None:
        """Return the snapshot in force. Raises ``SnapshotUnreadable`` where it is damaged."""

    async def publish(self, snapshot: Published, previous: int | None) -> None:
        """Put a snapshot in force if ``previous`` is the version in force, else ``Conflict``."""

    async def reload_state(self) -> ReloadState:
        """Return the version in force and the times of the last reload."""

    async def note_attempt(self, at: datetime) -> None:
        """Note that a reload began; an earlier time than the one noted changes nothing."""

    async def note_success(self, at: datetime) -> None:
        """Note when a reload that succeeded had begun; an earlier time changes nothing."""

    async def audit(self, entry: AuditEntry) -> None:
        """Keep an entry; repeating the call changes nothing."""

    async def audited(self, since: datetime, until: datetime) -> tuple[AuditEntry, ...]:
        """Return the entries from ``since`` on and before ``until``, oldest first.

        They are found by the millisecond.
        """


GaugeKind = Literal["CB", "KP"]
GAUGES_KEPT = timedelta(days=1)
"""A gauge says what is now; one that nobody set for so long may be deleted."""


@final
@dataclass(frozen=True, slots=True)
class Gauge:
    """What only a gateway knows, as it was when it last changed.

    ``CB``: a circuit breaker. The key is provider, endpoint and model; ``v`` is twice its state:
    0 closed, 1 half-open, 2 open.

    ``KP``: the keys of the provider in ``key`` that were marked. Each is named by its id and
    cools until so many milliseconds since 1970; ``<id>#status`` is the provider's answer that
    it was marked for. A key without a value is in use.
    """

    kind: GaugeKind
    key: tuple[str, ...]
    values: Mapping[str, int]
    at: datetime


LEASE_SKEW = timedelta(minutes=5)
"""So far may the clocks of two publishers be apart."""

CounterKey = tuple[str, tuple[str, ...]]
"""Kind and label values of a counter."""

PublisherText = Literal["KNOWN", "NAMES", "TEXT"]
"""What a publisher keeps beside its state: series sent, names with a place, the last text."""


class Totals(Protocol):
    """The counters and gauges that metrics are made of."""

    async def counters(self) -> Mapping[CounterKey, Mapping[str, int]]:
        """Return every counter: kind and key to attribute to total, consistent reads."""

    async def move_counter(self, key: CounterKey, into: CounterKey) -> Mapping[str, int] | None:
        """Add a counter to another one and delete it, all or nothing; return what was moved.

        ``None``: it is not there, or was moving by itself. Both count closed interceptions of
        one initiator.
        """

    async def in_flight(self, most: int) -> Mapping[tuple[str, str, str], int]:
        """Count interceptions without an end by provider name, model and route.

        Where there are more than ``most`` of them, it counts that many, or a few times as many.
        """

    async def take_lease(self, owner: str, now: datetime, until: datetime) -> bytes | None:
        """Make ``owner`` the one publisher ``until`` then; return the state noted last.

        ``None``: another one is, and its time is not over. An empty state was never noted.
        One that lasts ``LEASE_SKEW`` longer than this one was taken by a clock gone wrong.
        """

    async def note_state(self, owner: str, state: bytes) -> None:
        """Note the publisher's state. Raises ``Conflict`` where ``owner`` lost the lease."""

    async def end_lease(self, owner: str) -> None:
        """Let go of the lease before its time; nothing happens to another one's."""

    async def publisher_text(self, name: PublisherText) -> bytes | None:
        """Return a text as it was last put, whole, or nothing."""

    async def put_publisher_text(self, name: PublisherText, text: bytes) -> None:
        """Put a text in place of the one before, as one change to whoever reads it."""

    async def set_gauge(self, gauge: Gauge) -> None:
        """Set the named values of a gauge; its other values stay. The last writer wins."""

    async def gauges(self, kind: GaugeKind | None = None) -> tuple[Gauge, ...]:
        """Return the gauges of one kind or of all, by kind and key, consistent reads."""


class Rates(Protocol):
    """How often each key is used, by all gateways over this store together."""

    async def hit(self, key_id: str, second: int) -> int:
        """Count one request of a key in a second since 1970; return how many there are now.

        A count is forgotten a minute later, or when the key's next one begins.
        """


class Store(Records, Reading, Directory, Totals, Rates, Protocol):
    """All groups; a caller asks for the one it needs."""

    async def start(self) -> None:
        """Open or create what is stored. Raises ``LedgerFault``."""

    async def stop(self) -> None:
        """Finish what is under way and let go of everything."""

    def keeping(self) -> Keeping:
        """Return what is done to the whole ledger, over this store."""
