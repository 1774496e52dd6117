"""Items of a Responses stream that are told once more: the same one, or another with its index."""

import json
from typing import Any

from aigateway.transcript.facts import Dialect, Thought, ToolUsage
from aigateway.transcript.reader import reader_for
from aigateway.wire.frames import Frame


def rows(*items: dict[str, Any]) -> list[str]:
    """What becomes of items that are all done at index 0."""
    reader = reader_for(Dialect.RESPONSES, 200)
    name = "response.output_item.done"
    facts = []
    for item in items:
        event = {"type": name, "output_index": 0, "item": item}
        facts += list(reader.read(Frame(name, json.dumps(event).encode())))
    facts += list(reader.end(cut=False))
    told = [fact for fact in facts if isinstance(fact, Thought | ToolUsage)]
    return [fact.text if isinstance(fact, Thought) else fact.input for fact in told]


def reasoning(item_id: str, text: str) -> dict[str, Any]:
    return {"type": "reasoning", "id": item_id, "summary": [{"text": text}]}


def call(call_id: str | None, text: str) -> dict[str, Any]:
    named = {} if call_id is None else {"call_id": call_id}
    return {"type": "function_call", "id": "fc", "name": "look", "arguments": text} | named


def test_an_item_without_a_call_id_is_known_by_its_own() -> None:
    assert rows(reasoning("rs_1", "a"), reasoning("rs_1", "a")) == ["a"]
    assert rows(reasoning("rs_1", "a"), reasoning("rs_2", "b")) == ["a", "b"]


def test_a_call_is_known_by_its_call_id_whatever_its_item_is_called() -> None:
    assert rows(call("c1", "{}"), call("c1", "{}") | {"id": "other"}) == ["{}"]
    assert rows(call("c1", "{}"), call("c2", "[]")) == ["{}", "[]"]


def test_a_call_with_an_id_is_another_one_than_a_call_without() -> None:
    assert rows(call(None, "{}"), call("c2", "[]")) == ["{}", "[]"]
    assert rows(call("c1", "{}"), call(None, "[]")) == ["{}", "[]"]
