"""A keyring against a model: every deadline that was ever said, looked up each time."""

from collections import defaultdict

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aigateway.pool.keyring import Keyring, Mark, shortest_wait_ms
from aigateway.pool.providers import SecretRef

IDS = ("k1", "k2", "k3", "k4", "k5")
KEYS = tuple(SecretRef("main", key_id, "...") for key_id in IDS)
DEADLINES = st.sampled_from([0, 1, 999, 1_000, 30_000, 60_000, 3_600_000])
STATUSES = st.sampled_from([429, 401])


class KeyringMachine(RuleBasedStateMachine):
    """Two processes that tell each other what they see."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_790_000_000_000
        self.rings = (Keyring(), Keyring())
        self.said: tuple[dict[str, list[Mark]], ...] = (defaultdict(list), defaultdict(list))

    @rule(ms=st.sampled_from([1, 500, 29_999, 30_000, 3_600_000]))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @rule(at=st.sampled_from([0, 1]), key=st.sampled_from(IDS), ms=DEADLINES, status=STATUSES)
    def a_key_is_refused(self, at: int, key: str, ms: int, status: int) -> None:
        self.rings[at].mark(key, Mark(self.now + ms, status), self.now)
        self.said[at][key].append(Mark(self.now + ms, status))

    @rule(at=st.sampled_from([0, 1]), key=st.sampled_from(IDS))
    def the_other_is_told(self, at: int, key: str) -> None:
        if not self.said[at][key]:
            return
        told = self.rings[at].told(key)
        self.rings[1 - at].learn(told, self.now)
        if told[key] > self.now:
            self.said[1 - at][key].append(Mark(told[key], told[f"{key}#status"]))

    @invariant()
    def the_first_key_without_a_deadline_ahead_is_taken(self) -> None:
        for ring, said in zip(self.rings, self.said, strict=True):
            ahead = {
                key: max((m.until_ms for m in said[key] if m.until_ms > self.now), default=None)
                for key in IDS
            }
            free = [key for key in IDS if ahead[key] is None]
            found = ring.first(KEYS, (), self.now)
            assert (found and found.key_id) == (free[0] if free else None)
            later = ring.first(KEYS, free[:1], self.now)
            assert (later and later.key_id) == (free[1] if len(free) > 1 else None)
            marks = ring.refusing(KEYS, (), self.now)
            assert [m.until_ms for m in marks] == [ahead[k] for k in IDS if ahead[k] is not None]
            wait = shortest_wait_ms(marks, self.now)
            assert wait is None or 0 < wait <= 3_600_000


test_a_keyring_does_what_its_model_does = KeyringMachine.TestCase
