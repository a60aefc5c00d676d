"""Intervals come from whole questions, are the same every time, and are not given on too few questions."""

import numpy as np
import pytest

from evsctl.analysis.bootstrap import CHUNK, make_resampler


def independent(n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(n, dtype=np.int64)


def test_draws_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(make_resampler(independent(6)).weights, make_resampler(independent(6)).weights)


def test_the_first_draws_never_change() -> None:
    np.testing.assert_array_equal(make_resampler(independent(6)).weights[:3], [[0, 2, 0, 3, 1, 0], [0, 0, 2, 1, 1, 2], [0, 0, 1, 1, 1, 3]])


def test_every_draw_takes_as_many_questions_as_there_are() -> None:
    assert set(make_resampler(independent(9)).weights.sum(axis=1)) == {9.0}


def test_questions_of_one_cluster_are_drawn_together() -> None:
    weights = make_resampler(np.array([0, 1, 1, 2])).weights
    np.testing.assert_array_equal(weights[:, 1], weights[:, 2])
    assert not np.array_equal(weights[:, 0], weights[:, 1])


def test_the_mean_leaves_unknown_questions_out() -> None:
    values = np.array([[1.0], [2.0], [np.nan], [3.0]])
    found = make_resampler(independent(4)).mean(values)
    assert (found.mean[0], found.n[0]) == (2.0, 3)


def test_five_questions_have_an_interval_four_have_none() -> None:
    values = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0], [5.0, np.nan]])
    found = make_resampler(independent(5)).mean(values)
    assert found.low[0] < 3 < found.high[0]
    assert np.isnan([found.low[1], found.high[1]]).all()


def test_questions_that_share_a_prompt_count_as_one_towards_an_interval() -> None:
    found = make_resampler(np.array([0, 0, 1, 2, 3])).mean(np.arange(5.0)[:, None])
    assert np.isnan(found.low[0])


def test_the_interval_is_near_the_normal_one() -> None:
    values = np.random.RandomState(1).normal(10, 2, (400, 1))
    found = make_resampler(independent(400)).mean(values)
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.low[0] == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high[0] == pytest.approx(values.mean() + half, abs=0.03)


def test_a_question_that_holds_everything_makes_the_interval_wide() -> None:
    """Ten languages of one odd question move together: resampling pairs would hide it."""
    totals = np.array([10.0, 0, 0, 0, 0, 0])[:, None]
    counts = np.full((6, 1), 10.0)
    found = make_resampler(independent(6)).ratio(totals, counts)
    assert found.high[0] - found.low[0] > 0.3


def test_columns_beyond_one_chunk_are_all_resampled() -> None:
    values = np.tile(np.arange(6.0)[:, None], (1, CHUNK + 3))
    found = make_resampler(independent(6)).mean(values)
    assert len(set(found.low)) == 1
    assert not np.isnan(found.low).any()


def test_no_questions_give_no_numbers() -> None:
    found = make_resampler(np.zeros(0, dtype=np.int64)).mean(np.zeros((0, 2)))
    assert np.isnan(found.mean).all()
    assert np.isnan(found.low).all()
