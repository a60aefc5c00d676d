"""Rows become arrays: what counts, what is averaged, what is left out and counted."""

import numpy as np
import pytest

from evsctl.analysis.loading import load_study
from evsctl.analysis.study import Answers, Study, Unit, sorted_naturally
from evsctl.db.results import ResultRow
from tests.analysis.factories import EMPTY, human_rows, prompt_rows

SCALE = [0.19, 0.01, 0.02, 0.03, 0.05, 0.1, 0.1, 0.2, 0.1, 0.2]


def answers_of(rows: list[ResultRow], unlabelled: frozenset[tuple[str, str, str]] = frozenset()) -> Answers:
    answers = load_study(rows, unlabelled=unlabelled).answers
    assert answers is not None
    return answers


def six_orders(labels: bool) -> list[ResultRow]:
    """A ten-point scale whose answers turn with the option order, as they do where the order decides what a digit means."""
    rows = []
    for order in range(6):
        turned, p_valid = np.roll(SCALE, order).tolist(), 0.5 + order / 10
        rows += prompt_rows(turned, question="v102", response_type="likert10", order=order, labels=labels, p_valid=p_valid)
    return rows


def test_an_unlabelled_ten_point_scale_counts_by_permutation_0_alone() -> None:
    """Its six permutations are one text under six value maps: averaging all six would flatten the answer."""
    answers = answers_of(six_orders(labels=False))
    np.testing.assert_allclose(answers.distribution[0, 0], SCALE)
    assert answers.mean_p_valid[0, 0] == 0.5
    assert answers.one_text.all()


def test_a_labelled_ten_point_scale_is_averaged_over_all_permutations() -> None:
    answers = answers_of(six_orders(labels=True))
    np.testing.assert_allclose(answers.distribution[0, 0], np.mean([np.roll(SCALE, order) for order in range(6)], axis=0))
    assert answers.mean_p_valid[0, 0] == pytest.approx(0.75)
    assert not answers.one_text.any()


def test_the_database_tells_of_one_text_where_the_rows_hold_one_permutation_only() -> None:
    rows = [row for row in six_orders(labels=False) if row.permutation_idx == 3]
    assert answers_of(rows).answered.all()
    study = load_study(rows, unlabelled={("v102", "eng", "legacy")}, why_empty=EMPTY)
    assert study.answers is None
    assert study.why_empty.endswith("0 prompts have no probabilities; unlabelled scales wait for the questionnaire's order.")


def test_option_orders_are_averaged_alike_whatever_their_p_valid() -> None:
    rows = [*prompt_rows((0.9, 0.1), order=0, p_valid=0.99), *prompt_rows((0.1, 0.9), order=1, p_valid=0.01)]
    answers = answers_of(rows)
    np.testing.assert_allclose(answers.distribution[0, 0], (0.5, 0.5))
    assert answers.mean_p_valid[0, 0] == pytest.approx(0.5)


def test_probabilities_are_renormalised_per_prompt() -> None:
    rows = [*prompt_rows((0.2, 0.2), order=0), *prompt_rows((0.9, 0.1), order=1)]
    np.testing.assert_allclose(answers_of(rows).distribution[0, 0], (0.7, 0.3))


def test_a_code_that_one_permutation_lacks_is_averaged_over_those_that_have_it() -> None:
    rows = [*prompt_rows({1: 1.0}, order=0), *prompt_rows({1: 0.5, 10: 0.5}, order=1)]
    np.testing.assert_allclose(answers_of(rows).distribution[0, 0], (0.6, 0.4))


def test_a_prompt_that_stands_twice_counts_once_and_is_counted() -> None:
    study = load_study([*prompt_rows((0.9, 0.1)), *prompt_rows((0.1, 0.9))])
    assert study.answers is not None
    np.testing.assert_allclose(study.answers.distribution[0, 0], (0.9, 0.1))
    assert study.left_out.duplicate_rows == 2


@pytest.mark.parametrize("probs", [(0.0, 0.0), (float("nan"), 0.5), (-0.1, 1.1), (float("inf"), 0.5)])
def test_a_prompt_without_usable_probabilities_is_left_out_and_counted(probs: tuple[float, float]) -> None:
    study = load_study([*prompt_rows(probs, order=0), *prompt_rows((0.3, 0.7), order=1)])
    assert study.answers is not None
    np.testing.assert_allclose(study.answers.distribution[0, 0], (0.3, 0.7))
    assert study.left_out.massless_prompts == 1


def test_models_of_a_family_with_one_language_each_are_shown_as_the_family() -> None:
    rows = [row for lang in ("eng", "deu") for row in prompt_rows((0.5, 0.5), model=f"mono_{lang}", family="mono", lang=lang)]
    assert answers_of(rows).units == (Unit("mono", "deu"), Unit("mono", "eng"))


def test_two_models_of_a_family_in_one_language_are_shown_by_their_ids() -> None:
    rows = [*prompt_rows((0.5, 0.5), model="mono_eng", family="mono"), *prompt_rows((0.5, 0.5), model="mono_eng_int4", family="mono")]
    assert answers_of(rows).models == ("mono_eng", "mono_eng_int4")


def test_several_configurations_are_told_apart_for_every_model() -> None:
    rows = [*prompt_rows((0.5, 0.5)), *prompt_rows((0.5, 0.5), config="item"), *prompt_rows((0.5, 0.5), model="beta")]
    assert answers_of(rows).models == ("alpha (item)", "alpha (legacy)", "beta (legacy)")


def test_a_model_without_a_family_is_shown_by_its_id() -> None:
    rows = [row._replace(model_family=None) for row in prompt_rows((0.5, 0.5), model="odd")]  # type: ignore[arg-type]
    assert answers_of(rows).models == ("odd",)


def test_questions_that_share_a_prompt_are_one_cluster_and_are_counted() -> None:
    shared = "Which of these?\n1. this\n2. that\nAnswer: "
    rows = [row for question in ("v1", "v3") for row in prompt_rows((0.5, 0.5), question=question, text=shared)]
    rows += prompt_rows((0.5, 0.5), question="v2")
    study = load_study(rows)
    np.testing.assert_array_equal(study.resampler.clusters, [0, 1, 0])
    assert (study.left_out.shared_prompt_pairs, study.left_out.pairs) == (2, 3)


def test_clean_items_leave_out_shared_prompts_and_those_with_fewer_than_two_labels() -> None:
    shared = "Which of these?\n1. this\n2. that\nAnswer: "
    rows = [
        *prompt_rows((0.5, 0.5), question="v1", text=shared),
        *prompt_rows((0.5, 0.5), question="v2", text=shared),
        *prompt_rows((0.5, 0.5), question="v3", labels=False),
        *prompt_rows((0.5, 0.5), question="v4", text="How many?\n1. 1\n2. 2\nAnswer: "),
        *prompt_rows((0.5, 0.5), question="v5"),
    ]
    study = load_study(rows, items="clean")
    assert study.answers is not None
    assert [item.question_id for item in study.answers.items] == ["v5"]
    assert study.left_out.unclean_pairs == 4


def test_the_first_and_last_answer_are_read_off_the_questionnaires_order() -> None:
    text = "Health?\n3. a note\nSo:\n5. very good\n4. good\n1. very bad\nAnswer: "
    rows = [*prompt_rows({1: 0.2, 4: 0.3, 5: 0.5}, order=0, text=text), *prompt_rows({1: 0.2, 4: 0.3, 5: 0.5}, order=1)]
    answers = answers_of(rows)
    first, last = answers.first_last[0, 0]
    assert (answers.codes[0, first], answers.codes[0, last]) == (5, 1)


def test_questions_are_in_the_order_of_their_numbers() -> None:
    assert sorted_naturally(["v10", "v2", "v1", "x", "v2b"]) == ("v1", "v2", "v2b", "v10", "x")


def test_a_variant_is_no_part_of_the_surveys_own_answers() -> None:
    study = load_study([*prompt_rows((0.5, 0.5), config="rephrase", variant="v1_int", variant_type="integrated")], why_empty=EMPTY)
    assert study.answers is None
    assert study.rephrased is not None
    assert study.why_empty == "The results are of rephrased prompts only; this figure needs the survey's own."


def test_human_answers_that_do_not_sum_to_1_are_left_out_and_counted() -> None:
    rows = [*prompt_rows((0.5, 0.5)), *prompt_rows((0.5, 0.5), question="v2")]
    study = load_study(rows, [*human_rows((0.3, 0.3)), *human_rows((0.4, 0.6), question="v2")])
    assert study.humans is not None
    np.testing.assert_array_equal(study.humans.answered, [[False, True]])
    assert study.humans.n_bad_sums == 1


def test_human_answers_to_other_questions_are_no_human_answers() -> None:
    assert load_study(prompt_rows((0.5, 0.5)), human_rows((0.5, 0.5), question="v99")).humans is None


def test_no_rows_make_an_empty_study() -> None:
    study: Study = load_study([], human_rows((0.5, 0.5)), why_empty=EMPTY)
    assert (study.answers, study.rephrased, study.humans, study.why_empty) == (None, None, None, EMPTY)
