"""Distance: how far the answers of two model-languages lie apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evsctl.analysis.bootstrap import Estimate
from evsctl.analysis.drawing import Drawing, NoData, new_frame
from evsctl.analysis.forest import NAME_WIDTH, baseline, draw_point, estimate_columns
from evsctl.analysis.measures import FloatArray, IntArray, jsd_bits, uniform
from evsctl.analysis.notes import answers_notes, interval_note
from evsctl.analysis.study import Answers, Study
from evsctl.analysis.style import BASE_PT, BASELINE_COLOUR, PAGE_MM, SEQUENTIAL, SMALL_PT, Look, plain, short
from evsctl.analysis.words import counted

TITLE = "Distance between model-languages"
CAPTION = (
    "Jensen-Shannon distance (root of the divergence in bits, 0 the same answers, 1 no answer in common), mean over shared questions. "
    "Last row and column, 'uniform': distance to the same probability on every answer; two model-languages that are closer to uniform than "
    "to each other share little. Right: mean distances by kind of pair with 95% intervals, the mean distance to uniform as the baseline. "
    "distance.csv has the interval of every pair."
)
UNIFORM = "uniform"
LABELLED_UNITS = 150
"""Above this many model-languages only models are named on the axes."""

NUMBERED_ROWS = 7
"""Up to this many rows every cell has room for its number and interval."""

KINDS = ("same model, other language", "same language, other model", "other model and language")


@dataclass(frozen=True, slots=True)
class Distances:
    """Distances of all pairs of model-languages; uniform stands last."""

    first: IntArray
    """Of each pair."""
    second: IntArray
    """Of each pair, above `first`; the number of units stands for uniform."""
    distance: FloatArray
    """(Q, pairs); NaN where one has no answer or the offered codes differ."""
    divergence: FloatArray
    """(Q, pairs) bits."""
    n_other_codes: int
    """Comparisons left out because the two prompts offer different codes."""
    n_compared: int
    """Comparisons made, uniform not counted."""


def draw(study: Study) -> Drawing | NoData:
    """The matrix of mean distances, and means by kind of pair."""
    answers = study.answers
    if answers is None:
        return NoData(study.why_empty)
    found = distances(answers)
    by_pair = study.resampler.mean(found.distance)
    kinds = pair_kinds(answers, found)
    by_kind = study.resampler.ratio(*_kind_sums(found, kinds))
    notes = [*_excluded(found, by_pair), *answers_notes(study, answers), interval_note(by_kind)]
    n = len(answers.units) + 1
    side_mm = _side_mm(n)
    is_tight = not all(_fits(short(m, NAME_WIDTH), len(answers.rows_of(m)), n - 1) for m in answers.models)
    names_mm = 45 if is_tight else 15
    width_mm = max(PAGE_MM, side_mm + names_mm + 85)
    frame = new_frame(TITLE, notes, side_mm + (52 if is_tight else 24), width_mm)
    left, right = frame.body.subplots(1, 2, width_ratios=[side_mm + names_mm, width_mm - side_mm - names_mm])
    _draw_matrix(left, answers, found, by_pair)
    _draw_kinds(right, by_kind)
    return Drawing(frame.figure, {"": _pair_table(study, answers, found, by_pair), "kinds": _kind_table(by_kind)}, CAPTION, tuple(notes))


def distances(answers: Answers) -> Distances:
    """Distances of every pair of units and of every unit to uniform, over questions that offer both the same codes."""
    n = len(answers.units)
    first, second = np.triu_indices(n, k=1)
    first, second = np.concatenate([first, np.arange(n)]), np.concatenate([second, np.full(n, n)])
    p, flat = answers.distribution, uniform(answers.offered)
    divergence = np.full((len(first), len(answers.items)), np.nan)
    n_other_codes = 0
    for unit in range(n):
        at = np.flatnonzero((first == unit) & (second < n))
        others = second[at]
        is_same = (answers.offered[unit] == answers.offered[others]).all(axis=2)
        has_both = answers.answered[unit] & answers.answered[others]
        n_other_codes += int((has_both & ~is_same).sum())
        divergence[at] = np.where(is_same, jsd_bits(p[unit], p[others]), np.nan)
    divergence[len(first) - n :] = jsd_bits(p, flat)
    n_compared = int((~np.isnan(divergence[: len(first) - n])).sum())
    return Distances(first, second, np.sqrt(divergence).T, divergence.T, n_other_codes, n_compared)


def pair_kinds(answers: Answers, found: Distances) -> IntArray:
    """For each pair its place in `KINDS`; `len(KINDS)` for pairs with uniform."""
    models = np.asarray([answers.models.index(u.model) for u in answers.units] + [-1])
    langs = np.asarray([answers.langs.index(u.lang) for u in answers.units] + [-1])
    same_model, same_lang = models[found.first] == models[found.second], langs[found.first] == langs[found.second]
    kinds = np.where(same_model, 0, np.where(same_lang, 1, 2))
    return np.asarray(np.where(found.second == len(answers.units), len(KINDS), kinds), dtype=np.int64)


def _kind_sums(found: Distances, kinds: IntArray) -> tuple[FloatArray, FloatArray]:
    member = (kinds[:, None] == np.arange(len(KINDS) + 1)).astype(np.float64)  # (pairs, kinds)
    known = ~np.isnan(found.distance)
    return np.where(known, found.distance, 0.0) @ member, known.astype(np.float64) @ member


def _matrix(found: Distances, of_pairs: FloatArray, n: int) -> FloatArray:
    matrix = np.zeros((n, n))
    matrix[found.first, found.second] = matrix[found.second, found.first] = of_pairs
    return matrix


def _draw_matrix(ax: Axes, answers: Answers, found: Distances, by_pair: Estimate) -> None:
    n = len(answers.units)
    matrix = _matrix(found, by_pair.mean, n + 1)
    image = ax.imshow(matrix, cmap=SEQUENTIAL, vmin=0, vmax=max(float(np.nanmax(matrix)), 0.1), interpolation="nearest")
    ax.set_facecolor("#ffffff")
    bar = ax.figure.colorbar(image, ax=ax, location="bottom", shrink=0.6, aspect=30, pad=0.01)
    bar.set_label("mean Jensen-Shannon distance (base 2, 0 to 1)")
    ax.set_anchor("N")
    if n + 1 <= NUMBERED_ROWS:
        _write_numbers(ax, found, by_pair)
    _name_units(ax, answers)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _write_numbers(ax: Axes, found: Distances, by_pair: Estimate) -> None:
    """Each distance with its interval below, on both sides of the diagonal."""
    middle = float(np.nanmax(by_pair.mean, initial=0.0)) * 0.55
    for pair, (a, b) in enumerate(zip(found.first.tolist(), found.second.tolist(), strict=True)):
        mean, low, high = by_pair.mean[pair], by_pair.low[pair], by_pair.high[pair]
        if np.isnan(mean):
            continue
        words = f"{mean:.2f}" if np.isnan(low) else f"{mean:.2f}\n{low:.2f}–{high:.2f}"
        for x, y in ((a, b), (b, a)):
            ax.text(x, y, words, ha="center", va="center", fontsize=6, color="white" if mean < middle else "black")


def _name_units(ax: Axes, answers: Answers) -> None:
    """Languages on the ticks, models beside and above their blocks, white lines between blocks."""
    n = len(answers.units)
    names = [*(plain(u.lang, 8) for u in answers.units), UNIFORM]
    size = 6.0 if n > 30 else BASE_PT - 1
    shown = range(n + 1) if n <= LABELLED_UNITS else range(n, n + 1)
    ax.set_xticks(shown, [names[i] for i in shown], rotation=90, fontsize=size)
    ax.set_yticks(shown, [names[i] for i in shown], fontsize=size)
    ax.tick_params(length=0, pad=1)
    for model in answers.models:
        rows = answers.rows_of(model)
        for line in (ax.axhline, ax.axvline):
            line(float(rows[-1]) + 0.5, color="white", linewidth=1.2)
        middle, name = float(rows.mean()), short(model, NAME_WIDTH)
        fits = _fits(name, len(rows), n)
        style: dict[str, Any] = {"fontsize": BASE_PT - 1, "annotation_clip": False, "textcoords": "offset points"}
        ax.annotate(name, (0, middle), xytext=(-38, 0), xycoords=("axes fraction", "data"), rotation=90 if fits and len(rows) > 3 else 0,
                    ha="right", va="center", **style)  # fmt: skip
        ax.annotate(name, (middle, 1), xytext=(0, 3), xycoords=("data", "axes fraction"), rotation=0 if fits else 90,
                    ha="center", va="bottom", **style)  # fmt: skip


def _side_mm(n_rows: int) -> float:
    return max(n_rows * 13.0, 39.0) if n_rows <= NUMBERED_ROWS else float(np.clip(n_rows * 2.35, 75, 260))


def _fits(name: str, n_rows: int, n_units: int) -> bool:
    """Whether a model's name is no wider than its block of the matrix."""
    return len(name) * 1.4 < n_rows * _side_mm(n_units + 1) / (n_units + 1)


def _draw_kinds(ax: Axes, by_kind: Estimate) -> None:
    for kind in range(len(KINDS)):
        draw_point(ax, by_kind, kind, kind, Look("#0072B2", "o"), size=5)
        if np.isnan(by_kind.mean[kind]):
            ax.text(0.02, kind, "no such pair", transform=ax.get_yaxis_transform(), va="center", fontsize=SMALL_PT, color=BASELINE_COLOUR,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    low, high = by_kind.low[-1], by_kind.high[-1]
    if not np.isnan(low):
        ax.axvspan(low, high, color=BASELINE_COLOUR, alpha=0.2, linewidth=0)
    baseline(ax, float(by_kind.mean[-1]), "to uniform")
    ax.set_yticks(range(len(KINDS)), [kind.replace(", ", ",\n").replace(" and ", "\nand ") for kind in KINDS])
    ax.set(ylim=(len(KINDS) - 0.5, -0.5), xlabel="mean distance", xlim=(0, None))
    ax.set_box_aspect(1.1)
    ax.set_anchor("N")
    ax.grid(axis="x")


def _excluded(found: Distances, by_pair: Estimate) -> list[str]:
    if len(by_pair.mean) == 1:
        return ["There is one model-language only: all that can be shown is its distance to uniform."]
    notes = [f"Compared: {counted(found.n_compared, 'pair of model-languages on a question', 'pairs of model-languages on a question')}."]
    if found.n_other_codes:
        notes.append(f"Left out: {counted(found.n_other_codes, 'such pair')} whose prompts offer different answer codes.")
    if (n_empty := int(np.isnan(by_pair.mean).sum())) > 0:
        notes.append(f"{counted(n_empty, 'pair shares', 'pairs share')} no question and stay{'s' if n_empty == 1 else ''} white.")
    return notes


def _pair_table(study: Study, answers: Answers, found: Distances, by_pair: Estimate) -> pd.DataFrame:
    models = [*(u.model for u in answers.units), UNIFORM]
    langs = [*(u.lang for u in answers.units), ""]
    columns: Mapping[str, object] = {
        "model_1": [models[i] for i in found.first],
        "lang_1": [langs[i] for i in found.first],
        "model_2": [models[i] for i in found.second],
        "lang_2": [langs[i] for i in found.second],
        "n_questions": by_pair.n,
    }
    bits = study.resampler.mean(found.divergence).mean
    return pd.concat(
        [pd.DataFrame(columns), estimate_columns("js_distance_mean", by_pair), pd.DataFrame({"js_divergence_mean_bits": bits})], axis=1
    )


def _kind_table(by_kind: Estimate) -> pd.DataFrame:
    table = pd.DataFrame({"kind_of_pair": [*KINDS, "to uniform"], "n_comparisons": by_kind.n})
    return pd.concat([table, estimate_columns("js_distance_mean", by_kind)], axis=1)
