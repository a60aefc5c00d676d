"""Measures of answer distributions: pure numpy, vectorised over leading axes.

A distribution lies on the last axis and sums to 1; answers that are not offered have 0. A row of NaN (no answer) gives NaN.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def entropy_bits(p: FloatArray) -> FloatArray:
    """Shannon entropy in bits, H(p) = −Σ p log₂ p, with 0 log 0 = 0 (Shannon 1948)."""
    p = np.asarray(p, dtype=np.float64)
    logs = np.zeros_like(p)
    np.log2(p, out=logs, where=p > 0)
    return np.asarray(-(p * logs).sum(axis=-1) + 0.0)


def normalised_entropy(p: FloatArray, n_options: IntArray) -> FloatArray:
    """H(p) / log₂ k for k offered answers: 0 all mass on one, 1 uniform; NaN where k < 2 (Pielou 1966, evenness)."""
    k = np.asarray(n_options, dtype=np.float64)
    ceiling = np.log2(np.where(k >= 2, k, np.nan))
    return np.asarray(entropy_bits(p) / ceiling)


def jsd_bits(p: FloatArray, q: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence in bits, H((p+q)/2) − (H(p)+H(q))/2, between 0 and 1 (Lin 1991).

    Rounding can put identical distributions a hair below 0; that is clipped, so that the root is never NaN.
    """
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    divergence = entropy_bits((p + q) / 2) - (entropy_bits(p) + entropy_bits(q)) / 2
    return np.asarray(np.clip(divergence, 0.0, 1.0))


def js_distance(p: FloatArray, q: FloatArray) -> FloatArray:
    """Jensen-Shannon distance: the root of the divergence in bits; a metric between 0 and 1 (Endres & Schindelin 2003)."""
    return np.asarray(np.sqrt(jsd_bits(p, q)))


def total_variation(p: FloatArray, q: FloatArray) -> FloatArray:
    """Half of Σ|p − q|: the mass that must move to turn one distribution into the other, between 0 and 1."""
    return np.asarray(np.abs(np.asarray(p) - np.asarray(q)).sum(axis=-1) / 2)


def wasserstein(p: FloatArray, q: FloatArray, values: FloatArray) -> FloatArray:
    """First Wasserstein distance on a line, Σ |F_p − F_q| · gap between neighbouring `values` (Vallender 1974).

    `values` ascend along the last axis and broadcast with p and q; the unit is theirs.
    """
    below = np.cumsum(np.asarray(p) - np.asarray(q), axis=-1)[..., :-1]
    return np.asarray((np.abs(below) * np.diff(np.asarray(values, dtype=np.float64), axis=-1)).sum(axis=-1))


def ordinal_alignment(p: FloatArray, q: FloatArray) -> FloatArray:
    """1 − W₁/(k − 1) for k answers at equal steps, between 0 and 1 (Santurkar et al. 2023)."""
    k = np.asarray(p).shape[-1]
    return np.asarray(1.0 - wasserstein(p, q, np.arange(k, dtype=np.float64)) / max(k - 1, 1))


def expectation(p: FloatArray, values: FloatArray) -> FloatArray:
    """Mean answer Σ v·p in the units of the questionnaire's codes."""
    return np.asarray((np.asarray(p) * np.asarray(values, dtype=np.float64)).sum(axis=-1))


def uniform(offered: BoolArray) -> FloatArray:
    """The same probability on every offered answer; NaN where none is offered."""
    count = offered.sum(axis=-1, keepdims=True).astype(np.float64)
    return np.asarray(offered / np.where(count > 0, count, np.nan))


def normalise(p: FloatArray) -> FloatArray:
    """Divide by the sum over the last axis; NaN where that is not above 0."""
    total = np.asarray(p, dtype=np.float64).sum(axis=-1, keepdims=True)
    return np.asarray(p / np.where(total > 0, total, np.nan))


def correlation(x: FloatArray, y: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Pearson's r along the last axis over pairs where both are known; `weights` broadcast; NaN without spread."""
    x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    w = np.where(np.isnan(x) | np.isnan(y), 0.0, 1.0 if weights is None else weights)
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    total = w.sum(axis=-1, keepdims=True)
    share = w / np.where(total > 0, total, np.nan)
    dx = x - (share * x).sum(axis=-1, keepdims=True)
    dy = y - (share * y).sum(axis=-1, keepdims=True)
    spread_x, spread_y = (share * dx * dx).sum(axis=-1), (share * dy * dy).sum(axis=-1)
    has_spread = (spread_x > 1e-18) & (spread_y > 1e-18)
    scale = np.sqrt(np.where(has_spread, spread_x * spread_y, np.nan))
    return np.asarray(np.clip((share * dx * dy).sum(axis=-1) / scale, -1.0, 1.0))


def fisher_mean(r: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Mean correlation along the last axis by Fisher's z; ±1 are taken as ±0.999999, NaN are left out."""
    z = np.arctanh(np.clip(np.asarray(r, dtype=np.float64), -0.999999, 0.999999))
    w = np.where(np.isnan(z), 0.0, 1.0 if weights is None else weights)
    total = w.sum(axis=-1)
    return np.asarray(np.tanh((w * np.nan_to_num(z)).sum(axis=-1) / np.where(total > 0, total, np.nan)))
