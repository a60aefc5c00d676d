"""Models beside people: the baselines by hand, and pairs that must not be compared."""

import numpy as np
import pytest

from evsctl.analysis.comparison import NO_HUMANS, NO_OVERLAP, Comparison, compare
from evsctl.analysis.expectations import correlations, expectations
from evsctl.analysis.figures.human_heatmap import EUROPEAN, UNIFORM, similarities
from evsctl.analysis.loading import load_study
from evsctl.analysis.study import Study
from tests.analysis.factories import human_rows, prompt_rows, sketch_study, wide_study

LANGS = ("deu", "eng", "fra")


def compared(study: Study) -> Comparison:
    found = compare(study)
    assert isinstance(found, Comparison)
    return found


def three_countries() -> Study:
    """One question, three countries: all for the first answer, all for the second, half and half."""
    people = {"deu": (1.0, 0.0), "eng": (0.0, 1.0), "fra": (0.5, 0.5)}
    rows = [row for lang in LANGS for row in prompt_rows((1.0, 0.0), lang=lang)]
    return load_study(rows, [row for lang, probs in people.items() for row in human_rows(probs, lang)])


def test_the_european_mean_leaves_the_own_country_out() -> None:
    found = compared(three_countries())
    np.testing.assert_allclose(found.european[:, 0], [(0.25, 0.75), (0.75, 0.25), (0.5, 0.5)])


def test_similarity_rows_by_hand() -> None:
    """1 − √JSD: a model that always gives the first answer, uniform, and the mean of the other countries."""
    study = three_countries()
    assert study.answers is not None
    found = similarities(study.answers, compared(study))
    assert (found.rows, found.langs) == (("alpha", UNIFORM, EUROPEAN), LANGS)
    half = 1 - np.sqrt(0.3112781244591328)
    # √JSD([1,0], [¼,¾]) = √(H(⅝) − H(¼)/2) with H in bits
    quarter = 1 - np.sqrt(0.9544340029249649 - 0.8112781244591328 / 2)
    np.testing.assert_allclose(found.value[:, :, 0], [[1, 0, half], [half, half, 1], [quarter, quarter, 1]], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.above_uniform[0, :, 0], [1 - half, -half, half - 1], atol=1e-12)


def test_one_country_alone_has_no_european_mean() -> None:
    study = load_study(prompt_rows((0.5, 0.5)), human_rows((0.3, 0.7)))
    assert study.answers is not None
    assert similarities(study.answers, compared(study)).rows == ("alpha", UNIFORM)


def test_a_prompt_that_lacks_an_answer_of_the_survey_is_not_compared() -> None:
    rows = [*prompt_rows((0.5, 0.5)), *prompt_rows((0.2, 0.3, 0.5), question="v2")]
    found = compared(load_study(rows, [*human_rows((0.2, 0.3, 0.5)), *human_rows((0.2, 0.3, 0.5), question="v2")]))
    np.testing.assert_array_equal(found.usable, [[False, True]])
    assert found.n_other_codes == 1


def test_a_code_that_nobody_of_one_country_chose_is_no_other_code() -> None:
    """An importer may leave out answers with no mass; another country shows that they were offered."""
    people = [*human_rows({1: 1.0}), *human_rows((0.5, 0.5), lang="deu")]
    assert compared(load_study(prompt_rows((0.5, 0.5)), people)).usable.all()


def test_languages_without_human_answers_are_named() -> None:
    rows = [*prompt_rows((0.5, 0.5)), *prompt_rows((0.5, 0.5), lang="ell")]
    found = compared(load_study(rows, human_rows((0.3, 0.7))))
    assert found.langs_without_humans == ("ell",)
    np.testing.assert_array_equal(found.usable, [[False], [True]])


def test_nothing_to_compare_is_said_in_a_sentence() -> None:
    assert compare(load_study(prompt_rows((0.5, 0.5)))) == NO_HUMANS
    assert compare(load_study(prompt_rows((0.5, 0.5)), human_rows((0.3, 0.7), lang="deu"))) == NO_OVERLAP


def test_mean_answers_leave_out_codes_that_are_not_ordered() -> None:
    study = sketch_study()
    assert study.answers is not None
    found = expectations(study.answers, compared(study))
    assert found.n_unordered == 4
    alpha_eng = study.answers.units.index(next(u for u in study.answers.units if str(u) == "alpha eng"))
    np.testing.assert_allclose(found.model[alpha_eng], [1.675, 2.575, 2.875, 3.5, np.nan, np.nan])
    np.testing.assert_allclose(found.human[alpha_eng], [2.0, 2.5, 3.0, 3.0, np.nan, np.nan])
    np.testing.assert_allclose(found.uniform[alpha_eng], [2.5, 2.5, 2.5, 3.0, np.nan, np.nan])


def test_uniform_answers_correlate_with_people_by_scale_length_alone() -> None:
    study = wide_study()
    assert study.answers is not None
    found = correlations(expectations(study.answers, compared(study)), study.answers.rows_of("alpha"), study.resampler)
    assert found.uniform.value > 0.8
    assert found.uniform.low < found.uniform.value < found.uniform.high
    assert found.n_questions_within == 12


def test_a_model_that_moves_with_the_country_has_a_within_question_correlation_of_1() -> None:
    shares = {"bul": 0.1, "deu": 0.3, "ell": 0.5, "eng": 0.6, "fra": 0.9}
    rows = [row for q in ("v1", "v2") for lang, p in shares.items() for row in prompt_rows((p, 1 - p), lang=lang, question=q)]
    people = [row for lang, p in shares.items() for row in human_rows((p / 2, 1 - p / 2), lang, "v1")]
    people += [row for lang, p in shares.items() for row in human_rows((1 - p / 2, p / 2), lang, "v2")]
    study = load_study(rows, people)
    assert study.answers is not None
    found = correlations(expectations(study.answers, compared(study)), study.answers.rows_of("alpha"), study.resampler)
    assert found.within.value == pytest.approx(0, abs=1e-9)
    study = load_study(rows, [row for row in people if row.question_id == "v1"])
    assert study.answers is not None
    found = correlations(expectations(study.answers, compared(study)), study.answers.rows_of("alpha"), study.resampler)
    assert found.within.value == pytest.approx(1, abs=1e-5)


def test_the_resampled_correlation_is_the_correlation_of_the_resample() -> None:
    """Sums per question stand in for the pairs: one draw worked out pair by pair."""
    study = wide_study()
    assert study.answers is not None
    pairs = expectations(study.answers, compared(study))
    found = correlations(pairs, study.answers.rows_of("alpha"), study.resampler)
    by_hand = []
    for draw in study.resampler.weights:
        order = np.repeat(np.arange(draw.size), draw.astype(int))
        by_hand.append(np.corrcoef(pairs.model[:, order].ravel(), pairs.human[:, order].ravel())[0, 1])
    assert (found.raw.low, found.raw.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))
