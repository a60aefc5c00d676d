"""How a prompt is named across files."""

import hashlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsctl.journal.keys import PromptKey, prompt_hash

ASKED = ("How are you?\n1. Well\n2. Badly\nAnswer: ", ("1", "2"), {"1": "1", "2": "2"}, False)


def test_the_hash_is_the_same_on_every_machine() -> None:
    hashed = rb'["How are you?\n1. Well\n2. Badly\nAnswer: ",["1","2"],{"1":"1","2":"2"},false]'
    assert prompt_hash(*ASKED) == hashlib.sha256(hashed).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        ("How are you? ", *ASKED[1:]),
        (ASKED[0], ("1", "2", "3"), *ASKED[2:]),
        (ASKED[0], ("2", "1"), *ASKED[2:]),
        (*ASKED[:2], {"1": "2", "2": "1"}, False),
        (*ASKED[:2], {"1": "1"}, False),
        (*ASKED[:3], True),
    ],
    ids=["text", "valid values", "their order", "value map", "its size", "is_likert10"],
)
def test_whatever_decides_the_answer_decides_the_hash(other: tuple[str, tuple[str, ...], dict[str, str], bool]) -> None:
    assert prompt_hash(*other) != prompt_hash(*ASKED)


@settings(max_examples=40)
@given(st.dictionaries(st.text(), st.text()), st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_the_value_map(value_map: dict[str, str], random: Random) -> None:
    items = list(value_map.items())
    random.shuffle(items)
    assert prompt_hash("text", ["1"], dict(items), False) == prompt_hash("text", ["1"], value_map, False)


def test_parts_cannot_be_shifted_from_one_field_to_the_next() -> None:
    assert prompt_hash("a", ["b", "c"], {}, False) != prompt_hash("a", ["b"], {"c": ""}, False)
    assert prompt_hash("a", ["b,c"], {}, False) != prompt_hash("a", ["b", "c"], {}, False)


def test_a_list_and_a_tuple_of_valid_values_are_the_same_question() -> None:
    assert prompt_hash("a", ["1"], {}, False) == prompt_hash("a", ("1",), {}, False)


@given(st.builds(PromptKey, st.text(), st.text(), st.text(), st.integers(), st.none() | st.text()))
def test_keys_round_trip(key: PromptKey) -> None:
    assert PromptKey.from_json(key._asdict()) == key
