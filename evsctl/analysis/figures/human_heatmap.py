"""Human heatmap: how similar models answer to the people of the language's country, beside answers that know nothing of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evsctl.analysis.bootstrap import Estimate
from evsctl.analysis.comparison import Comparison, compare, comparison_notes
from evsctl.analysis.drawing import Drawing, NoData, new_frame
from evsctl.analysis.forest import NAME_WIDTH, baseline, draw_point, estimate_columns
from evsctl.analysis.measures import FloatArray, js_distance
from evsctl.analysis.notes import answers_notes, human_notes, interval_note
from evsctl.analysis.study import Answers, Study
from evsctl.analysis.style import BASE_PT, BASELINE_COLOUR, PAGE_MM, SEQUENTIAL, Look, plain, short

TITLE = "Human comparison: similarity to people of the same language"
CAPTION = (
    "Left: similarity = 1 − Jensen-Shannon distance (base 2; 1 the same answers, 0 no answer in common), mean over questions; "
    "human_heatmap.csv has the interval of every cell. Baseline rows at the bottom: 'uniform' gives every answer "
    "the same probability; 'European mean' gives the unweighted mean of the human answers "
    "in all other languages of the database. Both know nothing of the country; they are means over every question "
    "that some model answers in that language. "
    "Right: similarity minus that of uniform on exactly the same questions, mean over a model's languages, 95% intervals. "
    "Baseline 0: no better than uniform; a model right of the European mean tells countries apart."
)
WIDE_COLUMNS = 6
"""Up to this many languages a cell has room for its interval."""
UNIFORM, EUROPEAN = "uniform", "European mean (others)"


@dataclass(frozen=True, slots=True)
class Similarity:
    """Similarities per question, NaN where not comparable."""

    rows: tuple[str, ...]
    """Models, then baselines."""
    langs: tuple[str, ...]
    value: FloatArray
    """(rows, L, Q)"""
    above_uniform: FloatArray
    """(rows, L, Q) minus uniform's on the same question."""


def draw(study: Study) -> Drawing | NoData:
    """Similarity of models and baselines to humans by language, and how far above uniform each is."""
    found = compare(study)
    if isinstance(found, str) or study.answers is None:
        return NoData(found if isinstance(found, str) else study.why_empty)
    similarity = similarities(study.answers, found)
    shape = similarity.value.shape[:2]
    cells = study.resampler.mean(similarity.value.reshape(-1, similarity.value.shape[2]).T)
    gains = study.resampler.mean(similarity.above_uniform.reshape(-1, similarity.value.shape[2]).T)
    overall = _overall(study, similarity)
    alone = [] if EUROPEAN in similarity.rows else ["There is no European mean: only one language has human answers."]
    notes = [*human_notes(study), *comparison_notes(found), *alone, *answers_notes(study, study.answers), interval_note(overall)]
    n_rows, n_columns = shape
    width_mm = max(PAGE_MM, 45 + n_columns * 6.6 + 62)
    height_mm = 34 + n_rows * 7.0
    frame = new_frame(TITLE, notes, height_mm, width_mm)
    left, right = frame.body.subplots(1, 2, sharey=True, width_ratios=[max(n_columns * 6.6, 30), 52])
    _draw_cells(left, similarity, cells)
    _draw_gains(right, similarity, overall)
    tables = {"": _cell_table(similarity, cells, gains), "above_uniform": _overall_table(similarity, overall)}
    return Drawing(frame.figure, tables, CAPTION, tuple(notes))


def similarities(answers: Answers, found: Comparison) -> Similarity:
    """Per row, language and question; a baseline's value is the same for whichever model the question counts."""
    langs = tuple(lang for lang in answers.langs if found.usable[[u.lang == lang for u in answers.units]].any())
    has_european = bool((~np.isnan(found.european).all(axis=2) & found.usable).any())
    rows = (*answers.models, UNIFORM, *([EUROPEAN] if has_european else []))
    value = np.full((len(rows), len(langs), len(answers.items)), np.nan)
    above = value.copy()
    by_model, by_uniform, by_european = (1 - js_distance(p, found.human) for p in (found.model, found.uniform, found.european))
    for u, unit in enumerate(answers.units):
        if unit.lang not in langs:
            continue
        m, at = rows.index(unit.model), langs.index(unit.lang)
        value[m, at], above[m, at] = by_model[u], by_model[u] - by_uniform[u]
        for name, found_here in ((UNIFORM, by_uniform[u]), (EUROPEAN, by_european[u])):
            if name in rows:
                place, known = rows.index(name), ~np.isnan(found_here)
                value[place, at, known] = found_here[known]
                above[place, at, known] = (found_here - by_uniform[u])[known]
    return Similarity(rows, langs, value, above)


def _overall(study: Study, similarity: Similarity) -> Estimate:
    """Mean over a row's languages of its mean gain over uniform; every language counts alike."""
    n_rows, n_langs, n_questions = similarity.above_uniform.shape
    flat = similarity.above_uniform.reshape(-1, n_questions).T
    known = ~np.isnan(flat)
    totals = np.where(known, flat, 0.0)
    replicates = study.resampler.replicates(totals, known.astype(np.float64)).reshape(-1, n_rows, n_langs)
    means = (totals.sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)).reshape(n_rows, n_langs)
    per_row = np.asarray(known.reshape(n_questions, n_rows, n_langs).any(axis=2))
    low, high = study.resampler.interval(_mean_known(replicates), study.resampler.clusters_in(per_row))
    return Estimate(_mean_known(means), low, high, known.reshape(n_questions, n_rows, n_langs).sum(axis=(0, 2)))


def _mean_known(values: FloatArray) -> FloatArray:
    count = (~np.isnan(values)).sum(axis=-1)
    return np.asarray(np.nansum(values, axis=-1) / np.where(count > 0, count, np.nan))


def _draw_cells(ax: Axes, similarity: Similarity, cells: Estimate) -> None:
    shape = similarity.value.shape[:2]
    mean = cells.mean.reshape(shape)
    low, high = float(np.nanmin(mean)), float(np.nanmax(mean))
    image = ax.imshow(mean, cmap=SEQUENTIAL, vmin=low, vmax=max(high, low + 0.02), aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(mean):
        if not np.isnan(value):
            is_dark = value < low + 0.55 * (max(high, low + 0.02) - low)
            at = row * shape[1] + column
            has_room = shape[1] <= WIDE_COLUMNS and not np.isnan(cells.low[at])
            words = _short_number(value)
            if has_room:
                words += f"\n{_short_number(cells.low[at])}–{_short_number(cells.high[at])}"
            ax.text(column, row, words, ha="center", va="center", fontsize=6.5, color="white" if is_dark else "black")
    n_baselines = sum(name in (UNIFORM, EUROPEAN) for name in similarity.rows)
    ax.axhline(len(similarity.rows) - n_baselines - 0.5, color="white", linewidth=2.5)
    ax.set_xticks(
        range(len(similarity.langs)), [plain(lang, 8) for lang in similarity.langs], rotation=90 if len(similarity.langs) > 10 else 0
    )
    ax.set_yticks(range(len(similarity.rows)), [short(name, NAME_WIDTH) for name in similarity.rows], fontsize=BASE_PT - 1)
    ax.tick_params(length=0)
    bar = ax.figure.colorbar(image, ax=ax, location="bottom", shrink=0.6, aspect=30, pad=0.02)
    bar.set_label("similarity (1 − Jensen-Shannon distance)")
    for spine in ax.spines.values():
        spine.set_visible(False)


def _short_number(value: float) -> str:
    """`.56`: a leading zero is room that a cell does not have."""
    return f"{value:.2f}".lstrip("0")


def _draw_gains(ax: Axes, similarity: Similarity, overall: Estimate) -> None:
    for place, name in enumerate(similarity.rows):
        is_baseline = name in (UNIFORM, EUROPEAN)
        draw_point(ax, overall, place, place, Look(BASELINE_COLOUR if is_baseline else "#0072B2", "D" if is_baseline else "o"), size=4.5)
    if EUROPEAN in similarity.rows:
        ax.axvline(float(overall.mean[similarity.rows.index(EUROPEAN)]), color=BASELINE_COLOUR, linestyle=":", linewidth=0.9, zorder=1)
    baseline(ax, 0.0, UNIFORM)
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.set_xlabel("similarity above uniform")
    ax.grid(axis="x")


def _cell_table(similarity: Similarity, cells: Estimate, gains: Estimate) -> pd.DataFrame:
    head = pd.DataFrame(
        {
            "model": [row for row in similarity.rows for _ in similarity.langs],
            "lang": [*similarity.langs] * len(similarity.rows),
            "n_questions": cells.n,
        }
    )
    parts = [head, estimate_columns("similarity_mean", cells), estimate_columns("similarity_above_uniform_mean", gains)]
    return pd.concat(parts, axis=1)[cells.n > 0].reset_index(drop=True)


def _overall_table(similarity: Similarity, overall: Estimate) -> pd.DataFrame:
    head = pd.DataFrame({"model": similarity.rows, "n_language_questions": overall.n})
    return pd.concat([head, estimate_columns("similarity_above_uniform_mean", overall)], axis=1)
