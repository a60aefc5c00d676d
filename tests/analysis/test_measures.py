"""The measures agree with scipy, with numbers worked out by hand, and with what they must always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from evsctl.analysis import measures
from evsctl.analysis.measures import FloatArray

RANDOM = np.random.RandomState(7)
P, Q = RANDOM.dirichlet(np.ones(7), 50), RANDOM.dirichlet(np.ones(7), 50)


def distributions(size: int = 5) -> st.SearchStrategy[FloatArray]:
    """Distributions over `size` answers, some of them without any mass on some."""
    weights = arrays(np.float64, size, elements=st.one_of(st.just(0.0), st.floats(1e-9, 1.0)))
    return weights.filter(lambda w: w.sum() > 0).map(lambda w: np.asarray(w / w.sum()))


def test_jensen_shannon_agrees_with_scipy() -> None:
    np.testing.assert_allclose(measures.js_distance(P, Q), jensenshannon(P, Q, base=2, axis=1), rtol=1e-10)


def test_entropy_agrees_with_scipy() -> None:
    np.testing.assert_allclose(measures.entropy_bits(P), stats.entropy(P, base=2, axis=1), rtol=1e-12)


def test_wasserstein_agrees_with_scipy_on_uneven_codes() -> None:
    codes = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 9.0, 10.0])
    wanted = [stats.wasserstein_distance(codes, codes, p, q) for p, q in zip(P, Q, strict=True)]
    np.testing.assert_allclose(measures.wasserstein(P, Q, codes), wanted, rtol=1e-10)


def test_correlation_agrees_with_scipy_and_leaves_unknown_pairs_out() -> None:
    x, y = P[:, 0].copy(), P[:, 1].copy()
    wanted = stats.pearsonr(x[3:], y[3:]).statistic
    x[:2], y[2] = np.nan, np.nan
    assert measures.correlation(x, y) == pytest.approx(wanted)


def test_a_weight_of_two_counts_a_pair_twice() -> None:
    x, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    doubled = measures.correlation(np.array([1.0, 2.0, 4.0, 4.0]), np.array([1.0, 3.0, 2.0, 2.0]))
    assert measures.correlation(x, y, np.array([1.0, 1.0, 2.0])) == pytest.approx(float(doubled))


def test_jensen_shannon_by_hand() -> None:
    """[1,0] against [½,½]: H(¾,¼) − ½·1 = 0.811278 − 0.5 bits."""
    assert measures.jsd_bits(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(0.3112781244591328)
    assert measures.jsd_bits(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0


def test_other_measures_by_hand() -> None:
    p, q = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.0, 0.25, 0.25, 0.5])
    codes = np.array([1.0, 2.0, 3.0, 4.0])
    assert measures.entropy_bits(p) == 1.5
    assert measures.normalised_entropy(p, np.array(4)) == 0.75
    assert measures.total_variation(p, q) == 0.5
    assert measures.wasserstein(p, q, codes) == 1.5
    assert measures.ordinal_alignment(p, q) == 0.5
    assert measures.expectation(p, codes) == 1.75


def test_the_mean_of_correlations_is_taken_on_fishers_scale() -> None:
    z = (np.arctanh(0.2) + np.arctanh(0.8)) / 2
    assert measures.fisher_mean(np.array([0.2, np.nan, 0.8])) == pytest.approx(np.tanh(z))
    assert np.isnan(measures.fisher_mean(np.array([np.nan])))


def test_uniform_spreads_over_offered_answers_only() -> None:
    offered = np.array([[True, True, False, True], [False, False, False, False]])
    np.testing.assert_array_equal(measures.uniform(offered), [[1 / 3, 1 / 3, 0, 1 / 3], [np.nan] * 4])


def test_a_single_answer_has_no_normalised_entropy() -> None:
    assert np.isnan(measures.normalised_entropy(np.array([1.0]), np.array(1)))


def test_no_answer_gives_no_number() -> None:
    nothing = np.full(3, np.nan)
    some = np.array([0.2, 0.3, 0.5])
    found = [measures.jsd_bits(nothing, some), measures.total_variation(some, nothing), measures.entropy_bits(nothing),
             measures.expectation(nothing, np.arange(3.0))]  # fmt: skip
    assert np.isnan(found).all()


def test_no_spread_gives_no_correlation() -> None:
    assert np.isnan(measures.correlation(np.ones(4), np.arange(4.0)))


@given(distributions(), distributions())
def test_jensen_shannon_is_symmetric_and_between_0_and_1(p: FloatArray, q: FloatArray) -> None:
    found = measures.jsd_bits(p, q)
    assert found == measures.jsd_bits(q, p)
    assert 0 <= found <= 1


@given(distributions())
def test_a_distribution_is_at_distance_0_from_itself(p: FloatArray) -> None:
    assert measures.js_distance(p, p) == pytest.approx(0, abs=1e-7)
    assert measures.wasserstein(p, p, np.arange(5.0)) == 0
    assert measures.total_variation(p, p) == 0


@given(distributions(), distributions(), distributions())
def test_js_distance_and_wasserstein_keep_the_triangle_inequality(p: FloatArray, q: FloatArray, r: FloatArray) -> None:
    codes = np.arange(5.0)
    assert measures.js_distance(p, r) <= measures.js_distance(p, q) + measures.js_distance(q, r) + 1e-7
    assert measures.wasserstein(p, r, codes) <= measures.wasserstein(p, q, codes) + measures.wasserstein(q, r, codes) + 1e-9


@given(distributions())
def test_entropy_is_at_most_that_of_uniform(p: FloatArray) -> None:
    assert 0 <= measures.normalised_entropy(p, np.array(5)) <= 1 + 1e-12
    assert measures.normalised_entropy(np.full(5, 0.2), np.array(5)) == pytest.approx(1)


@given(distributions(), distributions())
def test_jensen_shannon_is_at_most_total_variation(p: FloatArray, q: FloatArray) -> None:
    """Lin 1991, theorem 3, in bits."""
    assert measures.jsd_bits(p, q) <= measures.total_variation(p, q) + 1e-9
