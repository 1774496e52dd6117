"""A circuit breaker against a model that remembers everything and looks it up each time."""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aigateway.pool.breaker import Breaker
from aigateway.pool.breaker_settings import BreakerSettings


@dataclass
class Request:
    """One that was let through; ``verdict`` is what became of it."""

    state: "Model.State"
    era: int
    verdict: str | None = None


@dataclass
class Model:
    """States in their order, each with all that happened in it."""

    @dataclass
    class State:
        name: str
        since: float
        let_through: list[Request] = field(default_factory=list)
        verdicts: list[tuple[float, str]] = field(default_factory=list)

    settings: BreakerSettings
    states: list[State]

    @property
    def now_in(self) -> State:
        return self.states[-1]

    def may_enter(self, now: float) -> bool:
        state = self.now_in
        if state.name == "open" and now - state.since >= self.settings.timeout_seconds:
            self.states.append(Model.State("half_open", now))
        state = self.now_in
        places = [r for r in state.let_through if r.verdict != "left"]
        if state.name == "half_open":
            return len(places) < self.settings.max_requests
        return state.name == "closed"

    def note(self, request: Request, verdict: str, now: float) -> None:
        request.verdict = verdict
        if request.state is not self.now_in:
            return
        state = request.state
        state.verdicts.append((now, verdict))
        fails = verdict == "failed" and state.name == "half_open"
        if state.name == "closed":
            fails = self.failures_in_a_row() >= self.settings.failure_threshold
        wins = [v for _, v in state.verdicts if v == "succeeded"]
        if fails:
            self.states.append(Model.State("open", now))
        elif state.name == "half_open" and len(wins) >= self.settings.max_requests:
            self.states.append(Model.State("closed", now))

    def failures_in_a_row(self) -> int:
        """Count from the last success, and within the interval that is running."""
        window, failures = self.now_in.since, 0
        for at, verdict in self.now_in.verdicts:
            if verdict == "succeeded":
                failures = 0
            elif verdict == "failed":
                if at - window >= self.settings.interval_seconds:
                    window, failures = at, 0
                failures += 1
        return failures


class BreakerMachine(RuleBasedStateMachine):
    @initialize(threshold=st.integers(1, 4), interval=st.integers(1, 20), most=st.integers(1, 4))
    def begin(self, threshold: int, interval: int, most: int) -> None:
        self.settings = BreakerSettings(
            enabled=True,
            failure_threshold=threshold,
            interval_seconds=interval,
            timeout_seconds=10,
            max_requests=most,
        )
        self.now = 0.0
        self.breaker = Breaker()
        self.model = Model(self.settings, [Model.State("closed", 0.0)])
        self.under_way: list[Request] = []

    @rule(seconds=st.sampled_from([0, 1, 3, 9, 10, 11, 30]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(times=st.integers(1, 6))
    def requests_come(self, times: int) -> None:
        for _ in range(times):
            era = self.breaker.enter(self.settings, self.now)
            assert (era is not None) == self.model.may_enter(self.now)
            if era is not None:
                request = Request(self.model.now_in, era)
                self.model.now_in.let_through.append(request)
                self.under_way.append(request)

    @rule(data=st.data(), verdict=st.sampled_from(["succeeded", "failed", "failed", "left"]))
    def one_ends(self, data: st.DataObject, verdict: str) -> None:
        if not self.under_way:
            return
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        request = self.under_way.pop(place)
        if verdict == "succeeded":
            self.breaker.succeeded(request.era, self.now)
        elif verdict == "failed":
            self.breaker.failed(request.era, self.now)
        else:
            self.breaker.left(request.era)
        self.model.note(request, verdict, self.now)

    @invariant()
    def both_are_in_the_same_state(self) -> None:
        if hasattr(self, "model"):
            assert self.breaker.state == self.model.now_in.name


test_a_breaker_does_what_its_model_does = BreakerMachine.TestCase
