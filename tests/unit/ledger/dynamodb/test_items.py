"""What lies in the table, attribute by attribute, and how large it is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aigateway.caller.clients import Client
from aigateway.caller.lineage import Lineage
from aigateway.interception import Credential, Parents
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.expressions import from_item
from aigateway.ledger.items import key_text, opened_item, session_key
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.steps import steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_prompt, a_thought, a_tool, a_usage, an_opened, at
from tests.unit.ledger.dynamodb.faulty import FaultyConnection

ALL = Reach(None)
ID = "019ab5a0-7e00-7000-8000-000000000001"
OTHER = "019ab5a0-7e00-7000-8000-000000000002"


def everything(faulty: FaultyConnection, table_name: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = faulty.dispatch("Scan", {"TableName": table_name})["Items"]
    items = [from_item(item) for item in found]
    return {(item["pk"], item["sk"]): item for item in items if item["pk"] != "CFG"}


def size(item: Mapping[str, object]) -> int:
    """Return the bytes of an item as the service counts them: names, UTF-8, digits by pairs."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: object) -> int:
    match value:
        case bool() | None:
            return 1
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case int():
            return len(str(value)) // 2 + 2
        case Mapping():
            return 3 + sum(len(name) + 1 + _size(member) for name, member in value.items())
        case list() | frozenset():
            return 3 + sum(1 + _size(member) for member in value)
    raise TypeError(type(value).__name__)


async def test_the_items_of_one_start(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened(
        0.5,
        id=ID,
        answered_calls=(AnsweredCall("toolu_0", None, 12),),
        metadata={"Username": "alice"},
    )
    assert opened.expires_at is not None
    expires_at = int(opened.expires_at.timestamp())
    await store.open(opened)
    await store.stop()
    items = everything(faulty, table_name)
    sid = opened.session_key
    record = items.pop((f"S#{sid}", f"I#{_ms(0.5)}#{ID}"))
    assert record == {
        "pk": f"S#{sid}",
        "sk": f"I#{_ms(0.5)}#{ID}",
        "g2pk": "D#20261124#0",
        "g2sk": f"{_ms(0.5)}#{ID}",
        "g3pk": "O#3",
        "g3sk": f"{_ms(0.5)}#{ID}",
        "in": "u-alice",
        "un": "alice",
        "ki": "0123456789abcdef",
        "pv": "anthropic",
        "pn": "anthropic",
        "ty": "anthropic",
        "mo": "claude-sonnet-4-5",
        "di": "messages",
        "rt": "/v1/messages",
        "me": "POST",
        "sm": True,
        "cl": "Claude Code",
        "cv": "2.1.0",
        "ua": "claude-cli/2.1.0",
        "cs": "session-1",
        "ck": "centralized",
        "st": int(_ms(0.5)) * 1000,
        "pc": [["toolu_0", None, 12]],
        "rb": 1234,
        "rh": b"\xcd" * 32,
        "md": {"Username": "alice"},
        "np": 1,
        "expires_at": expires_at,
    }
    payload = items.pop((f"S#{sid}", f"P#{ID}#0.0"))
    assert payload.keys() == {"pk", "sk", "z", "sz", "sh", "expires_at"}
    assert items.pop((f"S#{sid}", "META")) == {
        "pk": f"S#{sid}",
        "sk": "META",
        "g1pk": "L#202611#0",
        "g1sk": f"{_ms(0.5)}#{sid}",
        "g2pk": "U#u-alice",
        "g2sk": f"{_ms(0.5)}#{sid}",
        "si": "session-1",
        "in": "u-alice",
        "un": "alice",
        "cl": "Claude Code",
        "md": {"Username": "alice"},
        "st": int(_ms(0.5)) * 1000,
        "ls": int(_ms(0.5)) * 1000,
        "la": int(_ms(0.5)),
        **{f"a{place}": int(_ms(0.5)) for place in range(1, 8)},
        "lp": "Fix the build.",
        "expires_at": expires_at,
    }
    assert items == {
        ("X#session-1", "u-alice"): {
            "pk": "X#session-1",
            "sk": "u-alice",
            "sid": sid,
            "expires_at": expires_at,
        }
    }


def _ms(seconds: float) -> str:
    return f"{int(at(seconds).timestamp() * 1000):013}"


async def test_what_one_final_changes(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened(id=ID)
    closed = a_closed(
        opened,
        a_thought(),
        a_tool("toolu_1"),
        a_usage(),
        provider_response_id="msg_1",
        key_attempts=1,
        credential_hint="sk-a...wxyz",
        parents=Parents(OTHER, OTHER),
        usage_partial=True,
        stop_reason="tool_use",
    )
    await store.open(opened)
    await store.stop()
    before = everything(faulty, table_name)
    assert await store.close(opened, closed, steps_of_closing(opened, closed))
    after = everything(faulty, table_name)
    key = (f"S#{opened.session_key}", f"I#{_ms(0)}#{ID}")
    record = after[key]
    assert len(record.pop("cw")) == 16
    assert record == {n: v for n, v in before[key].items() if n not in ("g3pk", "g3sk")} | {
        "en": int(_ms(2)) * 1000,
        "oc": "completed",
        "hs": 200,
        "ka": 1,
        "to_": {
            "ti": 10,
            "to": 20,
            "tr": 30,
            "tw": 40,
        },
        "tc": [["toolu_1", "Bash"]],
        "rd": "msg_1",
        "nt": 1,
        "nr": 1,
        "pl": "01",
        "ch": "sk-a...wxyz",
        "tp": OTHER,
        "tr_": OTHER,
        "fl": 2 | 4 | 8,
    }
    meta = after[key[0], "META"]
    assert meta == before[key[0], "META"] | {
        "en": int(_ms(2)) * 1000,
        "sq": 1,
        "mn": 1,
        "ti": 10,
        "to": 20,
        "tr": 30,
        "tw": 40,
        "cb": frozenset({"anthropic|anthropic|claude-sonnet-4-5|Claude Code"}),
    }
    (counter,) = [item for (pk, _), item in after.items() if pk.startswith("CTR#")]
    assert counter["pk"] == "CTR#0"
    labels = "anthropic|claude-sonnet-4-5|/v1/messages|POST|Claude Code|u-alice"
    assert counter["sk"] == f"R#{labels}#0"
    assert counter["n:Bash"] == 1
    assert "expires_at" not in counter


async def test_a_closing_without_a_session_id_leaves_ways_back(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened(id=ID, session=None)
    closed = a_closed(opened, a_tool("call#1"), provider_response_id="resp_1")
    await store.open(opened)
    assert await store.close(opened, closed, ())
    items = everything(faulty, table_name)
    pointer = {"sk": f"{_ms(0)}#{ID}", "sid": opened.session_key, "ro": ID}
    for pk in ("T#u-alice#call%231", "R#u-alice#resp_1"):
        found = items[pk, pointer["sk"]]
        assert {name: found[name] for name in pointer} == pointer
    assert not [pk for pk, _ in items if pk.startswith("X#")]


async def test_i15_every_item_of_an_interception_expires_with_it(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    named, unnamed = an_opened(), an_opened(session=None)
    for opened in (named, unnamed):
        closed = a_closed(opened, a_thought(_noise(900_000)), a_tool(), provider_response_id="r")
        await store.open(opened)
        assert await store.close(opened, closed, steps_of_closing(opened, closed))
    assert named.expires_at is not None
    items = [
        item
        for (pk, _), item in everything(faulty, table_name).items()
        if not pk.startswith("CTR#")
    ]
    assert len(items) >= 10
    assert {item["expires_at"] for item in items} == {int(named.expires_at.timestamp())}


def _noise(length: int) -> str:
    """Return text that does not compress well, the same every time."""
    return "".join(f"{number * 2654435761 % 2**32:08x}" for number in range(length // 8))


async def test_without_a_retention_no_item_expires(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = replace(an_opened(), expires_at=None)
    await store.open(opened)
    assert await store.close(opened, a_closed(opened, a_thought()), ())
    assert not [item for item in everything(faulty, table_name).values() if "expires_at" in item]


async def test_a_record_stays_under_a_kilobyte(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened(
        client="Claude Code",
        session="0b6f54c5-36a3-4f6e-9c9c-111111111111",
        initiator_id="6f1b22d8-07f3-4f1c-8c3c-222222222222",
        initiator_username="alexandra.longname",
        model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        parents=Parents(ID, OTHER),
        answered_calls=tuple(
            AnsweredCall(f"toolu_01A09q90qw90lq917835lq{number}", None, 2000) for number in range(2)
        ),
        metadata={"Username": "alexandra.longname", "prompt_filter": 3},
    )
    opened = replace(
        opened,
        client=Client("Claude Code", "2.1.15", "claude-cli/2.1.15 (external, cli)"),
    )
    closed = a_closed(
        opened,
        a_usage((12_345, 2_345, 123_456, 12_345)),
        *(a_tool(f"toolu_01B09q90qw90lq917835lq{number}") for number in range(2)),
        provider_response_id="msg_01XFDUDYJgAACzvnptvVoYEL",
        key_attempts=1,
        credential_hint="sk-a...wxyz",
    )
    await store.open(opened)
    assert await store.close(opened, closed, ())
    items = everything(faulty, table_name)
    (record,) = [item for (_, sk), item in items.items() if sk.startswith("I#")]
    assert size(record) < 1024
    (meta,) = [item for (_, sk), item in items.items() if sk == "META"]
    assert size(meta) < 1024


async def test_a_session_stays_under_a_kilobyte_whatever_it_meets(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    names = [f"model-{number:02}-" + "n" * 40 for number in range(12)]
    for number, name in enumerate(names):
        opened = an_opened(number, model=name, prompt="é" * 5000)
        await store.open(opened)
        assert await store.close(opened, a_closed(opened, a_usage()), ())
    meta = next(i for (_, sk), i in everything(faulty, table_name).items() if sk == "META")
    assert len(meta["cb"]) == 8
    assert meta["cx"] == 1
    assert size(meta) < 2048
    window = Window(10, at(60))
    for name in names:
        (found,) = (await store.sessions(Filter(model=name), Reach(None), window)).rows
        assert found.models == tuple(names)
    assert (await store.sessions(Filter(model="another"), Reach(None), window)).rows == ()


async def test_texts_from_outside_are_cut_in_the_record_and_whole_when_read(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened(
        model="m" * 5000,
        previous_response_id="r" * 5000,
        lineage=Lineage("s" * 256, "a" * 5000, None, auxiliary=False),
        credential=Credential("byok", "sk-a...wxyz"),
        answered_calls=tuple(AnsweredCall(f"{n}" * 600, None, n) for n in range(300)),
    )
    opened = replace(opened, client=Client("Codex", "v" * 5000, "u" * 5000))
    closed = a_closed(
        opened,
        a_tool("c" * 5000, name="t" * 5000),
        provider_response_id="d" * 5000,
        error_message="e" * 4096,
        credential_hint="another",
        parents=Parents(ID, ID),
    )
    await store.open(opened)
    assert await store.close(opened, closed, ())
    (record,) = [i for (_, sk), i in everything(faulty, table_name).items() if sk.startswith("I#")]
    assert len(record["mo"]) == 128
    assert len(record["ua"]) == 512
    assert len(record["pc"]) == 256
    assert len(record["em"]) == 300
    assert size(record) < 40_000
    found = await store.interception(opened.id, ALL, at(60))
    assert found is not None
    assert (found.opened, found.closed) == (opened, closed)
    assert found.calls == closed.calls
    page = await store.sessions(Filter(model=opened.model), ALL, Window(10, at(60)))
    assert len(page.rows) == 1


async def test_a_text_of_several_chunks_is_read_whole_and_damage_is_noticed(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = replace(an_opened(id=ID), prompt=a_prompt(_noise(1_000_000)))
    await store.open(opened)
    assert await store.orphans(at(1), 10) == (opened,)
    key = {"pk": {"S": f"S#{opened.session_key}"}, "sk": {"S": f"P#{ID}#0.1"}}
    faulty.dispatch(
        "UpdateItem",
        {
            "TableName": table_name,
            "Key": key,
            "UpdateExpression": "SET z = :z",
            "ExpressionAttributeValues": {":z": {"B": b"nonsense"}},
        },
    )
    (bare,) = await store.orphans(at(1), 10)
    assert bare == replace(opened, prompt=None)


@given(st.text(max_size=600), st.text(max_size=600))
def test_texts_of_a_key_stay_apart_and_bounded(one: str, other: str) -> None:
    keys = key_text(one), key_text(other)
    assert (keys[0] == keys[1]) == (one == other)
    assert "#" not in keys[0]
    assert len(keys[0].encode()) <= 3 * 512


def test_the_key_of_a_named_session_is_the_records_own() -> None:
    opened = an_opened()
    assert session_key("u-alice", "session-1") == opened.session_key
    assert opened_item(opened)["pk"] == f"S#{opened.session_key}"
