"""Quality: how much of the next-token mass falls on valid answers at all."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evsctl.analysis.bootstrap import Estimate
from evsctl.analysis.drawing import Drawing, NoData, new_frame
from evsctl.analysis.forest import baseline, draw_forest, estimate_columns, forest_height_mm, language_rows, legend_above
from evsctl.analysis.measures import FloatArray
from evsctl.analysis.notes import chunks, interval_note, left_out_notes, one_text_notes, weak_mass_note
from evsctl.analysis.study import Answers, Study
from evsctl.analysis.style import MODELS_PER_PANEL, PAGE_MM, looks

TITLE = "Quality: next-token mass on valid answers"
CAPTION = (
    "Left: share of questions (question-language pairs of a model) whose p_valid is at most x; band: 95% interval. "
    "Right: mean p_valid by language. p_valid is the next-token probability that falls on any valid answer, before it is renormalised. "
    "Baseline: 1, all mass on valid answers; a model that spreads its mass evenly over its vocabulary would be near 0."
)
GRID = np.linspace(0, 1, 101)


def draw(study: Study) -> Drawing | NoData:
    """p_valid by model (cumulative shares) and by model and language (means)."""
    answers = study.answers
    if answers is None:
        return NoData(study.why_empty)
    p_valid = answers.mean_p_valid
    by_unit = study.resampler.mean(p_valid.T)
    curves = {model: _cumulative(study, p_valid[answers.rows_of(model)]) for model in answers.models}
    notes = [
        "p_valid is averaged over option orders.",
        weak_mass_note(answers),
        *one_text_notes(answers),
        *left_out_notes(study, answers),
        interval_note(by_unit),
    ]
    panels = chunks(answers.models, MODELS_PER_PANEL)
    rows = [language_rows(answers.units, models) for models in panels]
    heights = [forest_height_mm(len(row), len(models)) for row, models in zip(rows, panels, strict=True)]
    frame = new_frame(TITLE, notes, sum(max(height, 75) for height in heights), PAGE_MM)
    for models, panel_rows, part in zip(panels, rows, frame.rows([max(height, 75) for height in heights]), strict=True):
        left, right = part.subplots(1, 2)
        _draw_curves(left, {model: curves[model] for model in models})
        draw_forest(right, looks(models), panel_rows, by_unit)
        baseline(right, 1.0, "all valid")
        right.set(xlim=(0, 1.03), xlabel="mean p_valid (share of next-token mass)")
        legend_above(part, looks(models))
    return Drawing(frame.figure, {"": _unit_table(answers, by_unit), "curves": _curve_table(curves)}, CAPTION, tuple(notes))


def _cumulative(study: Study, p_valid: FloatArray) -> Estimate:
    """Share of a model's (question, language) pairs at or below each point of `GRID`; `p_valid` is (languages, questions)."""
    known = ~np.isnan(p_valid)
    at_most = (np.nan_to_num(p_valid, nan=2.0)[..., None] <= GRID).sum(axis=0).astype(np.float64)  # (Q, grid)
    count = np.broadcast_to(known.sum(axis=0).astype(np.float64)[:, None], at_most.shape)
    return study.resampler.ratio(at_most, count)


def _draw_curves(ax: Axes, curves: dict[str, Estimate]) -> None:
    for model, look in looks(list(curves)).items():
        curve = curves[model]
        ax.fill_between(GRID, curve.low, curve.high, color=look.colour, alpha=0.2, linewidth=0, step="post")
        ax.step(GRID, curve.mean, color=look.colour, where="post")
        at = np.unique(np.searchsorted(curve.mean, (0.25, 0.5, 0.75)))
        ax.plot(
            GRID[at],
            curve.mean[at],
            color=look.colour,
            marker=look.marker,
            markersize=4,
            linestyle="",
            markeredgecolor="white",
            markeredgewidth=0.3,
        )
    ax.set(xlim=(0, 1.03), ylim=(0, 1.01), xlabel="p_valid (share of next-token mass)", ylabel="share of questions at or below")
    baseline(ax, 1.0, "all valid")
    ax.grid()
    ax.set_box_aspect(1)
    ax.set_anchor("N")


def _unit_table(answers: Answers, by_unit: Estimate) -> pd.DataFrame:
    table = pd.DataFrame({"model": [u.model for u in answers.units], "lang": [u.lang for u in answers.units], "n_questions": by_unit.n})
    return pd.concat([table, estimate_columns("p_valid_mean_share", by_unit)], axis=1)


def _curve_table(curves: dict[str, Estimate]) -> pd.DataFrame:
    parts = []
    for model, curve in curves.items():
        head = pd.DataFrame({"model": model, "p_valid_at_most_share": GRID.round(2), "n_questions": curve.n})
        parts.append(pd.concat([head, estimate_columns("questions_at_or_below_share", curve)], axis=1))
    return pd.concat(parts, ignore_index=True)
