"""Sentences that stand on several figures: how answers were averaged, what was left out or set aside, and how often."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from evsctl.analysis.bootstrap import DRAWS, MIN_CLUSTERS, Estimate
from evsctl.analysis.study import Answers, Study
from evsctl.analysis.words import counted, listed

AVERAGING = "Answers are renormalised per prompt and averaged over option orders, every order alike."
INTERVALS = f"Intervals: 95% by {DRAWS:,} bootstrap draws of questions; questions that share a prompt are drawn together."
LOW_MASS = 0.5
"""Below this share of next-token mass on valid answers a prompt is counted as weak on the figures."""


def answers_notes(study: Study, answers: Answers) -> list[str]:
    """What holds wherever order-averaged answers are drawn."""
    return [AVERAGING, *one_text_notes(answers), *left_out_notes(study, answers)]


def one_text_notes(answers: Answers) -> list[str]:
    """How many pairs count by permutation 0 alone, and how many of them lack it."""
    is_asked = answers.one_text & (answers.n_orders > 0)
    if not is_asked.any():
        return []
    n_all, n_waiting = int(is_asked.sum()), int((is_asked & ~answers.answered).sum())
    pairs = counted(n_all, "model-language-question counts", "model-language-questions count")
    note = f"{pairs} by the questionnaire's order alone, as all option orders are one and the same text (no labels)"
    lack = f"{n_waiting:,} of them {'lacks that order and is' if n_waiting == 1 else 'lack that order and are'} left out"
    return [f"{note}; {lack}." if n_waiting else f"{note}."]


def left_out_notes(study: Study, answers: Answers) -> list[str]:
    """What loading left out, and which models are not complete."""
    notes = [*unanswered_notes(study), *_left_out_notes(study)]
    incomplete = incomplete_units(answers)
    if incomplete:
        notes.append(f"Incomplete: {listed(incomplete, 4)}.")
    return notes


def unanswered_notes(study: Study) -> list[str]:
    """What the study asks for and nobody answered yet: a figure of a part must not pass for one of the whole."""
    return [study.unanswered] if study.unanswered else []


def incomplete_units(answers: Answers) -> list[str]:
    """Model-languages that answer fewer questions than another model of the language, or too few option orders, in words."""
    answered = answers.answered
    by_lang = {lang: np.asarray([u for u, unit in enumerate(answers.units) if unit.lang == lang]) for lang in answers.langs}
    words = []
    for u, unit in enumerate(answers.units):
        wanted = answered[by_lang[unit.lang]].any(axis=0)
        n_orders = answers.n_orders[by_lang[unit.lang]].max(axis=0)
        n_here = int(answered[u].sum())
        if n_here < wanted.sum():
            words.append(f"{unit} ({n_here} of {int(wanted.sum())} questions)")
        elif (n_short := int((answers.n_orders[u] < n_orders).sum())) > 0:
            words.append(f"{unit} ({counted(n_short, 'question')} without some option orders)")
    return words


def weak_mass_note(answers: Answers) -> str:
    """How many prompts put less than half of the next-token mass on valid answers; they are kept."""
    known = answers.counts & ~np.isnan(answers.p_valid)
    n_weak = int((known & (np.nan_to_num(answers.p_valid, nan=1.0) < LOW_MASS)).sum())
    n_all = int(known.sum())
    return f"{n_weak:,} of {n_all:,} answered prompts put less than {LOW_MASS:.0%} of the next-token mass on valid answers; they are kept."


def interval_note(*estimates: Estimate, what: str = "mean") -> str:
    """How intervals were made, and how many means (or whatever `what` they are) have none."""
    n_without = sum(int((np.isnan(e.low) & ~np.isnan(e.mean)).sum()) for e in estimates)
    if not n_without:
        return INTERVALS
    n = counted(n_without, f"{what} rests", f"{what}s rest")
    return f"{INTERVALS} {n} on fewer than {MIN_CLUSTERS} independent questions and {'has' if n_without == 1 else 'have'} no interval."


def human_notes(study: Study) -> list[str]:
    """What holds wherever human answers are drawn."""
    notes = [study.human_note.strip()] if study.human_note.strip() else []
    if study.humans is not None and study.humans.n_bad_sums:
        n = counted(study.humans.n_bad_sums, "language-question")
        notes.append(f"Left out: {n} whose human probabilities do not sum to 1.")
    return notes


def _left_out_notes(study: Study) -> list[str]:
    left_out, notes = study.left_out, []
    if left_out.other_configs:
        notes.append(
            f"Not asked for: results in the configuration{'s' * (len(left_out.other_configs) > 1)} {listed(left_out.other_configs)}."
        )
    if left_out.massless_prompts:
        notes.append(f"Left out: {counted(left_out.massless_prompts, 'prompt')} without usable probabilities.")
    if left_out.duplicate_rows:
        notes.append(f"Left out: {counted(left_out.duplicate_rows, 'row')} of prompts that the database holds twice.")
    if left_out.unclean_pairs:
        pairs = f"{left_out.unclean_pairs:,} of {counted(left_out.pairs, 'language-question')}"
        notes.append(f"Left out (items: clean): {pairs} whose prompt is another question's too or labels fewer than two answers.")
    if left_out.shared_prompt_pairs:
        pairs = f"{left_out.shared_prompt_pairs:,} of {counted(left_out.pairs, 'language-question')}"
        notes.append(f"Kept: {pairs} whose prompt is another question's too.")
    return notes


def chunks(models: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Models in panels of at most `size`, as even as can be."""
    n_panels = -(-len(models) // size)
    bounds = [round(i * len(models) / n_panels) for i in range(n_panels + 1)]
    return [tuple(models[a:b]) for a, b in pairwise(bounds)]
