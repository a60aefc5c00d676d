"""Rephrase: what another wording of a question does, beside what another option order does."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from evsctl.analysis.bootstrap import Estimate, make_resampler
from evsctl.analysis.drawing import Drawing, NoData, new_frame
from evsctl.analysis.forest import ForestRow, baseline, draw_forest, estimate_columns, forest_height_mm, legend_above
from evsctl.analysis.measures import FloatArray, js_distance, normalised_entropy
from evsctl.analysis.notes import chunks, interval_note, unanswered_notes
from evsctl.analysis.study import Answers, Study, Unit, sorted_naturally
from evsctl.analysis.style import MODELS_PER_PANEL, PAGE_MM, looks
from evsctl.analysis.words import counted

TITLE = "Rephrase: what the wording does"
CAPTION = (
    "Left: Jensen-Shannon distance (base 2) between another wording and the original in the same option order, mean over questions. "
    "Baseline: the last row, the same distance between two option orders of the original; a wording that moves answers less than that "
    "cannot be told from the noise of option order. Middle and right: change of p_valid and of normalised entropy "
    "against the original; baseline 0."
)
NO_PROMPTS = (
    "There are no results for rephrased prompts: populate with `--rephrasings FILE`, and let a model answer the configuration 'rephrase'."
)
NOT_ASKED = "There are results for rephrased prompts, but their configuration 'rephrase' was not asked for."
NO_PAIRS = "No model has answered both an original and another wording of the same question yet."
REPHRASE = "rephrase"
ORIGINAL = "original"
ORDER_ROW = "option order"


@dataclass(frozen=True, slots=True)
class Effects:
    """Effects per question R, respondent unit U and type of wording T; NaN where a pair is not answered."""

    units: tuple[Unit, ...]
    question_ids: tuple[str, ...]
    types: tuple[str, ...]
    distance: FloatArray
    """(R, U, T + 1): the last is the distance between option orders of the original."""
    p_valid: FloatArray
    """(R, U, T) wording minus original."""
    evenness: FloatArray
    """(R, U, T) wording minus original."""
    n_unpaired: int
    """Answered wordings whose original is not answered."""


def draw(study: Study) -> Drawing | NoData:
    """Effects of wording by type and model."""
    answers = study.rephrased
    if answers is None:
        return NoData(NOT_ASKED if REPHRASE in study.left_out.other_configs else NO_PROMPTS)
    effects = wording_effects(answers)
    if np.isnan(effects.p_valid).all():
        return NoData(NO_PAIRS)
    resampler = make_resampler(np.arange(len(effects.question_ids), dtype=np.int64))
    means = [resampler.mean(values.reshape(len(values), -1)) for values in (effects.distance, effects.p_valid, effects.evenness)]
    names = _names(effects.units)
    notes = [*_excluded(answers, effects), *unanswered_notes(study), interval_note(*means)]
    panels = chunks(names, MODELS_PER_PANEL)
    heights = [max(45.0, forest_height_mm(len(effects.types) + 1, len(models))) for models in panels]
    frame = new_frame(TITLE, notes, sum(heights), PAGE_MM)
    labels = ("Jensen-Shannon distance", "change of p_valid (share)", "change of normalised entropy")
    for models, part in zip(panels, frame.rows(heights), strict=True):
        for place, (ax, estimate, label) in enumerate(zip(part.subplots(1, 3), means, labels, strict=True)):
            rows = _rows(effects, names, models, has_order_row=place == 0)
            draw_forest(ax, looks(models), rows, estimate, show_labels=place == 0)
            ax.axhline(len(effects.types) - 0.5, color="#6f6f6f", linewidth=0.6)
            baseline(ax, 0.0, "no change")
            ax.set_xlabel(label)
        legend_above(part, looks(models))
    return Drawing(
        frame.figure, {"": _mean_table(effects, names, means), "questions": _question_table(effects, names)}, CAPTION, tuple(notes)
    )


def wording_effects(answers: Answers) -> Effects:
    """Pair every wording with the original of its question, model and language, order by order."""
    originals = {item.question_id: i for i, item in enumerate(answers.items) if _is_original(item.variant_id, item.variant_type)}
    variants = [(i, item) for i, item in enumerate(answers.items) if i not in originals.values()]
    types = tuple(sorted({item.variant_type or item.variant_id for _, item in variants}))
    question_ids = sorted_naturally(item.question_id for item in answers.items)
    shape = (len(question_ids), len(answers.units), len(types))
    sums = np.zeros((3, *shape))
    counts = np.zeros((3, *shape))
    by_order, p_valid = answers.by_order, answers.mean_p_valid
    evenness = normalised_entropy(answers.distribution, answers.n_options)
    n_unpaired = 0
    for i, item in variants:
        r, t = question_ids.index(item.question_id), types.index(item.variant_type or item.variant_id)
        original = originals.get(item.question_id)
        if original is None:
            n_unpaired += int(answers.answered[:, i].sum())
            continue
        n_unpaired += int((answers.answered[:, i] & ~answers.answered[:, original]).sum())
        distance = _nanmean(js_distance(by_order[:, i], by_order[:, original]))
        changes = (distance, p_valid[:, i] - p_valid[:, original], evenness[:, i] - evenness[:, original])
        for place, change in enumerate(changes):
            sums[place, r, :, t] += np.nan_to_num(change)
            counts[place, r, :, t] += ~np.isnan(change)
    means = sums / np.where(counts > 0, counts, np.nan)
    orders = _order_distance(answers, originals, question_ids)
    return Effects(
        answers.units, question_ids, types, np.concatenate([means[0], orders[..., None]], axis=2), means[1], means[2], n_unpaired
    )


def _is_original(variant_id: str, variant_type: str) -> bool:
    return variant_type == ORIGINAL or variant_id.endswith(f"_{ORIGINAL}")


def _order_distance(answers: Answers, originals: dict[str, int], question_ids: Sequence[str]) -> FloatArray:
    """(R, U) mean distance between option orders of the original whose texts differ."""
    found = np.full((len(question_ids), len(answers.units)), np.nan)
    for question_id, i in originals.items():
        orders = np.where(answers.one_text[:, i, None, None], np.nan, answers.by_order[:, i])
        pairs = [js_distance(orders[:, a], orders[:, b]) for a, b in combinations(range(len(answers.orders)), 2)]
        found[question_ids.index(question_id)] = _nanmean(np.asarray(pairs).reshape(-1, len(answers.units)).T)
    return found


def _nanmean(values: FloatArray) -> FloatArray:
    """Mean over the last axis of what is known; NaN where nothing is."""
    count = (~np.isnan(values)).sum(axis=-1)
    return np.asarray(np.nansum(values, axis=-1) / np.where(count > 0, count, np.nan))


def _names(units: Sequence[Unit]) -> list[str]:
    """Models, with the language where there is more than one."""
    return [unit.model if len({u.lang for u in units}) == 1 else str(unit) for unit in units]


def _rows(effects: Effects, names: Sequence[str], models: Sequence[str], *, has_order_row: bool) -> list[ForestRow]:
    width = len(effects.types) + has_order_row
    rows = [ForestRow(label, {m: names.index(m) * width + t for m in models}) for t, label in enumerate(effects.types)]
    order_entries = {m: names.index(m) * width + width - 1 for m in models} if has_order_row else {}
    return [*rows, ForestRow(ORDER_ROW if has_order_row else "", order_entries)]


def _excluded(answers: Answers, effects: Effects) -> list[str]:
    n_pairs = int((~np.isnan(effects.p_valid)).sum())
    notes = [
        f"Compared: {counted(n_pairs, 'wording of a question by a model', 'wordings of a question by a model')}, "
        f"{counted(len(effects.question_ids), 'question')}."
    ]
    if effects.n_unpaired:
        notes.append(f"Left out: {counted(effects.n_unpaired, 'answered wording')} whose original is not answered.")
    if (n := int((answers.one_text & answers.answered).sum())) > 0:
        notes.append(f"{counted(n, 'wording')} whose option orders are one text count by the questionnaire's order alone.")
    return notes


def _mean_table(effects: Effects, names: Sequence[str], means: Sequence[Estimate]) -> pd.DataFrame:
    distance, p_valid, evenness = means
    n_types = len(effects.types)
    keys = [(name, kind) for name in names for kind in (*effects.types, ORDER_ROW)]
    head = pd.DataFrame(keys, columns=["model", "wording"]).assign(n_questions=distance.n)
    is_wording = head["wording"].to_numpy() != ORDER_ROW
    parts = [head, estimate_columns("js_distance_mean", distance)]
    for name, estimate in (("p_valid_change_mean_share", p_valid), ("entropy_normalised_change_mean_share", evenness)):
        columns = estimate_columns(name, estimate)
        columns.index = np.flatnonzero(is_wording)
        parts.append(columns.reindex(range(len(names) * (n_types + 1))))
    return pd.concat(parts, axis=1)


def _question_table(effects: Effects, names: Sequence[str]) -> pd.DataFrame:
    r, u, t = np.nonzero(~np.isnan(effects.p_valid))
    return pd.DataFrame(
        {
            "question_id": [effects.question_ids[i] for i in r],
            "model": [names[i] for i in u.tolist()],
            "wording": [effects.types[i] for i in t],
            "js_distance": effects.distance[r, u, t],
            "js_distance_option_orders": effects.distance[r, u, len(effects.types)],
            "p_valid_change_share": effects.p_valid[r, u, t],
            "entropy_normalised_change_share": effects.evenness[r, u, t],
        }
    )
