"""Mean answers of models and people, and the correlations between them that mean something."""

from dataclasses import dataclass

import numpy as np

from evsctl.analysis.bootstrap import Resampler
from evsctl.analysis.comparison import Comparison
from evsctl.analysis.measures import BoolArray, FloatArray, IntArray, correlation, expectation, fisher_mean
from evsctl.analysis.study import ORDINAL_TYPES, Answers

MIN_LANGS = 5
"""A correlation across fewer languages than this says too little to be averaged."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """Mean answers in the questionnaire's codes, (U, Q); NaN where the codes are not ordered or nothing can be compared."""

    model: FloatArray
    human: FloatArray
    uniform: FloatArray
    span: FloatArray
    """Highest minus lowest offered code."""
    n_unordered: int
    """Comparable pairs left out because their codes are not ordered."""
    n_single: int
    """Comparable pairs left out because a single answer is offered."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Correlations:
    """How a model's mean answers go with people's."""

    raw: Interval
    """All pairs pooled, in codes: mostly the length of the scales."""
    uniform: Interval
    """The same with uniform answers in the model's place: what scale length alone gives."""
    within: Interval
    """Mean over questions (Fisher z) of the correlation across languages."""
    n_pairs: int
    n_questions_within: int
    """Questions with at least `MIN_LANGS` languages and some spread in both."""


def expectations(answers: Answers, found: Comparison) -> Expectations:
    """Mean answers of comparable pairs with ordered codes and at least two answers."""
    is_ordered = np.asarray([item.response_type in ORDINAL_TYPES for item in answers.items])
    is_many = answers.n_options > 1
    usable = found.usable & is_ordered & is_many
    codes = answers.codes.astype(np.float64)

    def mean(p: FloatArray) -> FloatArray:
        return np.where(usable, expectation(p, codes), np.nan)

    highest = np.where(answers.offered, codes, -np.inf).max(axis=2)
    lowest = np.where(answers.offered, codes, np.inf).min(axis=2)
    return Expectations(
        model=mean(found.model),
        human=mean(found.human),
        uniform=mean(found.uniform),
        span=np.where(usable, highest - lowest, np.nan),
        n_unordered=int((found.usable & ~is_ordered).sum()),
        n_single=int((found.usable & is_ordered & ~is_many).sum()),
    )


def correlations(pairs: Expectations, rows: IntArray, resampler: Resampler) -> Correlations:
    """Correlations of one model, whose units stand at `rows`, with intervals over questions."""
    model, human, flat = pairs.model[rows], pairs.human[rows], pairs.uniform[rows]  # (L, Q)
    known: BoolArray = ~np.isnan(model)
    within = np.where(known.sum(axis=0) >= MIN_LANGS, correlation(model.T, human.T), np.nan)
    n_within = int((~np.isnan(within)).sum())
    return Correlations(
        raw=_pooled(model, human, resampler),
        uniform=_pooled(flat, human, resampler),
        within=_interval(float(fisher_mean(within)), fisher_mean(within, resampler.weights), resampler, ~np.isnan(within)),
        n_pairs=int(known.sum()),
        n_questions_within=n_within,
    )


def _pooled(x: FloatArray, y: FloatArray, resampler: Resampler) -> Interval:
    """Pearson's r over all known (language, question) pairs, resampled by question through sums per question."""
    known = ~np.isnan(x) & ~np.isnan(y)
    value = float(correlation(x.ravel(), y.ravel()))
    # Centred first: the sums of squares below would lose digits otherwise.
    x, y = (np.where(known, z - z[known].mean(), 0.0) if known.any() else np.zeros(z.shape) for z in (x, y))
    sums = np.stack([known.sum(axis=0), x.sum(axis=0), y.sum(axis=0), (x * x).sum(axis=0), (y * y).sum(axis=0), (x * y).sum(axis=0)])
    n, sx, sy, sxx, syy, sxy = (resampler.weights @ sums.T.astype(np.float64)).T
    n = np.where(n > 0, n, np.nan)
    spread = (sxx / n - (sx / n) ** 2) * (syy / n - (sy / n) ** 2)
    replicates = (sxy / n - sx * sy / n**2) / np.sqrt(np.where(spread > 1e-24, spread, np.nan))
    return _interval(value, replicates, resampler, np.asarray(known.any(axis=0)))


def _interval(value: float, replicates: FloatArray, resampler: Resampler, is_used: BoolArray) -> Interval:
    """`is_used` tells which questions the number rests on."""
    low, high = resampler.interval(replicates[:, None], resampler.clusters_in(is_used[:, None]))
    return Interval(value, float(low[0]), float(high[0]))
