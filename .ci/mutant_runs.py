"""The tests of many mutants in one pytest: collected once, then forked for each mutant.

A fork runs the tests that reach the mutated function and ends at the first failure: first those
that lately noticed a mutant of this function, then the quick ones. A function that already runs
when modules are imported needs a new interpreter instead, else its mutants would go unseen.
"""

import gc
import math
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

WORKERS = os.cpu_count() or 2
SECONDS_AT_IMPORT = 120
MEMORY_BYTES = 4 << 30
ENDLESS = {signal.SIGXCPU, signal.SIGKILL, signal.SIGALRM}


@dataclass(frozen=True)
class Outcome:
    """``verdict`` is failed, endless, survived or untested; ``test`` is the one that failed."""

    mutant: str
    verdict: str
    seconds: float = 0.0
    test: str = ""


@dataclass
class Runs:
    """A pytest plugin: instead of running the collected tests once, it judges each mutant."""

    mutants: Sequence[str]
    arguments: Sequence[str]
    log: Path
    outcomes: list[Outcome] = field(default_factory=list)
    reached: dict[str, list[pytest.Item]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, float] = field(default_factory=dict)
    noticed_by: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    at_import: set[str] = field(default_factory=set)

    def pytest_configure(self) -> None:
        set_mutant_under_test("stats")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("not every test could be collected")
        self.at_import = set(state()._stats)  # noqa: SLF001 - where the trampolines write
        self.measure(session.items)
        set_mutant_under_test("")
        gc.freeze()
        self.prove()
        with self.log.open("w", encoding="utf-8") as log:
            for outcome in self.judged(sorted(self.mutants, key=self.cost)):
                self.outcomes.append(outcome)
                log.write(f"{outcome.mutant}\t{outcome.verdict}\t{outcome.seconds:.2f}\t")
                log.write(f"{outcome.test}\n")
                log.flush()
                if len(self.outcomes) % 100 == 0:
                    print(f"{len(self.outcomes)} of {len(self.mutants)}", flush=True)
        return True

    def measure(self, items: Sequence[pytest.Item]) -> None:
        """Run each test once on unchanged code: what it reaches, and its CPU seconds."""
        for item, following in zip(items, [*items[1:], None], strict=True):
            state()._stats.clear()  # noqa: SLF001 - as above
            begun = time.process_time()
            if not passes(item, following):
                raise pytest.UsageError(f"{item.nodeid} fails on unchanged code")
            self.seconds[item.nodeid] = time.process_time() - begun
            for function in state()._stats:  # noqa: SLF001 - as above
                self.reached[function].append(item)
        for reaching in self.reached.values():
            reaching.sort(key=lambda item: self.seconds[item.nodeid])
        print(f"{len(items)} tests take {sum(self.seconds.values()):.1f} s", flush=True)

    def prove(self) -> None:
        """Unchanged code passes in a new interpreter too, and failing functions are noticed."""
        unchanged, failing = self.judged(["", "fail"], anew=True)
        if (unchanged.verdict, failing.verdict) != ("survived", "failed"):
            raise pytest.UsageError("a new interpreter does not judge as it should")

    def cost(self, mutant: str) -> float:
        function = function_of(mutant)
        if function in self.at_import:
            return SECONDS_AT_IMPORT
        return sum(self.seconds[item.nodeid] for item in self.reached.get(function, ()))

    def judged(self, mutants: Iterable[str], *, anew: bool = False) -> Iterable[Outcome]:
        """Yield outcomes as they come, of ``WORKERS`` mutants at a time; in order if ``anew``."""
        running: dict[int, tuple[str, int, float]] = {}
        for mutant in mutants:
            function = function_of(mutant)
            is_new = anew or function in self.at_import
            if not is_new and not self.reached.get(function):
                yield Outcome(mutant, "untested")
                continue
            while len(running) >= (1 if anew else WORKERS):
                yield self.ended(running)
            reader, writer = os.pipe()
            sys.stdout.flush()
            begun = time.monotonic()
            if (pid := os.fork()) == 0:
                self.run(mutant, writer, is_new=is_new)
            os.close(writer)
            running[pid] = (mutant, reader, begun)
        while running:
            yield self.ended(running)

    def ended(self, running: dict[int, tuple[str, int, float]]) -> Outcome:
        pid, status = os.waitpid(-1, 0)
        mutant, reader, begun = running.pop(pid)
        with os.fdopen(reader, encoding="utf-8") as pipe:
            test = pipe.read()
        if test:
            self.noticed_by[function_of(mutant)][test] = None
        code = os.waitstatus_to_exitcode(status)
        verdict = "endless" if -code in ENDLESS else "failed" if code else "survived"
        return Outcome(mutant, verdict, time.monotonic() - begun, test)

    def run(self, mutant: str, writer: int, *, is_new: bool) -> None:
        """Judge one mutant in this process, which ends here."""
        try:
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
            bound = SECONDS_AT_IMPORT if is_new else math.ceil(4 * self.cost(mutant)) + 5
            resource.setrlimit(resource.RLIMIT_CPU, (bound, bound + 1))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            signal.alarm(60 + 20 * bound)
            set_mutant_under_test(mutant)
            if is_new:
                command = [sys.executable, "-m", "pytest", "-x", *self.arguments]
                os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
            for item in self.in_order(function_of(mutant)):
                if not passes(item, None):
                    os.write(writer, item.nodeid.encode())
                    os._exit(1)
            os._exit(0)
        finally:
            os._exit(3)

    def in_order(self, function: str) -> Iterable[pytest.Item]:
        lately = self.noticed_by[function]
        items = self.reached[function]
        yield from (item for item in items if item.nodeid in lately)
        yield from (item for item in items if item.nodeid not in lately)


def function_of(mutant: str) -> str:
    return mutant.partition("__mutmut_")[0]


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, False, following))  # noqa: FBT003 - pytest's own signature
