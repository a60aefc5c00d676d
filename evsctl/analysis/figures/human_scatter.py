"""Human scatter: mean answers of models against people's, and what of the correlation is more than the length of the scales."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from evsctl.analysis.bootstrap import Estimate
from evsctl.analysis.comparison import compare, comparison_notes
from evsctl.analysis.drawing import Drawing, NoData, new_frame
from evsctl.analysis.expectations import MIN_LANGS, Correlations, Expectations, Interval, correlations, expectations
from evsctl.analysis.forest import NAME_WIDTH, baseline
from evsctl.analysis.notes import answers_notes, human_notes, interval_note
from evsctl.analysis.study import Answers, Study
from evsctl.analysis.style import BASELINE_COLOUR, PAGE_MM, short
from evsctl.analysis.words import counted

TITLE = "Human comparison: mean answers"
CAPTION = (
    "Upper panels: mean answer of people against the model's, one point per language and question with ordered "
    "answers, in the questionnaire's codes, "
    "coloured by the span of the scale; the line marks equal means. Lower panel: r of the upper panel (open "
    "circle), the same r when uniform answers "
    "take the model's place (grey bar: what the length of the scales gives by itself), and the within-question r "
    "(filled): for each question "
    f"the correlation across at least {MIN_LANGS} languages, averaged over questions by Fisher's z. Only the last "
    f"asks whether a model's answers follow "
    "the country; its baseline is 0. 95% intervals by bootstrap of questions."
)
COLUMNS = 4
NUMBER_COLOUR = "#0072B2"
PANEL_MM = 44.0
SPAN_COLOURS = ("#56B4E9", "#0072B2", "#009E73", "#E69F00", "#D55E00")
SPAN_MARKERS = ("o", "s", "^", "v", "x")


def draw(study: Study) -> Drawing | NoData:
    """Scatter of mean answers by model, with correlations and their baselines below."""
    answers, found = study.answers, compare(study)
    if isinstance(found, str) or answers is None:
        return NoData(found if isinstance(found, str) else study.why_empty)
    pairs = expectations(answers, found)
    models = [m for m in answers.models if not np.isnan(pairs.model[answers.rows_of(m)]).all()]
    if not models:
        return NoData("None of the questions that models and people both answered has ordered answers: there is no mean answer to compare.")
    numbers = {model: correlations(pairs, answers.rows_of(model), study.resampler) for model in models}
    notes = [
        *human_notes(study),
        *comparison_notes(found, pairs.n_unordered + pairs.n_single),
        *_excluded(pairs, numbers),
        *answers_notes(study, answers),
        _interval_note(numbers),
    ]
    n_columns = min(COLUMNS, max(len(models), 2))
    n_rows = -(-len(models) // n_columns)
    bottom_mm = 27 + 7.0 * len(models)
    frame = new_frame(TITLE, notes, n_rows * PANEL_MM + bottom_mm + 8, PAGE_MM)
    upper, lower = frame.rows([n_rows * PANEL_MM + 8, bottom_mm])
    axes = upper.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    classes = span_classes(pairs)
    for model, ax in zip(models, axes.flat, strict=False):
        _draw_scatter(ax, short(model, 22), pairs, answers.rows_of(model).tolist(), classes)
    for ax in list(axes.flat)[len(models) :]:
        ax.set_visible(False)
    upper.supxlabel("model: mean answer (code)", fontsize=8)
    upper.supylabel("people: mean (code)", fontsize=8)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    upper.legend(handles, labels, loc="outside upper left", ncols=len(classes), markerscale=1.8, handletextpad=0.1)
    _draw_numbers(lower.subplots(), numbers)
    _number_legend(lower)
    return Drawing(frame.figure, {"": _pair_table(answers, pairs), "correlations": _number_table(numbers)}, CAPTION, tuple(notes))


def span_classes(pairs: Expectations) -> tuple[int, ...]:
    """The spans that occur, ascending."""
    return tuple(sorted({int(span) for span in pairs.span[~np.isnan(pairs.span)]}))


def _draw_scatter(ax: Axes, title: str, pairs: Expectations, rows: Sequence[int], classes: Sequence[int]) -> None:
    for place, span in enumerate(classes):
        is_class = pairs.span[rows] == span
        style = min(place, len(SPAN_COLOURS) - 1)
        ax.plot(
            pairs.model[rows][is_class],
            pairs.human[rows][is_class],
            linestyle="",
            marker=SPAN_MARKERS[style],
            markersize=2.0,
            color=SPAN_COLOURS[style],
            alpha=0.5,
            markeredgewidth=0.4,
            label=f"{span + 1} points",
            rasterized=is_class.sum() > 2000,
        )
    low, high = float(np.nanmin(pairs.human)), float(np.nanmax(pairs.human))
    ax.plot([low, high], [low, high], color=BASELINE_COLOUR, linestyle=(0, (4, 2)), linewidth=0.8)
    ax.set_title(title)
    ax.grid()


def _draw_numbers(ax: Axes, numbers: Mapping[str, Correlations]) -> None:
    for place, found in enumerate(numbers.values()):
        for shift, number, face in ((-0.18, found.raw, "white"), (0.18, found.within, NUMBER_COLOUR)):
            if np.isnan(number.value):
                continue
            y = place + shift
            if not np.isnan(number.low):
                ax.plot([number.low, number.high], [y, y], color=NUMBER_COLOUR, linewidth=0.9)
            ax.plot([number.value], [y], marker="o", markersize=4.5, markerfacecolor=face, markeredgecolor=NUMBER_COLOUR, linestyle="")
        if not np.isnan(found.uniform.value):
            ax.plot([found.uniform.value] * 2, [place - 0.4, place + 0.04], color=BASELINE_COLOUR, linewidth=2.0)
        words = f"within {_in_words(found.within)}   raw {_in_words(found.raw)}   uniform {_in_words(found.uniform)}"
        ax.annotate(words, (1.01, place), xycoords=("axes fraction", "data"), fontsize=6.5, va="center", annotation_clip=False)
    baseline(ax, 0.0, "no relation")
    ax.set_yticks(range(len(numbers)), [short(model, NAME_WIDTH) for model in numbers])
    known = [n.low for n in _all(numbers) if not np.isnan(n.low)] + [n.value for n in _all(numbers) if not np.isnan(n.value)]
    ax.set(xlim=(min([-0.5, *(r - 0.05 for r in known)]), 1.0), ylim=(len(numbers) - 0.5, -0.5), xlabel="correlation r")
    ax.grid(axis="x")


def _number_legend(part: SubFigure) -> None:
    blue: dict[str, Any] = {"marker": "o", "linestyle": "", "markeredgecolor": NUMBER_COLOUR, "markersize": 4.5}
    handles = [
        Line2D([], [], label="within questions", markerfacecolor=NUMBER_COLOUR, **blue),
        Line2D([], [], label="raw", markerfacecolor="white", **blue),
        Line2D(
            [],
            [],
            label="raw, uniform answers in place of the model's",
            color=BASELINE_COLOUR,
            marker="|",
            markersize=8,
            markeredgewidth=2,
            linestyle="",
        ),
    ]
    part.legend(handles=handles, loc="outside upper left", ncols=3, handletextpad=0.2)


def _all(numbers: Mapping[str, Correlations]) -> list[Interval]:
    return [number for found in numbers.values() for number in (found.raw, found.uniform, found.within)]


def _in_words(number: Interval) -> str:
    if np.isnan(number.value):
        return "–"
    interval = "" if np.isnan(number.low) else f" [{number.low:.2f}, {number.high:.2f}]"
    return f"{number.value:.2f}{interval}".replace("-", "−")


def _excluded(pairs: Expectations, numbers: Mapping[str, Correlations]) -> list[str]:
    unit, units = "model-language-question", "model-language-questions"
    notes = []
    if pairs.n_unordered:
        notes.append(f"Left out: {counted(pairs.n_unordered, unit, units)} whose answers are not ordered.")
    if pairs.n_single:
        notes.append(f"Left out: {counted(pairs.n_single, unit, units)} with a single answer.")
    short = [model for model, found in numbers.items() if not found.n_questions_within]
    if short:
        is_all = len(short) == len(numbers)
        who = "any model" if is_all else ", ".join(short)
        notes.append(f"No within-question r for {who}: no question has {MIN_LANGS} languages that differ.")
    return notes


def _interval_note(numbers: Mapping[str, Correlations]) -> str:
    values = np.asarray([(number.value, number.low, number.high) for number in _all(numbers)])
    return interval_note(Estimate(values[:, 0], values[:, 1], values[:, 2], np.zeros(len(values), dtype=np.int64)), what="correlation")


def _pair_table(answers: Answers, pairs: Expectations) -> pd.DataFrame:
    u, q = np.nonzero(~np.isnan(pairs.model))
    return pd.DataFrame(
        {
            "model": [answers.units[i].model for i in u],
            "lang": [answers.units[i].lang for i in u],
            "question_id": [answers.items[i].question_id for i in q],
            "response_type": [answers.items[i].response_type for i in q],
            "scale_span_codes": pairs.span[u, q].astype(int),
            "model_mean_answer_code": pairs.model[u, q],
            "human_mean_answer_code": pairs.human[u, q],
            "uniform_mean_answer_code": pairs.uniform[u, q],
        }
    )


def _number_table(numbers: Mapping[str, Correlations]) -> pd.DataFrame:
    rows = []
    for model, found in numbers.items():
        row: dict[str, object] = {"model": model, "n_pairs": found.n_pairs, "n_questions_within": found.n_questions_within}
        for name, number in (("r_raw", found.raw), ("r_uniform", found.uniform), ("r_within_question", found.within)):
            row |= {name: number.value, f"{name}_ci95_low": number.low, f"{name}_ci95_high": number.high}
        rows.append(row)
    return pd.DataFrame(rows)
