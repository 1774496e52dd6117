import gzip
import hashlib
import json
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import brotli  # type: ignore[import-untyped]  # the package has no types
import pytest
import zstandard

from local.fake_provider import App, build
from local.in_process import Answered, call

Ask = Callable[..., Awaitable[Answered]]
Entries = Callable[[], Awaitable[list[dict[str, Any]]]]

TOOL = {
    "name": "look_up",
    "description": "",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
SCHEMA = TOOL["input_schema"]
PATHS = ("/v1/messages", "/v1/chat/completions", "/v1/responses")


def asking(path: str, *, stream: bool, tools: bool = False) -> dict[str, Any]:
    """A request of the path's dialect that asks for reasoning where it can."""
    said = [{"role": "user", "content": "hello"}]
    body: dict[str, Any] = {"model": "m", "stream": stream}
    if path == "/v1/messages":
        offered: list[dict[str, Any]] = [TOOL]
        body |= {"messages": said, "max_tokens": 9, "thinking": {"type": "enabled"}}
    elif path == "/v1/responses":
        offered = [{"type": "function", "name": "look_up", "parameters": SCHEMA}]
        body |= {"input": said, "reasoning": {"summary": "auto"}}
    else:
        offered = [{"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}]
        body |= {"messages": said, "stream_options": {"include_usage": True}}
    return body | ({"tools": offered} if tools else {})


@pytest.mark.parametrize("path", PATHS)
async def test_an_error_status_has_the_dialect_s_shape_and_its_headers(ask: Ask, path: str) -> None:
    wishes = "status=429;retry-after=17;should-retry=false"
    answered = await ask(path, asking(path, stream=True), wishes)
    assert answered.status == 429
    assert answered.headers["retry-after"] == "17"
    assert answered.headers["x-should-retry"] == "false"
    assert answered.headers["content-type"] == "application/json"
    assert answered.document["error"]["message"] == "Scripted failure"
    assert ("type" in answered.document) == (path == "/v1/messages")
    assert answered.over


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fault", ["end", "cut", "error=overloaded_error"])
async def test_a_fault_mid_stream_leaves_the_events_before_it_as_they_were(
    ask: Ask, path: str, fault: str
) -> None:
    body = asking(path, stream=True, tools=True)
    whole = await ask(path, body, to=build())
    broken = await ask(path, body, f"{fault};at=4", to=build())
    extra = fault.startswith("error")
    assert broken.chunks[:4] == whole.chunks[:4]
    assert len([chunk for chunk in broken.chunks if chunk]) == 4 + extra
    assert broken.over == (fault != "cut")
    assert (b"overloaded_error" in broken.body) == extra


async def test_a_failed_response_ends_with_its_own_event(ask: Ask) -> None:
    body = asking("/v1/responses", stream=True)
    answered = await ask("/v1/responses", body, "failed=server_error;at=3")
    last = answered.events()[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "server_error"
    assert last["sequence_number"] == 3


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_empty_answer_has_a_head_and_no_body(ask: Ask, path: str, *, stream: bool) -> None:
    answered = await ask(path, asking(path, stream=stream), "empty")
    assert (answered.status, answered.body, answered.over) == (200, b"", True)


@pytest.mark.parametrize("path", PATHS)
async def test_a_truncated_document_is_half_of_the_whole_and_ends_cleanly(
    ask: Ask, path: str
) -> None:
    body = asking(path, stream=False)
    whole = await ask(path, body, to=build())
    half = await ask(path, body, "truncate", to=build())
    assert whole.body.startswith(half.body)
    assert len(half.body) == len(whole.body) // 2
    assert half.over


async def test_a_fault_with_times_fails_only_so_often_and_a_reset_forgets(
    ask: Ask, app: App
) -> None:
    body = asking("/v1/messages", stream=False)

    async def statuses() -> list[int]:
        asked = [await ask("/v1/messages", body, "status=529;times=2") for _ in range(3)]
        return [answered.status for answered in asked]

    assert await statuses() == [529, 529, 200]
    await call(app, "POST", "/_log/reset")
    assert await statuses() == [529, 529, 200]


async def test_a_prompt_can_ask_for_a_fault(ask: Ask) -> None:
    body = asking("/v1/messages", stream=True)
    body["messages"][0]["content"] = "hello [[fake status=529]]"
    assert (await ask("/v1/messages", body)).status == 529


@pytest.mark.parametrize(
    ("wishes", "named"),
    [
        ("bogus=1", "bogus"),
        ("status=99", "status=99"),
        ("at=x", "at=x"),
        ("cut;end", "end"),
        ("encoding=rot13", "rot13"),
        ("usage=1,2", "usage"),
        ("keys=k1", "keys=k1"),
        ("keys=k1:200", "keys=k1:200"),
    ],
)
async def test_a_wish_that_cannot_be_read_is_refused_by_name(
    ask: Ask, wishes: str, named: str
) -> None:
    answered = await ask("/v1/messages", asking("/v1/messages", stream=True), wishes)
    assert answered.status == 400
    assert named in answered.document["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["x-api-key", "authorization"])
async def test_a_key_can_be_refused_while_another_one_serves(
    app: App, path: str, name: str
) -> None:
    body = json.dumps(asking(path, stream=False)).encode()
    given = {"x-fake": "keys=one:429:30,two:401"}
    answers = [
        await call(app, "POST", path, [body], given | {name: f"Bearer sk-{key}"})
        for key in ("one", "two", "three")
    ]
    assert [answered.status for answered in answers] == [429, 401, 200]
    assert [answered.headers.get("retry-after") for answered in answers] == ["30", None, None]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"model":"m","messages":[1],"input":[1]}']
)
async def test_a_body_that_is_no_request_is_a_bad_request(app: App, path: str, body: bytes) -> None:
    assert (await call(app, "POST", path, [body])).status == 400


def unzstd(data: bytes) -> bytes:
    return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data))


@pytest.mark.parametrize(
    ("coding", "decode"),
    [
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
        ("br", brotli.decompress),
        ("zstd", unzstd),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_encoded_answer_decodes_to_the_plain_one(
    ask: Ask, coding: str, decode: Callable[[bytes], bytes], *, stream: bool
) -> None:
    body = asking("/v1/responses", stream=stream)
    plain = await ask("/v1/responses", body, to=build())
    encoded = await ask("/v1/responses", body, f"encoding={coding}", to=build())
    assert encoded.headers["content-encoding"] == coding
    assert decode(encoded.body) == plain.body
    assert len(encoded.chunks) >= len(plain.chunks)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
async def test_an_encoded_request_is_read_and_a_broken_one_refused(
    app: App, log: Entries, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    plain = json.dumps(asking("/v1/responses", stream=False)).encode()
    headers = {"content-encoding": coding}
    good = await call(app, "POST", "/base/v1/responses", [encode(plain)], headers)
    bad = await call(app, "POST", "/base/v1/responses", [b"nonsense"], headers)
    assert (good.status, bad.status) == (200, 400)
    assert (await log())[0]["body_bytes"] == len(encode(plain))


async def test_chunks_can_be_cut_small_and_texts_made_long(ask: Ask) -> None:
    body = asking("/v1/messages", stream=True)
    answered = await ask("/v1/messages", body, "split=7;drip=1;wait=1;events=20")
    assert max(map(len, answered.chunks)) == 7
    deltas = [event for event in answered.events() if event["type"] == "content_block_delta"]
    texts = [event["delta"]["text"] for event in deltas if event["delta"]["type"] == "text_delta"]
    assert len(texts) == 20
    assert "".join(texts) == "".join(f"word{index} " for index in range(20))


async def test_the_log_has_the_request_as_sent_and_a_digest_of_the_answer(
    ask: Ask, log: Entries
) -> None:
    body = asking("/v1/messages", stream=True, tools=True)
    answered = await ask("/v1/messages?beta=true", body)
    [entry] = await log()
    assert (entry["method"], entry["target"]) == ("POST", "/v1/messages?beta=true")
    assert entry["body_sha256"] == hashlib.sha256(json.dumps(body).encode()).hexdigest()
    assert entry["response_sha256"] == hashlib.sha256(answered.body).hexdigest()
    assert (entry["complete"], entry["status"], entry["ended"]) == (True, 200, "clean")
    assert [call["name"] for call in entry["answered"]["tool_calls"]] == ["look_up"]


async def test_a_request_given_up_stays_incomplete_in_the_log(log: Entries, app: App) -> None:
    answered = await call(app, "POST", "/v1/messages", [b'{"model"', b':"m"'], whole=False)
    [entry] = await log()
    assert answered.status == 0
    assert (entry["complete"], entry["body_bytes"], entry["status"]) == (False, 12, None)
    assert entry["ended"] == "left"


async def test_a_stalled_stream_ends_when_the_client_leaves(log: Entries, app: App) -> None:
    body = json.dumps(asking("/v1/messages", stream=True)).encode()
    wishes = {"x-fake": "stall;at=2"}
    answered = await call(app, "POST", "/v1/messages", [body], wishes, leaves_after=2)
    [entry] = await log()
    assert (len(answered.chunks), answered.over, entry["ended"]) == (2, False, "left")


async def test_a_client_that_leaves_early_gets_no_further_chunk(log: Entries, app: App) -> None:
    body = json.dumps(asking("/v1/messages", stream=True)).encode()
    wishes = {"x-fake": "events=1000"}
    answered = await call(app, "POST", "/v1/messages", [body], wishes, leaves_after=3)
    [entry] = await log()
    assert 3 <= len(answered.chunks) <= 5
    assert entry["ended"] == "left"


async def test_the_same_requests_get_the_same_answers(ask: Ask) -> None:
    async def round_of(app: App) -> list[bytes]:
        bodies = [(path, asking(path, stream=True, tools=True)) for path in PATHS]
        return [(await ask(path, body, to=app)).body for path, body in bodies]

    plain = await round_of(build())
    assert await round_of(build()) == plain
    assert await round_of(build(salt="x")) != plain


@pytest.mark.parametrize(
    ("method", "path", "headers", "member"),
    [
        ("GET", "/v1/models", {"anthropic-version": "2023-06-01"}, "has_more"),
        ("GET", "/v1/models?limit=1000", {}, "object"),
        ("GET", "/v1/models/gpt-5.2", {}, "owned_by"),
        ("POST", "/v1/messages/count_tokens", {}, "input_tokens"),
        ("POST", "/v1/responses/compact", {}, "output"),
        ("POST", "/api/event_logging/batch", {}, None),
        ("GET", "/x/v1/models", {}, "object"),
    ],
)
async def test_side_routes_answer_in_their_service_s_shape(
    app: App, method: str, path: str, headers: dict[str, str], member: str | None
) -> None:
    answered: Answered = await call(app, method, path, [b"{}"], headers)
    assert answered.status == 200
    assert list(answered.document) == [] if member is None else member in answered.document


async def test_an_unknown_route_is_not_found(app: App) -> None:
    answered = await call(app, "GET", "/v1/files")
    assert answered.status == 404
    assert answered.document["error"]["type"] == "invalid_request_error"
