"""Summary: entropy, mode, concentration and mean answer of every question; drawn are evenness and p_valid."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evsctl.analysis.bootstrap import Estimate
from evsctl.analysis.drawing import Drawing, NoData, new_frame
from evsctl.analysis.forest import ForestRow, baseline, draw_forest, estimate_columns, forest_height_mm, legend_above
from evsctl.analysis.measures import FloatArray, entropy_bits, expectation, normalised_entropy
from evsctl.analysis.notes import answers_notes, chunks, human_notes, interval_note
from evsctl.analysis.study import ORDINAL_TYPES, Answers, Study
from evsctl.analysis.style import BASELINE_COLOUR, HUMAN_COLOUR, MODELS_PER_PANEL, PAGE_MM, Look, looks
from evsctl.analysis.words import counted

TITLE = "Summary: how even the answers are"
CAPTION = (
    "Left: each point is a model in a language; normalised entropy (0 all mass on one answer, 1 uniform) against "
    "p_valid, means over questions. "
    "Right: normalised entropy by response type, means over questions and languages. "
    "Baselines: 1, uniform answers; where there are human answers, the black diamonds and the dotted line are theirs. "
    "summary_questions.csv lists entropy, mode, concentration (largest probability) and mean answer of every question."
)
HUMANS = "people"
LABELLED_POINTS = 30


def draw(study: Study) -> Drawing | NoData:
    """Evenness against p_valid, evenness by response type, and the table of all questions."""
    answers = study.answers
    if answers is None:
        return NoData(study.why_empty)
    evenness = normalised_entropy(answers.distribution, answers.n_options)
    x, y = study.resampler.mean(np.where(np.isnan(evenness), np.nan, answers.mean_p_valid).T), study.resampler.mean(evenness.T)
    human = human_evenness(study)
    types = tuple(sorted({item.response_type for item in answers.items}))
    names = [*answers.models, *([HUMANS] if human is not None else [])]
    by_type = study.resampler.ratio(*_type_sums(answers, evenness, human, types))
    n_one = int((answers.answered & (answers.n_options < 2)).sum())
    notes = [f"Left out: {counted(n_one, 'model-language-question', 'model-language-questions')} with a single option."] if n_one else []
    notes = [*(human_notes(study) if human is not None else []), *notes, *answers_notes(study, answers), interval_note(x, y, by_type)]
    panels = chunks(answers.models, MODELS_PER_PANEL)
    heights = [max(75.0, forest_height_mm(len(types), len(models) + 1)) for models in panels]
    frame = new_frame(TITLE, notes, sum(heights), PAGE_MM)
    for models, part in zip(panels, frame.rows(heights), strict=True):
        styles = dict(looks(models)) | ({HUMANS: Look(HUMAN_COLOUR, "d")} if human is not None else {})
        left, right = part.subplots(1, 2)
        _draw_points(left, answers, models, x, y, human)
        rows = [ForestRow(t, {name: names.index(name) * len(types) + i for name in styles}) for i, t in enumerate(types)]
        draw_forest(right, styles, rows, by_type)
        baseline(right, 1.0, "uniform")
        right.set(xlim=(None, 1.03), xlabel="mean normalised entropy")
        legend_above(part, styles)
    tables = {
        "": _point_table(answers, x, y),
        "by_type": _type_table(names, types, by_type),
        "questions": question_table(answers, evenness),
    }
    return Drawing(frame.figure, tables, CAPTION, tuple(notes))


def human_evenness(study: Study) -> FloatArray | None:
    """(L, Q) normalised entropy of human answers in the languages of the models; None without human answers there."""
    if study.humans is None or study.answers is None:
        return None
    evenness = normalised_entropy(study.humans.prob, study.humans.has_code.sum(axis=2))
    is_asked = np.asarray([lang in study.answers.langs for lang in study.humans.langs])
    evenness = evenness[is_asked]
    return None if np.isnan(evenness).all() else evenness


def _type_sums(answers: Answers, evenness: FloatArray, human: FloatArray | None, types: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """(Q, names × types) sums and counts of evenness."""
    groups = [evenness[answers.rows_of(model)] for model in answers.models] + ([human] if human is not None else [])
    is_type = np.asarray([[item.response_type == t for t in types] for item in answers.items])
    totals = [np.nansum(group, axis=0)[:, None] * is_type for group in groups]
    counts = [(~np.isnan(group)).sum(axis=0)[:, None] * is_type for group in groups]
    return np.concatenate(totals, axis=1), np.concatenate(counts, axis=1).astype(np.float64)


def _draw_points(ax: Axes, answers: Answers, models: tuple[str, ...], x: Estimate, y: Estimate, human: FloatArray | None) -> None:
    n_points = sum(unit.model in models for unit in answers.units)
    for model, look in looks(models).items():
        for u in answers.rows_of(model).tolist():
            if np.isnan(x.mean[u]):
                continue
            if not np.isnan(x.low[u]):
                ax.plot([x.low[u], x.high[u]], [y.mean[u]] * 2, color=look.colour, linewidth=0.5, alpha=0.6)
                ax.plot([x.mean[u]] * 2, [y.low[u], y.high[u]], color=look.colour, linewidth=0.5, alpha=0.6)
            ax.plot(
                [x.mean[u]], [y.mean[u]], marker=look.marker, color=look.colour, markersize=4, markeredgecolor="white", markeredgewidth=0.3
            )
            if n_points <= LABELLED_POINTS:
                ax.annotate(answers.units[u].lang, (x.mean[u], y.mean[u]), xytext=(3, 2), textcoords="offset points", fontsize=6.5)
    ax.axhline(1.0, color=BASELINE_COLOUR, linestyle=(0, (4, 2)), linewidth=0.9)
    ax.axvline(1.0, color=BASELINE_COLOUR, linestyle=(0, (4, 2)), linewidth=0.9)
    ax.annotate("uniform", (0.005, 1.0), xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points", fontsize=6.5)
    if human is not None:
        level = float(np.nanmean(human))
        ax.axhline(level, color=HUMAN_COLOUR, linestyle=":", linewidth=0.9)
        ax.annotate(HUMANS, (0.005, level), xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points", fontsize=6.5)
    ax.set(xlim=(None, 1.03), ylim=(None, 1.06), xlabel="mean p_valid (share of next-token mass)", ylabel="mean normalised entropy")
    ax.grid()


def _point_table(answers: Answers, x: Estimate, y: Estimate) -> pd.DataFrame:
    head = pd.DataFrame({"model": [u.model for u in answers.units], "lang": [u.lang for u in answers.units], "n_questions": y.n})
    return pd.concat([head, estimate_columns("p_valid_mean_share", x), estimate_columns("entropy_normalised_mean_share", y)], axis=1)


def _type_table(names: list[str], types: tuple[str, ...], by_type: Estimate) -> pd.DataFrame:
    head = pd.DataFrame(
        {
            "model": [name for name in names for _ in types],
            "response_type": [*types] * len(names),
            "n_language_questions": by_type.n,
        }
    )
    return pd.concat([head, estimate_columns("entropy_normalised_mean_share", by_type)], axis=1)


def question_table(answers: Answers, evenness: FloatArray) -> pd.DataFrame:
    """One row per model, language and question that is answered; the mean answer only where codes are ordered."""
    u, q = np.nonzero(answers.answered)
    p = answers.distribution[u, q]
    types = [answers.items[i].response_type for i in q]
    mean = expectation(p, answers.codes[q].astype(np.float64))
    return pd.DataFrame(
        {
            "model": [answers.units[i].model for i in u],
            "lang": [answers.units[i].lang for i in u],
            "question_id": [answers.items[i].question_id for i in q],
            "response_type": types,
            "n_options": answers.n_options[u, q],
            "n_option_orders": answers.counts.sum(axis=2)[u, q],
            "p_valid_mean_share": answers.mean_p_valid[u, q],
            "entropy_bits": entropy_bits(p),
            "entropy_normalised_share": evenness[u, q],
            "mode_code": answers.codes[q, p.argmax(axis=1)],
            "concentration_share": p.max(axis=1),
            "mean_answer_code": np.where(np.isin(types, ORDINAL_TYPES), mean, np.nan),
        }
    )
