"""What the clients are made to live through, as wishes to the scripted provider in the prompt."""

from dataclasses import dataclass
from typing import final
from urllib.parse import quote

TASK = "Read notes.txt and tell me the colour"
ERRAND = "Read notes.txt and name the colour"
"""What a sub-agent is sent to do: in no human's words here."""
THOUGHT = "The colour stands in the file; so I look there."


@final
@dataclass(frozen=True, slots=True)
class Scenario:
    """``wishes`` has ``{tool}`` for the client's tool, ``{errand}`` for how it starts a sub-agent.

    ``requests``: how many the task takes, side requests left out. ``then``: a second prompt in
    the same conversation, which one more request answers. ``fails``: the first answer does.
    """

    name: str
    wishes: str
    requests: int
    then: str | None = None
    fails: bool = False

    def prompt(self, tool: str, errand: str) -> str:
        wished = self.wishes.format(tool=tool, errand=errand)
        return f"{TASK} [[fake {wished}]]" if wished else TASK


SCENARIOS = (
    Scenario("plain", "rounds=0", 1),
    Scenario("tool", "", 2),
    Scenario("parallel", "tools={tool},{tool}", 2),
    Scenario("multi-turn", "rounds=2", 4, then="And now [[fake rounds=0;text=Goodbye]]"),
    Scenario("thinking", f"think={quote(THOUGHT)};redacted=1", 2),
    Scenario("subagent", "{errand}", 4),
    Scenario("slow", "rounds=0;wait=400;drip=60;events=12", 1),
    Scenario("big", "rounds=0;events=3000;usage=12345,3000,89,0", 1),
    Scenario("error", "rounds=0;status=529;times=1", 2, fails=True),
    Scenario("cut", "rounds=0;cut;at=3;times=1", 2, fails=True),
)


def named(*names: str) -> tuple[Scenario, ...]:
    return tuple(scenario for scenario in SCENARIOS if scenario.name in names)
