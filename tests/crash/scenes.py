"""What is asked in a run, before, while and after a process dies."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, final

from tests.crash.point import Point, Scene
from tests.crash.traffic import DIALECTS, Asked, Client, call_ids_in
from tests.e2e import front_client
from tests.e2e.front_client import Got

Part = Literal["lead", "rival", "target", "after"]
ID = "x-ai-gateway-interception-id"
BROKEN_OFF = (asyncio.IncompleteReadError, OSError)
STALLED = "stall;at=1"
WISHES: dict[Scene, str] = {
    "keys": "keys=one:429:1",
    "failing": "status=500",
    "cut": "cut;at=2",
    "leaves": STALLED,
}


@final
@dataclass(frozen=True, slots=True)
class Sent:
    """A request and what its client got, if anything; ``answers``: the record that it follows."""

    part: Part
    asked: Asked
    got: Got | None
    answers: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.asked.body).hexdigest()

    def without_record(self) -> "Sent":
        """Return the same for one whose record is forgotten on purpose."""
        return replace(self, asked=replace(self.asked, is_recorded=False), answers=None)

    @property
    def is_whole(self) -> bool:
        return self.got is not None and self.got.whole

    @property
    def id(self) -> str | None:
        found = self.got.values(ID) if self.got else []
        return found[0] if found else None


@final
class Asking:
    """One client's requests of a run: each is another one, so that bodies tell them apart."""

    def __init__(self, port: int, client: Client, name: str, random: Random) -> None:
        self._port = port
        self._client = client
        self._name = name
        self._random = random
        self._number = 0
        self._calls: list[str] = []
        self._lead: str | None = None
        self.sent: list[Sent] = []

    async def lead(self) -> None:
        """Send a prompt, and get a call that what follows can answer."""
        sent = await self._send("lead", self._client.prompt(self._words(), self._wish(tools=True)))
        self._lead = sent.id
        self._calls = call_ids_in(sent.got.body) if sent.got else []

    async def target(self, scene: Scene) -> None:
        """Send what the process is to die of."""
        if scene in ("turn", "start"):
            await self.follow("target")
        elif scene == "leaves":
            at_once = asyncio.Event()
            at_once.set()
            await self._stay("target", self._prompt(scene), asyncio.Event(), at_once)
        else:
            await self._send("target", self._prompt(scene))

    async def follow(self, part: Part) -> None:
        """Send the result of the lead's call, or a prompt where there was no lead."""
        wish = self._wish()
        if not self._calls:
            await self._send(part, self._client.prompt(self._words(), wish))
            return
        asked = self._client.result(self._words(), self._calls, wish)
        await self._send(part, asked, self._lead)

    async def begun(
        self, secret: str, leaving: asyncio.Event | None = None, *, follows: bool = False
    ) -> "asyncio.Task[None]":
        """Be in the middle of an answer that never ends, with another key; return its asking.

        The client stays to the end, or until ``leaving``. ``follows``: it answers the lead's call,
        else it is in a session of its own.
        """
        client = replace(self._client, streams=True, secret=secret)
        if follows and self._calls:
            asked = client.result(self._words(), self._calls, STALLED)
        else:
            apart = replace(client, session=client.session and f"{client.session}-apart")
            asked = apart.prompt(self._words(), STALLED)
        begun = asyncio.Event()
        staying = self._stay("rival", asked, begun, leaving or asyncio.Event())
        task = asyncio.create_task(staying)
        await begun.wait()
        return task

    async def look(self) -> None:
        """Ask how the gateway is."""
        await front_client.ask(self._port, "/healthz")

    def of(self, secret: str) -> "Asking":
        """Return one who asks in the same way with another's key."""
        client = replace(self._client, secret=secret)
        return Asking(self._port, client, f"{self._name}, other", self._random)

    def _prompt(self, scene: Scene) -> Asked:
        provider = {"keys": "pooled", "unrecorded": "nobody"}.get(scene, "")
        wish = f"{WISHES.get(scene, '')};{self._wish(tools=True)}"
        asked = self._client.prompt(self._words(), wish, provider)
        if scene == "unrecorded":
            return replace(asked, is_recorded=False)
        if scene == "passed":
            return replace(
                asked, path="/anthropic/v1/models", method="GET", body=b"", is_recorded=False
            )
        if scene == "refused":
            return replace(asked, body=f"not JSON: {self._words()}".encode())
        return asked

    async def _send(self, part: Part, asked: Asked, answers: str | None = None) -> Sent:
        """Ask, and take what comes, be it nothing."""
        got = None
        try:
            async with front_client.Client(self._port) as client:
                await client.send(asked.method, asked.path, asked.headers, asked.body)
                got = await client.head()
                await client.rest(got)
        except BROKEN_OFF:
            pass
        return self._noted(Sent(part, asked, got, answers))

    async def _stay(
        self, part: Part, asked: Asked, begun: asyncio.Event, leaving: asyncio.Event
    ) -> None:
        """Ask, hear the beginning, and leave when it is time, or when it is cut."""
        got = None
        try:
            async with front_client.Client(self._port) as client:
                await client.send(asked.method, asked.path, asked.headers, asked.body)
                got = await client.head()
                await client.piece(got)
                await front_client.ask(self._port, "/healthz")  # by now the gateway waits
                begun.set()
                ends = {asyncio.create_task(client.rest(got)), asyncio.create_task(leaving.wait())}
                _, others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for other in others:
                    other.cancel()
                await asyncio.gather(*others, return_exceptions=True)
        except BROKEN_OFF:
            pass
        begun.set()
        self._noted(Sent(part, asked, got))

    def _noted(self, sent: Sent) -> Sent:
        self.sent.append(sent)
        return sent

    def _words(self) -> str:
        self._number += 1
        return f"{self._name}, {self._number}"

    def _wish(self, *, tools: bool = False) -> str:
        """Return usage, and maybe tools, for an answer."""
        random = self._random
        counts = (random.randrange(5_000), random.randrange(1, 900), random.randrange(90_000), 0)
        usage = f"usage={','.join(map(str, counts))}"
        return f"{usage};tools=Read" if tools or random.random() < 0.3 else usage


def client_of(point: Point, secret: str, random: Random, session: str) -> Client:
    """Return who asks in a run."""
    has_session = random.random() < 0.6 if point.session is None else point.session
    streams = random.random() < 0.6 if point.streams is None else point.streams
    dialect = "messages" if point.scene == "keys" else random.choice(DIALECTS)
    return Client(secret, dialect, session if has_session else "", streams)
