"""What the check says of a model's answers."""

import math

from evsctl.db.results import ResultRow
from evsctl.status.check import GroupCheck, judge_answers


def answers(question, lang, p_valid, probs=(0.4, 0.6), permutation=0):
    return [
        ResultRow("m", "m", lang, question, "categorical", "legacy", permutation, None, None, False, "text", value, prob, p_valid)
        for value, prob in enumerate(probs, 1)
    ]


def test_p_valid_is_told_by_language_and_by_question():
    rows = [*answers("q1", "eng", 0.5), *answers("q1", "deu", 0.05), *answers("q2", "eng", 0.7), *answers("q2", "eng", 0.9, permutation=1)]
    check = judge_answers("m", rows)
    assert (check.prompts, check.low, check.unsound, check.is_good) == (4, 1, 0, True)
    assert check.languages == (GroupCheck("deu", 1, 0.05, 1), GroupCheck("eng", 3, (0.5 + 0.7 + 0.9) / 3, 0))
    assert [group.name for group in check.worst_questions] == ["q1"]


def test_what_is_no_distribution_is_counted():
    rows = [*answers("q1", "eng", 0.5, (0.4, 0.7)), *answers("q2", "eng", 0.5, (math.nan, 0.5)), *answers("q3", "eng", 0.5, (-0.1, 1.1))]
    check = judge_answers("m", rows)
    assert (check.unsound, check.is_good) == (3, False)


def test_a_model_that_hardly_means_its_answers_is_not_good():
    assert not judge_answers("m", answers("q1", "eng", 0.03)).is_good


def test_nothing_answered_is_nothing_to_draw():
    check = judge_answers("m", [])
    assert (check.prompts, check.p_valid_mean, check.is_good) == (0, None, False)
