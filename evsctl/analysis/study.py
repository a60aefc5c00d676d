"""The answers of a study as dense arrays, and what was left out or set aside on the way."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from evsctl.analysis.bootstrap import Resampler
from evsctl.analysis.measures import BoolArray, FloatArray, IntArray, normalise

ORDINAL_TYPES = ("likert3", "likert4", "likert5", "likert10", "frequency")
"""Response types whose codes are ordered, so that a mean answer means something."""


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One model answering in one language: a row of most figures."""

    model: str
    """The model's family, or its id where two of a family answer in one language; with the configuration where there are several."""
    lang: str

    def __str__(self) -> str:
        return f"{self.model} {self.lang}"


@dataclass(frozen=True, slots=True)
class Item:
    """One question, or one other wording of it."""

    question_id: str
    response_type: str
    variant_id: str = ""
    variant_type: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What models answered: U units × Q items × P option orders × K answer codes."""

    units: tuple[Unit, ...]
    items: tuple[Item, ...]
    orders: tuple[int, ...]
    """Permutation index of each of the P option orders."""
    codes: IntArray
    """(Q, K) answer codes, ascending; padded by the last one's successors where `is_code` is false."""
    is_code: BoolArray
    """(Q, K)"""
    prob: FloatArray
    """(U, Q, P, K) renormalised per prompt; NaN where the prompt is not answered, and at codes that it does not offer."""
    p_valid: FloatArray
    """(U, Q, P) next-token mass on valid answers; NaN where the prompt is not answered."""
    offered: BoolArray
    """(U, Q, K) codes that the prompts offer."""
    distribution: FloatArray
    """(U, Q, K) averaged over the option orders that count (see `average_orders`); NaN where none does."""
    mean_p_valid: FloatArray
    """(U, Q) the mean over the option orders that count; NaN where none does."""
    counts: BoolArray
    """(U, Q, P) answered prompts that count: all, but only permutation 0 where all option orders are one text."""
    one_text: BoolArray
    """(U, Q) pairs whose option orders are one and the same prompt text."""
    first_last: IntArray
    """(U, Q, 2) positions on the K axis of the first and the last answer as the questionnaire lists them; −1: unknown."""

    @property
    def by_order(self) -> FloatArray:
        """(U, Q, P, K) distributions of single prompts that count, 0 at codes they do not offer; NaN where the prompt does not count."""
        return np.where(self.counts[..., None], np.nan_to_num(self.prob), np.nan)

    @property
    def answered(self) -> BoolArray:
        """(U, Q) pairs with at least one option order that counts."""
        return np.asarray(self.counts.any(axis=2))

    @property
    def n_orders(self) -> IntArray:
        """(U, Q) how many option orders are answered, whether they count or not."""
        return np.asarray((~np.isnan(self.prob).all(axis=3)).sum(axis=2), dtype=np.int64)

    @property
    def n_options(self) -> IntArray:
        """(U, Q) how many answers the prompts offer."""
        return np.asarray(self.offered.sum(axis=2), dtype=np.int64)

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order of the units."""
        return tuple(dict.fromkeys(unit.model for unit in self.units))

    @property
    def langs(self) -> tuple[str, ...]:
        """The languages, sorted."""
        return tuple(sorted({unit.lang for unit in self.units}))

    def rows_of(self, model: str) -> IntArray:
        """Where a model's units stand."""
        return np.asarray([i for i, unit in enumerate(self.units) if unit.model == model], dtype=np.int64)


def average_orders(prob: FloatArray, counts: BoolArray) -> FloatArray:
    """Unweighted means over the option orders that count and offer the code, made to sum to 1; NaN where none counts.

    `prob` is (..., P, K), `counts` (..., P): every order weighs the same, whatever its p_valid.
    """
    known = counts[..., None] & ~np.isnan(prob)
    total = np.where(known, prob, 0.0).sum(axis=-2)
    return normalise(total / np.maximum(known.sum(axis=-2), 1))


def average_p_valid(p_valid: FloatArray, counts: BoolArray) -> FloatArray:
    """Means over the option orders that count, on the last axis; NaN where none does."""
    known = counts & ~np.isnan(p_valid)
    n = known.sum(axis=-1)
    return np.asarray(np.where(known, p_valid, 0.0).sum(axis=-1) / np.where(n > 0, n, np.nan))


@dataclass(frozen=True, slots=True)
class Humans:
    """What respondents answered, on the same items and codes as `Answers`: L languages × Q × K."""

    langs: tuple[str, ...]
    prob: FloatArray
    """(L, Q, K) sums to 1; NaN where there are no rows, 0 at codes without a row."""
    has_code: BoolArray
    """(L, Q, K) codes that have a row."""
    n_valid: FloatArray
    """(L, Q) valid answers; NaN where there are no rows."""
    n_bad_sums: int
    """(language, question) pairs left out because their probabilities do not sum to 1."""

    @property
    def answered(self) -> BoolArray:
        """(L, Q) pairs with human answers."""
        return np.asarray(~np.isnan(self.prob).all(axis=2))

    def row_of(self, lang: str) -> int | None:
        """Where a language stands; None where there are no human answers in it."""
        return self.langs.index(lang) if lang in self.langs else None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What loading set aside, to be counted on every figure that it touches."""

    duplicate_rows: int = 0
    """Rows of a prompt that stands in the database more than once."""
    massless_prompts: int = 0
    """Answered prompts whose probabilities do not sum to a number above 0."""
    unclean_pairs: int = 0
    """(question, language) pairs that `--items clean` left out."""
    shared_prompt_pairs: int = 0
    """(question, language) pairs, kept, whose prompt is also another question's."""
    other_configs: tuple[str, ...] = ()
    """Configurations that have results but were not asked for."""
    pairs: int = 0
    """All (question, language) pairs with results, before anything was left out."""


@dataclass(frozen=True, slots=True)
class Study:
    """Everything a figure may draw from."""

    answers: Answers | None
    """The survey's prompts; None where no result row is of them."""
    rephrased: Answers | None
    """Other wordings with their originals; None where there are none."""
    humans: Humans | None
    """Human answers on the items of `answers`; None where there are none."""
    resampler: Resampler
    """Bootstrap draws over the items of `answers`."""
    texts: Mapping[tuple[str, str], str]
    """(question id, language) → prompt text in the questionnaire's order, where known."""
    left_out: LeftOut
    items: str = "all"
    """`all` or `clean`."""
    human_note: str = ""
    """A sentence to print wherever human answers are drawn, such as that they are invented."""
    why_empty: str = ""
    """What to do where there are no results at all."""
    unanswered: str = ""
    """A sentence on the prompts that models of the study have not answered yet; empty where nothing is missing."""


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts v2 before v10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split("([0-9]+)", name))


def sorted_naturally(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names, numbers in them in the order of numbers."""
    return tuple(sorted(set(names), key=lambda name: (natural_key(name), name)))
