"""Examples: the answers to a few questions in a few languages, as distributions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evsctl.analysis.drawing import Drawing, Frame, NoData, new_frame
from evsctl.analysis.forest import NAME_WIDTH, legend_columns
from evsctl.analysis.measures import BoolArray, FloatArray
from evsctl.analysis.notes import answers_notes, human_notes
from evsctl.analysis.study import Answers, Study, natural_key
from evsctl.analysis.style import BASELINE_COLOUR, HUMAN_COLOUR, MODELS_PER_PANEL, PAGE_MM, looks, plain, short

TITLE = "Examples: distributions of answers"
CAPTION = (
    "One row per question, one column per language. Markers: order-averaged probability of each answer; vertical "
    "bars: lowest and highest over "
    "option orders, the uncertainty that the order of the options brings. Baseline: the dashed line, the same probability on every answer. "
    "Grey bars: people, with 95% intervals from the number of valid answers (simple random sampling, no design "
    "effect), where there are human answers."
)
RANGES = "Coloured lines: lowest to highest over option orders; black lines: 95% intervals of people (simple random sampling)."
FAVOURITES = ("v198", "v184", "v206", "v102", "v64", "v68")
FAVOURITE_LANGS = ("eng", "deu", "fra", "ita", "pol", "fin")
PEOPLE = "people"
PEOPLE_FILL = "#c9c9c9"
MAX_QUESTIONS, MAX_LANGS = 6, 4
ROW_MM = 33.0


class Panel(NamedTuple):
    """One question in one language: which units answer it."""

    item: int
    lang: str
    units: tuple[int, ...]


def draw(study: Study) -> Drawing | NoData:
    """Small multiples of answer distributions."""
    answers = study.answers
    if answers is None:
        return NoData(study.why_empty)
    langs, items = choose_langs(answers), choose_items(answers)
    models = answers.models[:MODELS_PER_PANEL]
    panels = [[_panel(answers, item, lang, models) for lang in langs] for item in items]
    about_people = human_notes(study) if study.humans is not None else []
    notes = [*about_people, _selection_note(answers, langs, items, models), RANGES, *answers_notes(study, answers)]
    frame = new_frame(TITLE, notes, len(items) * ROW_MM + 10, PAGE_MM)
    grid = frame.body.subplots(len(items), len(langs), sharey="row", squeeze=False)
    for row, axes in zip(panels, grid, strict=True):
        tops = [_draw_panel(ax, study, answers, panel) for panel, ax in zip(row, axes, strict=True)]
        axes[0].set_ylim(0, max(*tops, 0.1) * 1.05)
        axes[0].set_ylabel("probability")
        _name_row(axes, study, answers, row)
    for lang, ax in zip(langs, grid[0], strict=True):
        ax.annotate(
            plain(lang, 12),
            (1, 1),
            xycoords="axes fraction",
            ha="right",
            va="bottom",
            xytext=(0, 15),
            textcoords="offset points",
            fontweight="bold",
        )
    _legend(frame, models, has_humans=study.humans is not None)
    tables = {"": pd.concat([_panel_table(study, answers, panel) for row in panels for panel in row], ignore_index=True)}
    return Drawing(frame.figure, tables, CAPTION, tuple(notes))


def choose_langs(answers: Answers) -> tuple[str, ...]:
    """Up to four languages: the favourites that are answered, then those with the most answered questions."""
    answered = {lang: int(answers.answered[[u.lang == lang for u in answers.units]].sum()) for lang in answers.langs}
    rank = {lang: place for place, lang in enumerate(FAVOURITE_LANGS)}
    order = sorted(answered, key=lambda lang: (rank.get(lang, len(rank)), -answered[lang], lang))
    return tuple(order[:MAX_LANGS])


def choose_items(answers: Answers) -> tuple[int, ...]:
    """Up to six questions: the favourites that are answered, then the most answered of each response type in turn."""
    coverage = answers.answered.sum(axis=0)
    ids = [item.question_id for item in answers.items]
    chosen = [ids.index(name) for name in FAVOURITES if name in ids and coverage[ids.index(name)]]
    by_type: dict[str, list[int]] = {}
    for i in sorted(range(len(ids)), key=lambda i: (-int(coverage[i]), natural_key(ids[i]))):
        if i not in chosen and coverage[i] and answers.n_options[:, i].max() > 1:
            by_type.setdefault(answers.items[i].response_type, []).append(i)
    while len(chosen) < MAX_QUESTIONS and any(by_type.values()):
        for response_type in sorted(by_type):
            chosen += [by_type[response_type].pop(0)] if by_type[response_type] else []
    if not chosen:
        chosen = [int(coverage.argmax())]
    return tuple(chosen[:MAX_QUESTIONS])


def _panel(answers: Answers, item: int, lang: str, models: Sequence[str]) -> Panel:
    units = tuple(u for u, unit in enumerate(answers.units) if unit.lang == lang and unit.model in models and answers.answered[u, item])
    return Panel(item, lang, units)


def _draw_panel(ax: Axes, study: Study, answers: Answers, panel: Panel) -> float:
    """Draw one panel and tell how high it reaches."""
    human = _human(study, panel)
    offered = (
        answers.offered[list(panel.units), panel.item].any(axis=0) if panel.units else np.zeros(answers.codes.shape[1], dtype=np.bool_)
    )
    shown = np.asarray(offered | (human[0] > 0) if human is not None else offered, dtype=np.bool_)
    if not shown.any():
        ax.text(0.5, 0.5, "no answers", ha="center", va="center", transform=ax.transAxes, color=BASELINE_COLOUR)
        ax.set_xticks([])
        return 0.0
    codes = answers.codes[panel.item][shown]
    tops = [0.0]
    if human is not None:
        x, (p, low, high) = np.arange(len(codes)), human
        ax.bar(x, p[shown], width=0.86, color=PEOPLE_FILL, linewidth=0)
        ax.vlines(x, low[shown], high[shown], color=HUMAN_COLOUR, linewidth=1.4)
        tops.append(float(np.nanmax(np.fmax(p, high))))
    tops += _draw_models(ax, answers, panel, shown)
    if offered.any():
        ax.axhline(1 / offered.sum(), color=BASELINE_COLOUR, linestyle=(0, (4, 2)), linewidth=0.8, zorder=1)
    ax.set_xticks(range(len(codes)), [str(code) for code in codes])
    ax.grid(axis="y")
    return max(tops)


def _draw_models(ax: Axes, answers: Answers, panel: Panel, shown: BoolArray) -> list[float]:
    styles = looks(answers.models)
    width = 0.7 / max(len(panel.units), 1)
    tops = []
    for slot, u in enumerate(panel.units):
        look = styles[answers.units[u].model]
        mean, low, high = _order_range(answers, u, panel.item)
        x = np.arange(int(shown.sum())) + (slot - (len(panel.units) - 1) / 2) * width
        ax.vlines(x, low[shown], high[shown], color=look.colour, linewidth=0.8)
        ax.plot(x, mean[shown], marker=look.marker, color=look.colour, markersize=3, linestyle="", markeredgewidth=0)
        tops.append(float(high.max()))
    return tops


def _name_row(axes: Sequence[Axes], study: Study, answers: Answers, row: Sequence[Panel]) -> None:
    """The question over the whole row; the layout reserves its height but not its width."""
    for ax in axes:
        ax.set_title(" ")
    title = axes[0].annotate(_title(study, answers, row[0]), (0, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points")
    title.set_in_layout(False)


def _order_range(answers: Answers, u: int, item: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, lowest and highest probability of each code over the option orders that count."""
    orders = np.nan_to_num(answers.prob[u, item][answers.counts[u, item]])
    return answers.distribution[u, item], orders.min(axis=0), orders.max(axis=0)


def _human(study: Study, panel: Panel) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """People's probabilities and their 95% intervals (NaN without a number of answers); None where there are no human answers."""
    row = study.humans.row_of(panel.lang) if study.humans is not None else None
    if study.humans is None or row is None or not study.humans.answered[row, panel.item]:
        return None
    p, n = study.humans.prob[row, panel.item], study.humans.n_valid[row, panel.item]
    half = 1.96 * np.sqrt(p * (1 - p) / (n if n > 0 else np.nan))
    return p, np.maximum(p - half, 0.0), np.minimum(p + half, 1.0)


def _title(study: Study, answers: Answers, panel: Panel) -> str:
    question_id = answers.items[panel.item].question_id
    text = study.texts.get((question_id, "eng")) or study.texts.get((question_id, panel.lang), "")
    return f"{plain(question_id, 12)}: {plain(text.partition(chr(10))[0], 90)}"


def _selection_note(answers: Answers, langs: Sequence[str], items: Sequence[int], models: Sequence[str]) -> str:
    shown = [
        (len(items), len(answers.items), "questions"),
        (len(langs), len(answers.langs), "languages"),
        (len(models), len(answers.models), "models"),
    ]
    return "Shown: " + ", ".join(f"{some} of {every} {what}" for some, every, what in shown) + "."


def _legend(frame: Frame, models: Sequence[str], *, has_humans: bool) -> None:
    handles: list[Artist] = [
        Line2D([], [], linestyle="", marker=look.marker, markersize=4, color=look.colour, label=short(m, NAME_WIDTH))
        for m, look in looks(models).items()
    ]
    handles.append(Line2D([], [], linestyle=(0, (4, 2)), color=BASELINE_COLOUR, label="uniform"))
    if has_humans:
        handles.append(Patch(color=PEOPLE_FILL, label=PEOPLE))
    frame.body.legend(handles=handles, loc="outside upper left", ncols=legend_columns([str(handle.get_label()) for handle in handles]))


def _panel_table(study: Study, answers: Answers, panel: Panel) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    item, human = answers.items[panel.item], _human(study, panel)
    for u in panel.units:
        mean, low, high = _order_range(answers, u, panel.item)
        n_orders = int(answers.counts[u, panel.item].sum())
        rows += [
            (item.question_id, panel.lang, answers.units[u].model, int(answers.codes[panel.item, k]), mean[k], low[k], high[k], n_orders)
            for k in np.flatnonzero(answers.offered[u, panel.item])
        ]
    if human is not None and study.humans is not None:
        p, low, high = human
        codes = np.flatnonzero(study.humans.has_code[study.humans.langs.index(panel.lang), panel.item])
        rows += [(item.question_id, panel.lang, PEOPLE, int(answers.codes[panel.item, k]), p[k], low[k], high[k], None) for k in codes]
    columns = ["question_id", "lang", "model", "answer_code", "probability_share", "low_share", "high_share", "n_option_orders"]
    return pd.DataFrame(rows, columns=columns).astype({"n_option_orders": "Int64"})
