"""What counts as an answer: found by decoding on every kind of tokenizer, resolved as the field resolves it."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsctl.engine.answers import AnswerTokens, answer_log_masses, distribution, find_answer_tokens, forced_texts
from evsctl.engine.tiny_model import build_tiny_tokenizer
from evsctl.errors import InputError
from tests.engine.factories import a_survey

KINDS = {
    "gemma-3": {"style": "byte_fallback"},
    "llama-3": {"style": "byte_level", "merged_digits": True},
    "qwen": {"style": "byte_level", "bos": False},
    "dummy-prefix": {"style": "dummy_prefix"},
    "merged-with-bytes": {"style": "byte_fallback", "merged_digits": True},
}
TERMINATORS = ("\n", "\n\n", " ", ".", ",")


@pytest.fixture(params=list(KINDS))
def tokenizer(request: pytest.FixtureRequest) -> Any:
    """A tokenizer of each kind."""
    return build_tiny_tokenizer([prompt.text for prompt in a_survey(60)], **KINDS[request.param])


def written(piece: str) -> str:
    """What a vocabulary piece stands for, by the conventions of the formats that this test knows it uses."""
    if piece.startswith("<0x"):
        return chr(int(piece[3:5], 16))
    return piece.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")


def ids_that_mean(tokenizer: Any, *texts: str) -> tuple[int, ...]:
    return tuple(i for i in range(len(tokenizer)) if written(tokenizer.convert_ids_to_tokens(i)) in texts)


def test_every_single_token_of_a_digit_is_found_bare_spaced_or_as_a_byte(tokenizer: Any) -> None:
    found = find_answer_tokens(tokenizer, len(tokenizer), ["1", "10"], [])
    for text in [*(str(digit) for digit in range(10)), "10"]:
        assert found.by_text[text] == ids_that_mean(tokenizer, text, f" {text}"), text


def test_terminators_are_the_ends_of_an_answer_and_the_ids_that_end_a_text(tokenizer: Any) -> None:
    ends = tokenizer.eos_token_id
    found = find_answer_tokens(tokenizer, len(tokenizer), [], [ends])
    assert found.terminators == tuple(sorted({ends, *ids_that_mean(tokenizer, *TERMINATORS)}))


def test_the_forced_one_is_what_the_tokenizer_itself_appends(tokenizer: Any) -> None:
    found = find_answer_tokens(tokenizer, len(tokenizer), [], [])
    for prompt in a_survey(20):
        before, after = tokenizer(prompt.text)["input_ids"], tokenizer(prompt.text + "1")["input_ids"]
        assert after == [*before, found.forced["1"]]


def test_kinds_differ_in_what_they_have() -> None:
    sizes = {}
    for kind, options in KINDS.items():
        tokenizer = build_tiny_tokenizer([], **options)
        found = find_answer_tokens(tokenizer, len(tokenizer), ["10"], [])
        sizes[kind] = (len(found.by_text["1"]), len(found.by_text["10"]))
    assert sizes == {"gemma-3": (3, 0), "llama-3": (1, 1), "qwen": (1, 0), "dummy-prefix": (3, 0), "merged-with-bytes": (3, 1)}


def test_ids_without_a_logit_are_left_out(tokenizer: Any) -> None:
    last = max(ids_that_mean(tokenizer, "7", " 7"))
    found = find_answer_tokens(tokenizer, last, [], [len(tokenizer) + 5])
    assert last not in found.by_text["7"]
    assert len(tokenizer) + 5 not in found.terminators


def test_a_vocabulary_without_digits_is_refused() -> None:
    tokenizer = build_tiny_tokenizer([], style="byte_level")
    with pytest.raises(InputError, match="no single token for any digit"):
        find_answer_tokens(tokenizer, 3, ["1"], [])


ONE, TEN, ZERO, TWO, END, OTHER, SPACED = range(7)
TOKENS = AnswerTokens({"1": (ONE, SPACED), "10": (TEN,), "0": (ZERO,), "2": (TWO,)}, {"1": ONE, "0": ZERO, "2": TWO}, (END,))


def after(**probabilities: float) -> dict[int, float]:
    names = {"one": ONE, "ten": TEN, "zero": ZERO, "two": TWO, "end": END, "spaced": SPACED}
    given = {names[name]: value for name, value in probabilities.items()}
    return {i: math.log(given[i]) if given.get(i) else -math.inf for i in (ONE, TEN, ZERO, TWO, END, SPACED)}


def shares(valid_values: list[str], **reads: dict[int, float]) -> dict[str, float]:
    texts = {"start": "", "one": "1", "two": "2"}
    masses = answer_log_masses(valid_values, TOKENS, {texts[name]: read for name, read in reads.items()})
    return {value: round(math.exp(mass), 12) for value, mass in masses.items()}


def test_all_tokens_of_a_digit_are_added_up() -> None:
    assert shares(["1", "2"], start=after(one=0.2, spaced=0.1, two=0.3)) == {"1": 0.3, "2": 0.3}


def test_one_and_ten_share_the_mass_of_one_by_what_follows_it() -> None:
    start, one = after(one=0.4, spaced=0.1, two=0.1), after(zero=0.3, end=0.1)
    assert shares(["1", "2", "10"], start=start, one=one) == {"1": 0.125, "2": 0.1, "10": 0.375}


def test_ten_has_nothing_where_neither_zero_nor_an_end_follows_one() -> None:
    start, one = after(one=0.4, ten=0.0), after(zero=0.006, end=0.004)
    assert shares(["1", "10"], start=start, one=one) == {"1": 0.4, "10": 0.0}


def test_a_token_ten_adds_its_mass_to_ten() -> None:
    start = after(one=0.4, ten=0.2)
    assert shares(["1", "10"], start=start, one=after(zero=0.1, end=0.3)) == {"1": 0.3, "10": 0.3}
    assert shares(["1", "10"], start=start, one=after()) == {"1": 0.4, "10": 0.2}


def test_ten_without_one_goes_by_its_digits_alone() -> None:
    assert shares(["2", "10"], start=after(one=0.4, two=0.1), one=after(zero=0.25, end=0.5)) == {"2": 0.1, "10": 0.1}


def test_zero_is_an_answer_of_its_own_beside_one_and_ten() -> None:
    start, one = after(one=0.4, zero=0.2), after(zero=0.3, end=0.3)
    assert shares(["1", "10", "0"], start=start, one=one) == {"1": 0.2, "10": 0.2, "0": 0.2}


def test_longer_answers_never_hand_out_more_than_their_first_digit_has() -> None:
    one, two = after(zero=0.3, one=0.3, two=0.2, end=0.2), after(zero=0.5)
    found = shares(["1", "10", "11", "12", "20"], start=after(one=0.5, two=0.2), one=one, two=two)
    assert found == {"1": 0.1, "10": 0.15, "11": 0.15, "12": 0.1, "20": 0.1}


def test_only_the_beginnings_of_longer_answers_are_forced() -> None:
    assert forced_texts(["1", "2"]) == ()
    assert forced_texts([str(i) for i in range(1, 11)]) == ("1",)
    assert forced_texts(["7", "12", "100", "25"]) == ("1", "10", "2")


def test_shares_are_finite_where_the_mass_is_too_small_for_a_float() -> None:
    p_valid, probs = distribution({"1": -2000.0, "2": -2000.0 + math.log(3)}, {"1": "1", "2": "2"})
    assert p_valid == 0.0
    assert probs == pytest.approx({"1": 0.25, "2": 0.75})


def test_probabilities_stand_at_the_value_that_the_map_names() -> None:
    masses = {"1": math.log(0.1), "2": math.log(0.3), "3": math.log(0.1)}
    p_valid, probs = distribution(masses, {"1": "5", "2": "-1", "3": "5"})
    assert p_valid == pytest.approx(0.5)
    assert probs == pytest.approx({"5": 0.4, "-1": 0.6})


def test_an_answer_without_a_token_is_refused_with_its_sign() -> None:
    tokens = AnswerTokens({"1": (1,), "-": ()}, {"1": 1}, ())
    assert tokens.why_not(["1", "-1"]) == "no single token for '-'"
    assert tokens.why_not([]) == "no valid answers"
    assert tokens.why_not(["1"]) is None


probabilities = st.lists(st.floats(1e-12, 1), min_size=7, max_size=7).map(lambda ps: [p / sum(ps) for p in ps])


@given(probabilities, probabilities, st.sets(st.sampled_from(["0", "1", "2", "10", "11", "12", "100", "20"]), min_size=1))
def test_answers_never_hold_more_than_all_the_probability(first: list[float], next_: list[float], valid: set[str]) -> None:
    start, later = ({i: math.log(p) for i, p in enumerate(ps)} for ps in (first, next_))
    masses = answer_log_masses(sorted(valid), TOKENS, {"": start, **dict.fromkeys(forced_texts(valid), later)})
    p_valid, probs = distribution(masses, {})
    assert 0 < sum(math.exp(mass) for mass in masses.values()) < 1 + 1e-9
    assert 0 < p_valid <= 1
    assert sum(probs.values()) == pytest.approx(1)
