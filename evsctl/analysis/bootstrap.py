"""Uncertainty: intervals by resampling whole questions, the same draws on every machine. Numpy only."""

from dataclasses import dataclass

import numpy as np

from evsctl.analysis.measures import BoolArray, FloatArray, IntArray

DRAWS = 2000
SEED = 20863
LEVEL = 0.95
CHUNK = 4096
"""Columns resampled at a time, so that memory stays below 100 MB."""
MIN_CLUSTERS = 5
"""Below this many independent questions an interval would promise more than it holds, and none is given."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Means with their 95 % intervals, one entry per column; NaN where there is none."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    n: IntArray
    """Observations behind each mean: questions, or (question, language) pairs."""


@dataclass(frozen=True, slots=True)
class Resampler:
    """Bootstrap draws over questions (Efron 1979; clusters: Davison & Hinkley 1997, section 3.8).

    Questions of one cluster are always drawn together: where two questions share a prompt, they are one observation.
    """

    clusters: IntArray
    """Cluster number of each question, from 0."""
    weights: FloatArray
    """(draws, questions): how often each question was drawn."""

    def mean(self, values: FloatArray) -> Estimate:
        """Means over questions of `values` (questions, columns), NaN left out, with percentile intervals."""
        known = ~np.isnan(values)
        return self.ratio(np.where(known, values, 0.0), known.astype(np.float64))

    def ratio(self, totals: FloatArray, counts: FloatArray) -> Estimate:
        """Σ totals / Σ counts over questions, per column of both (questions, columns), with percentile intervals."""
        total, count = totals.sum(axis=0), counts.sum(axis=0)
        low, high = np.full(count.shape, np.nan), np.full(count.shape, np.nan)
        n_clusters = self.clusters_in(counts > 0)
        for start in range(0, len(count), CHUNK):
            part = slice(start, start + CHUNK)
            low[part], high[part] = self.interval(self.replicates(totals[:, part], counts[:, part]), n_clusters[part])
        return Estimate(total / np.where(count > 0, count, np.nan), low, high, count.round().astype(np.int64))

    def replicates(self, totals: FloatArray, counts: FloatArray) -> FloatArray:
        """(draws, columns): Σ totals / Σ counts in every draw; NaN where no question of a column was drawn."""
        count = self.weights @ counts
        return np.asarray((self.weights @ totals) / np.where(count > 0, count, np.nan))

    def interval(self, replicates: FloatArray, n_clusters: IntArray) -> tuple[FloatArray, FloatArray]:
        """Percentile interval of each column of `replicates`; NaN where fewer than `MIN_CLUSTERS` clusters count."""
        low, high = percentiles(replicates)
        enough = n_clusters >= MIN_CLUSTERS
        return np.where(enough, low, np.nan), np.where(enough, high, np.nan)

    def clusters_in(self, known: BoolArray) -> IntArray:
        """How many clusters have a known question in each column of `known` (questions, columns)."""
        per_cluster = np.zeros((int(self.clusters.max(initial=-1)) + 1, known.shape[1]))
        np.add.at(per_cluster, self.clusters, known.astype(np.float64))
        return np.asarray((per_cluster > 0).sum(axis=0), dtype=np.int64)


def percentiles(replicates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The two ends of the 95 % percentile interval along the first axis; NaN in, NaN left out."""
    tail = (1 - LEVEL) / 2
    empty = np.isnan(replicates).all(axis=0)
    filled = np.where(empty, 0.0, replicates)
    if not np.isnan(filled).any():
        low, high = np.quantile(filled, [tail, 1 - tail], axis=0)
    else:
        low, high = np.nanquantile(filled, [tail, 1 - tail], axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def make_resampler(clusters: IntArray, draws: int = DRAWS, seed: int = SEED) -> Resampler:
    """Draw as many clusters as there are, with replacement, `draws` times; `clusters` numbers each question's from 0."""
    n_clusters = int(clusters.max(initial=-1)) + 1
    # RandomState's stream is frozen for good, a Generator's may change with a numpy release.
    picks = np.random.RandomState(seed).randint(0, max(n_clusters, 1), size=(draws, n_clusters))
    drawn = np.zeros((draws, n_clusters))
    np.add.at(drawn, (np.arange(draws)[:, None], picks), 1.0)
    return Resampler(clusters, drawn[:, clusters])
