"""What a process learns about keys from what the others told the store."""

from aigateway.clock import micros
from aigateway.ledger.store import Gauge, GaugeKind
from aigateway.pool.keyring import Keyrings
from aigateway.pool.snapshot import Snapshot
from aigateway.relay.cooldowns import Cooldowns
from tests.clocks import HeldClock
from tests.unit.relay.pooled import a_provider


class Marks:
    """Has a mark for the key ``k1`` of each of some providers."""

    def __init__(self, until_ms: int, *names: str) -> None:
        values = {"k1": until_ms, "k1#status": 429}
        self.gauges_set = tuple(Gauge("KP", (name,), values, HeldClock().now()) for name in names)
        self.asked = 0

    async def gauges(self, kind: GaugeKind | None = None) -> tuple[Gauge, ...]:
        assert kind == "KP"
        self.asked += 1
        return self.gauges_set


async def test_keys_that_cool_elsewhere_cool_here() -> None:
    clock, rings = HeldClock(), Keyrings()
    now_ms = micros(clock.now()) // 1000
    marks = Marks(now_ms + 30_000, "pooled", "single", "gone")
    providers = {"pooled": a_provider("k1", "k2"), "single": a_provider("k1")}
    await Cooldowns(marks, rings, clock).look(Snapshot(1, providers, {}))  # type: ignore[arg-type]  # the one verb that it needs
    assert rings.of("pooled").cools("k1", now_ms)
    assert not rings.of("single").cools("k1", now_ms)
    assert not rings.of("gone").cools("k1", now_ms)
    assert marks.asked == 1


async def test_without_keys_that_take_turns_nobody_asks() -> None:
    marks = Marks(0)
    providers = {"single": a_provider("k1"), "keyless": a_provider()}
    await Cooldowns(marks, Keyrings(), HeldClock()).look(Snapshot(1, providers, {}))  # type: ignore[arg-type]  # the one verb that it needs
    assert marks.asked == 0
