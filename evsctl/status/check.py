"""Are a model's answers worth drawing? p_valid by language and by question, and rows that do not add up."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from evsctl.db.connection import Database
from evsctl.db.results import ResultRow, result_rows
from evsctl.status.words import LOW_P_VALID

SUM_TOLERANCE = 1e-3
WORST_QUESTIONS = 12


@dataclass(frozen=True, slots=True)
class GroupCheck:
    """Answers of one language, or to one question."""

    name: str
    prompts: int
    p_valid_mean: float
    low: int
    """Prompts with a p_valid below 0.10: the model hardly meant to answer."""


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """One model's answers at a glance."""

    model_id: str
    prompts: int
    p_valid_mean: float | None
    low: int
    languages: tuple[GroupCheck, ...]
    """In alphabetical order."""
    worst_questions: tuple[GroupCheck, ...]
    """Questions with low answers, the lowest mean first."""
    unsound: int
    """Prompts whose probabilities are no distribution: not finite, negative, or not adding up to 1."""

    @property
    def is_good(self) -> bool:
        """Nothing to look at."""
        return self.prompts > 0 and self.unsound == 0 and (self.p_valid_mean or 0.0) >= LOW_P_VALID


def check_answers(db: Database, model_id: str, configs: Sequence[str]) -> AnswerCheck:
    """Look through the model's stored answers in these configs; raises DatabaseError where they cannot be read."""
    return judge_answers(model_id, result_rows(db, configs=configs, model_ids=[model_id]))


def judge_answers(model_id: str, rows: Sequence[ResultRow]) -> AnswerCheck:
    """The check of these rows, all of one model; pure."""
    prompts: dict[tuple[object, ...], list[ResultRow]] = defaultdict(list)
    for row in rows:
        prompts[row.lang, row.question_id, row.config, row.permutation_idx, row.variant_id].append(row)
    by_language: dict[str, list[float]] = defaultdict(list)
    by_question: dict[str, list[float]] = defaultdict(list)
    unsound = 0
    for answers in prompts.values():
        first = answers[0]
        by_language[first.lang].append(first.p_valid)
        by_question[first.question_id].append(first.p_valid)
        total = sum(answer.prob for answer in answers)
        # Written so that NaN, which compares false with everything, counts as unsound.
        if not (abs(total - 1.0) <= SUM_TOLERANCE and all(answer.prob >= 0.0 for answer in answers)):
            unsound += 1
    values = [value for group in by_language.values() for value in group]
    questions = [group for name, found in by_question.items() if (group := _group(name, found)).low]
    return AnswerCheck(
        model_id=model_id,
        prompts=len(prompts),
        p_valid_mean=fmean(values) if values else None,
        low=sum(value < LOW_P_VALID for value in values),
        languages=tuple(_group(lang, by_language[lang]) for lang in sorted(by_language)),
        worst_questions=tuple(sorted(questions, key=lambda group: (group.p_valid_mean, group.name))[:WORST_QUESTIONS]),
        unsound=unsound,
    )


def _group(name: str, values: Sequence[float]) -> GroupCheck:
    return GroupCheck(name, len(values), fmean(values), sum(value < LOW_P_VALID for value in values))
