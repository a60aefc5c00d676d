"""Bias: what the order of the options does to the answers."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from evsctl.analysis.bootstrap import Estimate
from evsctl.analysis.drawing import Drawing, NoData, new_frame
from evsctl.analysis.forest import ForestRow, baseline, draw_forest, estimate_columns, forest_height_mm, language_rows, legend_above
from evsctl.analysis.measures import FloatArray, total_variation
from evsctl.analysis.notes import chunks, interval_note, left_out_notes
from evsctl.analysis.study import Answers, Study
from evsctl.analysis.style import MODELS_PER_PANEL, PAGE_MM, looks
from evsctl.analysis.words import counted

TITLE = "Bias: what the order of the options does"
CAPTION = (
    "Left: total variation between two option orders of one question, mean over all pairs of orders. "
    "Baseline 0: the order does nothing. The row 'other language' is the scale to read it on: total variation "
    "between two languages of one model, "
    "both in the questionnaire's order; an order effect of that size weighs as much as the language. "
    "Right: mass that an answer gains when it is listed first rather than last (the questionnaire's order against its reverse, "
    "mean over the two answers at the ends). Baseline 0: no position bias; above 0 the first answer gains, below 0 the last. "
    "Uniform answers score 0 in both: a low value alone is no sign of a stable opinion."
)
OTHER_LANGUAGE = "other language"
ROW_NOTE = "Row 'other language': between two languages of a model, both in the questionnaire's order."


@dataclass(frozen=True, slots=True)
class OrderEffects:
    """Per-question order effects; NaN where there are not two option orders to compare."""

    sensitivity: FloatArray
    """(U, Q) mean total variation over pairs of option orders."""
    primacy: FloatArray
    """(U, Q) mass gained by standing first instead of last."""
    between_languages: FloatArray
    """(M, Q) mean total variation between two languages of a model, in the questionnaire's order."""


def draw(study: Study) -> Drawing | NoData:
    """Order sensitivity and position bias by model and language."""
    answers = study.answers
    if answers is None:
        return NoData(study.why_empty)
    effects = order_effects(answers)
    if np.isnan(effects.sensitivity).all():
        return NoData("No question has answers in two option orders yet that differ in their text: there is no order effect to measure.")
    sensitivity = study.resampler.mean(np.vstack([effects.sensitivity, effects.between_languages]).T)
    primacy = study.resampler.mean(effects.primacy.T)
    notes = [ROW_NOTE, *_excluded(answers, effects), *left_out_notes(study, answers), interval_note(sensitivity, primacy)]
    panels = chunks(answers.models, MODELS_PER_PANEL)
    rows = [language_rows(answers.units, models) for models in panels]
    heights = [forest_height_mm(len(r) + 1, len(models)) for r, models in zip(rows, panels, strict=True)]
    frame = new_frame(TITLE, notes, sum(heights), PAGE_MM)
    extra = ForestRow(OTHER_LANGUAGE, {model: len(answers.units) + i for i, model in enumerate(answers.models)})
    for models, panel_rows, part in zip(panels, rows, frame.rows(heights), strict=True):
        left, right = part.subplots(1, 2)
        draw_forest(left, looks(models), [*panel_rows, extra], sensitivity)
        draw_forest(right, looks(models), [*panel_rows, ForestRow("", {})], primacy, show_labels=False)
        for ax in (left, right):
            ax.axhline(len(panel_rows) - 0.5, color="#6f6f6f", linewidth=0.6)
        baseline(left, 0.0, "no effect")
        baseline(right, 0.0, "no bias")
        left.set(xlabel="total variation between option orders (share)", xlim=(-0.01, None))
        right.set(xlabel="mass gained by standing first, not last (share)")
        legend_above(part, looks(models))
    return Drawing(frame.figure, {"": _table(answers, sensitivity, primacy)}, CAPTION, tuple(notes))


def order_effects(answers: Answers) -> OrderEffects:
    """Order effects of pairs whose option orders differ in their text."""
    by_order = np.where(answers.one_text[..., None, None], np.nan, answers.by_order)
    pairs = [total_variation(by_order[:, :, a], by_order[:, :, b]) for a, b in combinations(range(len(answers.orders)), 2)]
    shape = answers.answered.shape
    sensitivity = _nanmean(np.asarray(pairs).reshape(-1, *shape))
    return OrderEffects(sensitivity, _primacy(answers, by_order), _between_languages(answers))


def _primacy(answers: Answers, by_order: FloatArray) -> FloatArray:
    if not {0, 1} <= set(answers.orders):
        return np.full(answers.answered.shape, np.nan)
    gained = by_order[:, :, answers.orders.index(0)] - by_order[:, :, answers.orders.index(1)]  # (U, Q, K)
    ends = np.take_along_axis(gained, np.maximum(answers.first_last, 0), axis=2)
    return np.where((answers.first_last >= 0).all(axis=2), (ends[..., 0] - ends[..., 1]) / 2, np.nan)


def _between_languages(answers: Answers) -> FloatArray:
    """Total variation between languages of each model over questions that offer the same codes in both."""
    means = np.full((len(answers.models), len(answers.items)), np.nan)
    if 0 not in answers.orders:
        return means
    first_order = answers.by_order[:, :, answers.orders.index(0)]
    for m, model in enumerate(answers.models):
        pairs = []
        for a, b in combinations(answers.rows_of(model).tolist(), 2):
            is_same = (answers.offered[a] == answers.offered[b]).all(axis=1)
            pairs.append(np.where(is_same, total_variation(first_order[a], first_order[b]), np.nan))
        means[m] = _nanmean(np.asarray(pairs).reshape(-1, len(answers.items)))
    return means


def _nanmean(values: FloatArray) -> FloatArray:
    """Mean over the first axis of what is known; NaN where nothing is."""
    count = (~np.isnan(values)).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.where(count > 0, count, np.nan))


def _excluded(answers: Answers, effects: OrderEffects) -> list[str]:
    compared = ~np.isnan(effects.sensitivity)
    n_single = int((answers.answered & ~answers.one_text & ~compared).sum())
    n_no_ends = int((compared & np.isnan(effects.primacy)).sum())
    unit, units = "model-language-question", "model-language-questions"
    notes = [f"Compared: {counted(int(compared.sum()), unit, units)} with two or more option orders."]
    if n_single:
        notes.append(f"Left out: {counted(n_single, unit, units)} with one option order.")
    if n_no_ends:
        notes.append(
            f"Left out on the right: {counted(n_no_ends, unit, units)} without the questionnaire's order, its reverse or readable options."
        )
    if (n_one_text := int((answers.one_text & answers.answered).sum())) > 0:
        notes.append(f"Left out: {counted(n_one_text, unit, units)} whose option orders are one and the same text (no labels).")
    return notes


def _table(answers: Answers, sensitivity: Estimate, primacy: Estimate) -> pd.DataFrame:
    n_units, n_models = len(answers.units), len(answers.models)
    table = pd.DataFrame(
        {
            "model": [*(u.model for u in answers.units), *answers.models],
            "lang": [*(u.lang for u in answers.units), *[OTHER_LANGUAGE] * n_models],
            "n_questions": sensitivity.n,
        }
    )
    ends = estimate_columns("first_minus_last_mean_share", primacy)
    ends.insert(0, "first_minus_last_n_questions", primacy.n)
    ends = ends.reindex(range(n_units + n_models))
    ends["first_minus_last_n_questions"] = ends["first_minus_last_n_questions"].fillna(0).astype(int)
    return pd.concat([table, estimate_columns("total_variation_mean_share", sensitivity), ends], axis=1)
