"""Plain values as attribute values, and writes as requests."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.ledger.expressions import (
    ABSENT,
    Condition,
    Put,
    Update,
    arguments,
    from_attribute,
    to_attribute,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**37), 10**37)
    | st.text()
    | st.binary()
    | st.frozensets(st.text(min_size=1), min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_values_come_back_as_they_were(value: object) -> None:
    assert from_attribute(to_attribute(value)) == value


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert to_attribute("a\ud83d") == {"S": "a?"}


def test_what_has_no_exact_form_is_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        to_attribute(0.5)


def test_a_put_without_a_condition_carries_nothing_but_its_item() -> None:
    assert arguments(Put({"pk": "a", "n": 1})) == {"Item": {"pk": {"S": "a"}, "n": {"N": "1"}}}


def test_every_name_and_value_of_a_request_is_an_alias() -> None:
    update = Update(
        "p",
        "s",
        sets={"to": 1},
        firsts={"in": "x"},
        moves={"a1": ("la", 7)},
        adds={"t:input": 2, "cb": frozenset({"m"})},
        removes=("g3pk",),
        condition=Condition("attribute_not_exists(#la) OR #la < :t", {"t": 7}),
    )
    made = arguments(update)
    names, values = made["ExpressionAttributeNames"], made["ExpressionAttributeValues"]
    texts = {name: made[name] for name in ("UpdateExpression", "ConditionExpression")}
    for alias in sorted(names | values, key=len, reverse=True):
        plain = names.get(alias) or repr(from_attribute(values.get(alias, {"NULL": True})))
        for name, text in texts.items():
            texts[name] = re.sub(rf"{re.escape(alias)}\b", plain, text)
    assert texts == {
        "UpdateExpression": "SET to = 1, in = if_not_exists(in, 'x'), a1 = if_not_exists(la, 7)"
        " ADD t:input 2, cb frozenset({'m'}) REMOVE g3pk",
        "ConditionExpression": "attribute_not_exists(la) OR la < 7",
    }
    assert made["Key"] == {"pk": {"S": "p"}, "sk": {"S": "s"}}


def test_a_condition_on_a_put_names_its_attribute() -> None:
    made = arguments(Put({"pk": "a"}, ABSENT))
    assert made["ConditionExpression"] == "attribute_not_exists(#0)"
    assert made["ExpressionAttributeNames"] == {"#0": "pk"}
    assert "ExpressionAttributeValues" not in made
