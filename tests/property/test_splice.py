"""The spliced member against the standard library's view of both documents."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aigateway.wire.jsontext import JsonText
from aigateway.wire.splice import with_members, with_nested_true
from tests.property.test_jsontext import Layout, layouts, values

NAMES = st.one_of(st.text(max_size=5), st.sampled_from(["stream_options", "include_usage"]))
documents = st.dictionaries(NAMES, values, max_size=5)
inners = st.dictionaries(st.one_of(NAMES, st.just("include_usage")), values, max_size=3)


def written(document: object, layout: Layout, *, escaped: bool) -> bytes:
    indent, separators = layout
    text = json.dumps(document, ensure_ascii=escaped, indent=indent, separators=separators)
    return f" \n{text}\n".encode("utf-8", "replace")


def spliced(body: bytes) -> bytes | None:
    return with_nested_true(body, "stream_options", "include_usage")


def asked(document: dict[str, Any]) -> dict[str, Any]:
    options = document.get("stream_options", {})
    return document | {"stream_options": options | {"include_usage": True}}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    document=documents, options=st.none() | inners | values, layout=layouts, escaped=st.booleans()
)
def test_i03_only_the_member_is_new_and_every_other_byte_stays(
    document: dict[str, Any], options: object, layout: Layout, *, escaped: bool
) -> None:
    if options is not None:
        document = document | {"stream_options": options}
    body = written(document, layout, escaped=escaped)
    document = json.loads(body)
    result = spliced(body)
    is_plain = isinstance(document.get("stream_options", {}), dict)
    if not is_plain or document.get("stream_options", {}).get("include_usage") is True:
        assert result is None
        return
    assert result is not None
    assert json.loads(result) == asked(document)
    assert spliced(result) is None
    assert_one_edit(body, result)


def assert_one_edit(body: bytes, result: bytes) -> None:
    """What is new stands in one place: the bytes before and behind it are those of the body."""
    before = next(
        (at for at, (one, two) in enumerate(zip(body, result, strict=False)) if one != two),
        len(body),
    )
    rest = len(body) - before
    behind = next(
        (at for at in range(rest) if body[len(body) - 1 - at] != result[len(result) - 1 - at]),
        rest,
    )
    new = result[before : len(result) - behind]
    assert len(new) <= len(b'"stream_options":{"include_usage":true},')
    assert result == body[:before] + new + body[len(body) - behind :]


members = st.lists(st.tuples(st.sampled_from("abcdefg"), values), max_size=6)
given_members = st.dictionaries(st.sampled_from("abhi"), st.just(b"[ 1 ]"), max_size=3)
gone = st.frozensets(st.sampled_from("cdeh"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(members, given_members, gone, layouts)
def test_members_come_and_go_and_every_other_byte_stays(
    found: list[tuple[str, object]], new: dict[str, bytes], removed: frozenset[str], layout: Layout
) -> None:
    new = {name: text for name, text in new.items() if name not in removed}
    indent, separators = layout
    texts = [
        (name, json.dumps(value, ensure_ascii=False, indent=indent, separators=separators))
        for name, value in found
    ]
    body = ("\ufeff { " + " , ".join(f'"{n}" : {text}' for n, text in texts) + "\n} ").encode(
        "utf-8", "replace"
    )
    result = with_members(body, new, removed)
    inserted = [(name, b"[ 1 ]") for name in new if name not in dict(texts)]
    kept = [
        (name, new.get(name, text.encode("utf-8", "replace")))
        for name, text in texts
        if name not in removed
    ]
    shown = [
        (name, str(value).encode("latin-1")) for name, value in JsonText.of_bytes(result).named()
    ]
    assert shown == inserted + kept
    assert result.startswith("\ufeff {".encode())
    assert result.endswith(b"\n} ")
    json.loads(result)
    if not new and not removed & dict(texts).keys():
        assert result == body
