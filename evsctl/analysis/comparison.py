"""Model answers beside human answers on the same codes, with the answers that know nothing of the country."""

from dataclasses import dataclass

import numpy as np

from evsctl.analysis.measures import BoolArray, FloatArray, IntArray, uniform
from evsctl.analysis.study import Answers, Humans, Study
from evsctl.analysis.words import counted, listed

NO_HUMANS = "There are no human answers to these questions in the database; `evsctl survey import-human FILE` reads them."
NO_OVERLAP = "No model has answers in a language and to a question that there are human answers to."


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arrays over (unit, question), NaN where the pair cannot be compared."""

    model: FloatArray
    """(U, Q, K)"""
    human: FloatArray
    """(U, Q, K) in the unit's language."""
    uniform: FloatArray
    """(U, Q, K) the same probability on every answer."""
    european: FloatArray
    """(U, Q, K) unweighted mean of the other languages' human answers; NaN too where no other language has any."""
    usable: BoolArray
    """(U, Q)"""
    n_other_codes: int
    """Pairs left out because the prompt offers other codes than the human survey."""
    n_no_human: int
    """Pairs left out because their language has human answers, but not to this question."""
    langs_without_humans: tuple[str, ...]


def compare(study: Study) -> Comparison | str:
    """Lay models and humans side by side; a sentence where there is nothing to compare.

    A pair counts when the prompt offers the codes of the human rows, of its language or of the question in any language.
    """
    answers, humans = study.answers, study.humans
    if answers is None:
        return study.why_empty
    if humans is None:
        return NO_HUMANS
    places = [humans.row_of(unit.lang) for unit in answers.units]
    has_lang = np.asarray([place is not None for place in places])
    row = np.asarray([place if place is not None else 0 for place in places], dtype=np.int64)
    has_human = humans.answered[row] & has_lang[:, None]
    same_codes = _same_codes(answers, humans, row)
    usable = answers.answered & has_human & same_codes
    if not usable.any():
        return NO_OVERLAP
    european = european_mean(humans)[row]
    mask = usable[..., None]
    return Comparison(
        model=np.where(mask, answers.distribution, np.nan),
        human=np.where(mask, humans.prob[row], np.nan),
        uniform=np.where(mask, uniform(answers.offered), np.nan),
        european=np.where(mask, european, np.nan),
        usable=usable,
        n_other_codes=int((answers.answered & has_human & ~same_codes).sum()),
        n_no_human=int((answers.answered & has_lang[:, None] & ~has_human).sum()),
        langs_without_humans=tuple(lang for lang in answers.langs if humans.row_of(lang) is None),
    )


def european_mean(humans: Humans) -> FloatArray:
    """(L, Q, K) for each language the unweighted mean of all other languages' answers; NaN where no other has any."""
    known = humans.answered[..., None]
    total, count = np.where(known, humans.prob, 0.0).sum(axis=0), known.sum(axis=0)
    others = count - known
    return np.asarray((total - np.where(known, humans.prob, 0.0)) / np.where(others > 0, others, np.nan)).clip(min=0.0)


def _same_codes(answers: Answers, humans: Humans, row: IntArray) -> BoolArray:
    own = (answers.offered == humans.has_code[row]).all(axis=2)
    any_language = (answers.offered == humans.has_code.any(axis=0)).all(axis=2)
    return np.asarray(own | any_language)


def comparison_notes(found: Comparison, n_unused: int = 0) -> list[str]:
    """What the comparison left out, counted; `n_unused` of the comparable pairs are left out by the figure itself."""
    unit, units = "model-language-question", "model-language-questions"
    notes = [f"Compared: {counted(int(found.usable.sum()) - n_unused, unit, units)}."]
    if found.n_other_codes:
        notes.append(f"Left out: {counted(found.n_other_codes, unit, units)} whose prompt offers other codes than the human survey.")
    if found.n_no_human:
        notes.append(f"Left out: {counted(found.n_no_human, unit, units)} without human answers to that question.")
    if found.langs_without_humans:
        notes.append(f"No human answers in: {listed(found.langs_without_humans, 22)}.")
    return notes
