"""Our reader of JSON against the standard library's, and the text of a member against its value."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigateway.errors import Misheard
from aigateway.wire.jsontext import JsonText, loads

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=30,
)
Layout = tuple[int | None, tuple[str, str]]
layouts: st.SearchStrategy[Layout] = st.sampled_from(
    [(None, (",", ":")), (None, (", ", " : ")), (1, (",", ": ")), (0, (" ,", ":"))]
)


def parts_of(text: JsonText, value: object) -> list[tuple[JsonText, object]]:
    if isinstance(value, dict):
        members = text.members()
        return [(members[name], value[name]) for name in value]
    if isinstance(value, list):
        return list(zip(text.elements(), value, strict=True))
    return []


@settings(max_examples=200, deadline=None, derandomize=True)
@given(value=values, layout=layouts, ascii_only=st.booleans())
def test_every_members_text_is_its_value(
    value: object, layout: Layout, *, ascii_only: bool
) -> None:
    indent, separators = layout
    data = json.dumps(value, indent=indent, separators=separators, ensure_ascii=ascii_only).encode()
    assert loads(data) == value
    pending = [(JsonText.of(data), value)]
    while pending:
        text, expected = pending.pop()
        assert json.loads(str(text)) == expected
        pending += parts_of(text, expected)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    data=st.one_of(
        st.binary(max_size=40),
        st.text('[]{}",:\\u0d8 \n1-e.ntf', max_size=20).map(str.encode),
    )
)
def test_any_bytes_read_as_the_standard_library_reads_them(data: bytes) -> None:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        expected = json.loads(text, parse_constant=lambda _: pytest.fail("a constant"))
    except (ValueError, pytest.fail.Exception):
        with pytest.raises(Misheard):
            loads(data)
        return
    found = json.dumps(loads(data))
    assert found == json.dumps(expected) or "\\ud" in json.dumps(expected)
