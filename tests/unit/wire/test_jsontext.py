import pytest

from aigateway.errors import Misheard
from aigateway.wire.jsontext import JsonText, is_json, loads, mended


def test_a_value_is_read_and_the_last_of_equal_keys_wins() -> None:
    assert loads(b'\xef\xbb\xbf {"a": 1, "a": [true, null, 1.5, "\\u00e9"]} ') == {
        "a": [True, None, 1.5, "é"]
    }


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"NaN", b'{"a": Infinity}', b"[-Infinity]", b"[1,]", b"1 2", b'"\n"', b"'a'"],
)
def test_what_is_no_json_is_misheard(text: bytes) -> None:
    with pytest.raises(Misheard, match="not_json"):
        loads(text)


@pytest.mark.parametrize("depth", [257, 900, 200_000])
def test_deep_nesting_is_misheard(depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        with pytest.raises(Misheard, match="too_deep"):
            loads(opening * depth + b"1" + closing * depth)


def test_the_deepest_allowed_value_and_a_wide_one_are_read() -> None:
    assert loads(b"[" * 256 + b"]" * 256)
    assert len(loads(b"[" + b"{}," * 5000 + b"[]]")) == 5001


def test_brackets_within_strings_are_not_depth() -> None:
    assert loads(b'"' + b"[" * 1000 + b'"') == "[" * 1000


def test_numbers_of_any_length_are_read() -> None:
    value = loads(b"[" + b"9" * 10_000 + b",12345678901234567890]")
    assert value == [float("inf"), 12345678901234567890]


def test_what_cannot_be_stored_is_replaced() -> None:
    text = b'["\xff", "\\ud800", "\\ud83d\\ude00", "\\\\ud800", "\\udc00\\ud800x"]'
    assert loads(text) == ["\ufffd", "\ufffd", "😀", "\\ud800", "\ufffd\ufffdx"]


def test_a_character_cut_between_fragments_is_joined() -> None:
    as_bytes = "😀".encode()
    first = loads(b'"' + as_bytes[:2] + b'"', torn=True)
    second = loads(b'"' + as_bytes[2:] + b'"', torn=True)
    assert mended(first + second) == "😀"
    assert mended(loads(b'"\\ud83d"', torn=True) + loads(b'"\\ude00"', torn=True)) == "😀"
    assert mended(first + "a\ud83db") == "\ufffda\ufffdb"


def test_a_members_own_text_is_kept() -> None:
    data = (
        b' {"a": [1, {"u" : { "z": 1.0, "b":\t12345678901234567890, "c": "\\u00e9\\/" } }], "u": 2}'
    )
    text = JsonText.of(data)
    assert (
        str(text.at("a", 1, "u")) == '{ "z": 1.0, "b":\t12345678901234567890, "c": "\\u00e9\\/" }'
    )
    assert str(text.at("u")) == "2"
    assert text.at("a", 2) is None
    assert text.at("b", "c") is None
    assert text.at("u", "x") is None
    assert JsonText.of(b"{ }").members() == {}
    assert JsonText.of(b"[ ]").elements() == []
    assert [str(element) for element in JsonText.of(b"[1 , [2]]").elements()] == ["1", "[2]"]


def test_the_last_of_equal_members_is_the_text_too() -> None:
    assert str(JsonText.of(b'{"a":1,"a": 2}').at("a")) == "2"


def test_is_json_says_so() -> None:
    assert is_json('{"a":1}')
    assert not is_json("ls -la")
    assert not is_json("")
