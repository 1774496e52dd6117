"""The coding session of ``make demo``: a small Messages client that asks, looks and answers.

Three turns through the gateway, as a coding agent would: parallel tool calls, reasoning, one
overloaded provider and the repetition that follows. The request header ``x-fake`` tells the
scripted provider what to answer; a real provider ignores it and answers as it likes.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, final
from urllib.parse import quote, urlsplit

MODEL = "claude-haiku-4-5"
TIMEOUT_SECONDS = 60
MOST_STEPS = 6
MOST_ATTEMPTS = 4
LONGEST_PAUSE_SECONDS = 2.0
WORTH_REPEATING = frozenset({429, 500, 502, 503, 504, 529})

Block = dict[str, Any]
Pause = Callable[[float], None]


class DemoFailed(Exception):
    """The gateway could not be reached or refused; the text says what it answered."""


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """What the human says, and what the scripted provider is to do about it.

    ``calls`` and ``think`` belong to the first request of the turn, ``failure`` to its first try.
    """

    prompt: str
    answer: str
    think: str = ""
    calls: str = ""
    failure: str = ""

    def wishes(self, *, first: bool, attempt: int) -> str:
        wishes = [f"text={quote(self.answer)}"] if not (first and self.calls) else []
        if first and self.think:
            wishes.append(f"think={quote(self.think)}")
        if first and self.calls:
            wishes.append(f"tools={self.calls}")
        else:
            wishes.append("rounds=0")
        if first and self.failure and attempt == 0:
            wishes.append(self.failure)
        return ";".join(wishes)


TURNS = (
    Turn(
        prompt="What does parser.py do, and is it tested?",
        think="I read the parser and list the tests at the same time.",
        calls="Read,Bash",
        answer="It splits a line at its commas. tests/ has no test for quoted fields.",
    ),
    Turn(
        prompt="Add a test for quoted fields in parser.py.",
        think="A quoted comma must not split the field; that is the case to test.",
        calls="Bash",
        failure="status=529;retry-after=1",
        answer="Added. It fails: the parser splits inside quotes.",
    ),
    Turn(prompt="Thank you, leave it there.", answer="Left as it is: one new test, failing."),
)

TOOLS = (
    {
        "name": "Read",
        "description": "Read a file",
        "input_schema": {
            "type": "object",
            "properties": {"file_path": {"type": "string"}},
            "required": ["file_path"],
        },
    },
    {
        "name": "Bash",
        "description": "Run a command",
        "input_schema": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    },
)
RESULTS: Mapping[str, str] = {
    "Read": "def split(line):\n    return line.split(',')\n",
    "Bash": "parser.py\ntests\n",
}
"""What the tools of the demo find; nothing is read or run."""


def drive(
    gateway: str,
    key: str,
    provider: str = "anthropic",
    *,
    pause: Pause = time.sleep,
) -> str:
    """Hold the session through ``gateway``, a base URL, and return its session id.

    ``provider`` is the name of one that speaks Messages. Raises ``DemoFailed``.
    """
    session = f"demo-{secrets.token_hex(6)}"
    client = _Client(gateway, f"/{provider}/v1/messages", key, session, pause)
    messages: list[Block] = []
    for turn in TURNS:
        messages.append({"role": "user", "content": turn.prompt})
        for step in range(MOST_STEPS):
            content = client.ask(messages, turn, first=step == 0)
            messages.append({"role": "assistant", "content": content})
            results = [_result(block) for block in content if block["type"] == "tool_use"]
            if not results:
                break
            messages.append({"role": "user", "content": results})
    return session


def _result(call: Block) -> Block:
    found = RESULTS.get(call["name"], "")
    return {"type": "tool_result", "tool_use_id": call["id"], "content": found}


@final
class _Client:
    def __init__(self, gateway: str, path: str, key: str, session: str, pause: Pause) -> None:
        self._address = urlsplit(gateway)
        self._pause = pause
        self._path = self._address.path.rstrip("/") + path
        self._headers = {
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "user-agent": "aigw-demo/1",
            "x-api-key": key,
            "x-session-id": session,
        }

    def ask(self, messages: list[Block], turn: Turn, *, first: bool) -> list[Block]:
        """One request, repeated while the provider says that it may be; the answer's blocks."""
        body = json.dumps(
            {
                "model": MODEL,
                "max_tokens": 4000,
                "stream": True,
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "tools": TOOLS,
                "messages": messages,
            }
        ).encode()
        for attempt in range(MOST_ATTEMPTS):
            wishes = turn.wishes(first=first, attempt=attempt)
            answer = self._post(body, {"x-fake": wishes, "x-stainless-retry-count": str(attempt)})
            if not isinstance(answer, float):
                return answer
            self._pause(answer)
        raise DemoFailed(f"the provider refused {MOST_ATTEMPTS} times")

    def _post(self, body: bytes, headers: Mapping[str, str]) -> list[Block] | float:
        """The content, or the seconds to wait before the same request may be tried again."""
        host, port = self._address.hostname or "", self._address.port
        connection = HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", self._path, body, {**self._headers, **headers})
            response = connection.getresponse()
            if response.status == 200:  # noqa: PLR2004
                return blocks_of(_events(response))
            told = response.read(2_000).decode(errors="replace")
            if response.status not in WORTH_REPEATING:
                raise DemoFailed(f"{response.status} from {self._path}: {told}")
            asked = response.headers.get("retry-after", "")
            return min(float(asked), LONGEST_PAUSE_SECONDS) if asked.isdecimal() else 0.5
        except (OSError, HTTPException) as problem:
            raise DemoFailed(f"no answer from {self._address.netloc}: {problem}") from problem
        finally:
            connection.close()


def _events(response: HTTPResponse) -> Iterator[Block]:
    for line in response:
        if line.startswith(b"data:"):
            yield json.loads(line.removeprefix(b"data:"))


def blocks_of(events: Iterable[Block]) -> list[Block]:
    """The content blocks of a stream, as the next request has to repeat them."""
    blocks: list[Block] = []
    inputs: dict[int, str] = {}
    for event in events:
        if event["type"] == "error":
            raise DemoFailed(f"the stream broke off: {event['error'].get('message')}")
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            at, delta = event["index"], event["delta"]
            if delta["type"] == "input_json_delta":
                inputs[at] = inputs.get(at, "") + delta["partial_json"]
                continue
            member = delta["type"].removesuffix("_delta")
            if isinstance(delta.get(member), str):
                blocks[at][member] = blocks[at].get(member, "") + delta[member]
    for at, text in inputs.items():
        blocks[at]["input"] = json.loads(text or "{}")
    return blocks
