"""Option orders, cleaning and wording, as rules."""

import math

from hypothesis import given
from hypothesis import strategies as st

from evsctl.survey.cleaning import clean_label, clean_text
from evsctl.survey.permutations import option_orders
from evsctl.survey.prompts import build_prompts, full_text
from evsctl.survey.types import AnswerOption, Question, Translation


def a_scale(labels: dict[int, str | None]) -> Question:
    options = tuple(AnswerOption(value, labels.get(value)) for value in range(1, 11))
    return Question("s1", "likert10", {"eng": Translation("How much?", "", "", options, "Answer")})


@given(st.text(min_size=1, max_size=12), st.integers(0, 10))
def test_orders_are_distinct_permutations_that_begin_with_identity_and_reverse(question_id: str, n_options: int) -> None:
    orders = option_orders(question_id, n_options)
    assert len(orders) == len(set(orders)) == (min(6, math.factorial(n_options)) if n_options else 0)
    assert all(sorted(order) == list(range(n_options)) for order in orders)
    if n_options > 1:
        assert orders[:2] == (tuple(range(n_options)), tuple(reversed(range(n_options))))


def test_the_shuffles_are_the_same_on_every_machine() -> None:
    assert option_orders("v1", 4)[2:] == ((0, 3, 2, 1), (2, 0, 3, 1), (1, 3, 0, 2), (1, 2, 3, 0))


@given(st.text(max_size=200))
def test_cleaned_text_has_no_double_blanks_and_stays_clean(text: str) -> None:
    cleaned = clean_text(text)
    assert "  " not in cleaned
    assert "\n\n" not in cleaned
    assert cleaned == cleaned.strip()


def test_instructions_to_the_interviewer_go_up_to_the_full_stop() -> None:
    assert clean_text("READ OUT and wait. How are you?") == "How are you?"
    assert clean_text("How are you? SHOWCARD 12. Really") == "How are you? Really"
    assert clean_text("Please use this card to answer. How are you?") == "How are you?"
    assert clean_text("How are you? ...read out... Well or not") == "How are you? ..... Well or not"


def test_a_list_of_options_at_the_end_of_a_text_goes() -> None:
    assert clean_text("How are you?\n1 - Well\n2 - Badly") == "How are you?"
    assert clean_text("How are you?\n1 - Well") == "How are you?\n1 - Well"


def test_labels_lose_number_and_question_mark() -> None:
    assert [clean_label(label) for label in (None, " 1 - very happy ", "not at all happy?", "10", "2. quite")] == [
        "",
        "very happy",
        "not at all happy",
        "10",
        "quite",
    ]


def test_a_scale_labels_its_ends_and_reversed_swaps_them() -> None:
    first, second = list(build_prompts([a_scale({1: "never", 5: "sometimes", 10: "always"})]))[:2]
    assert first.prompt_text == "How much?\n1. never\n2.\n3.\n4.\n5.\n6.\n7.\n8.\n9.\n10. always\nAnswer: "
    assert second.prompt_text == "How much?\n1. always\n2.\n3.\n4.\n5.\n6.\n7.\n8.\n9.\n10. never\nAnswer: "
    assert dict(second.value_map) == {str(i): str(11 - i) for i in range(1, 11)}


def test_a_shuffled_scale_shows_every_label() -> None:
    third = list(build_prompts([a_scale({1: "never", 5: "sometimes", 10: "always"})]))[2]
    place = {value: printed for printed, value in third.value_map.items()}
    assert f"\n{place['5']}. sometimes\n" in third.prompt_text


def test_an_unlabelled_scale_is_asked_once_in_the_item_wording_and_six_times_in_the_studys() -> None:
    question = a_scale({})
    assert len({prompt.prompt_text for prompt in build_prompts([question])}) == 1
    assert len(list(build_prompts([question]))) == 6
    assert len(list(build_prompts([question], "item"))) == 1


def test_a_scale_with_labelled_ends_is_asked_both_ways_in_the_item_wording() -> None:
    assert [prompt.permutation_idx for prompt in build_prompts([a_scale({1: "never", 10: "always"})], "item")] == [0, 1]


def test_the_item_wording_names_stem_and_item_once() -> None:
    translation = Translation("How important is it? Work", "How important is it?", "Work", (), "Answer")
    assert full_text(translation) == "How important is it? Work"
    translation = Translation("How important is it?", "In your life.", "Work", (), "Answer")
    assert full_text(translation) == "How important is it? In your life. Work"
