"""Invented human answers for the demonstration survey; nothing in them was ever asked of anyone."""

import hashlib
import math
from collections.abc import Iterable, Iterator

from evsctl.db.results import HumanRow
from evsctl.survey.types import Question, Translation

SOURCE = "invented by a formula for this demonstration, no survey is behind them"
RESPONDENTS = 1000


def invented_answers(questions: Iterable[Question]) -> Iterator[HumanRow]:
    """A smooth, repeatable distribution over the options of every (question, language) pair; probabilities sum to 1."""
    for question in questions:
        for lang, translation in sorted(question.translations.items()):
            for value, prob in _distribution(question.question_id, lang, translation).items():
                yield HumanRow(lang, question.question_id, value, prob, RESPONDENTS, RESPONDENTS)


def _distribution(question_id: str, lang: str, translation: Translation) -> dict[int, float]:
    """A normal bump whose centre depends mostly on the question and a little on the language."""
    values = sorted(option.value for option in translation.options)
    span = max(len(values) - 1, 1)
    centre = 0.7 * _number(question_id) + 0.3 * _number(f"{question_id}/{lang}")
    weights = {value: math.exp(-((rank / span - centre) ** 2) / 0.08) + 0.02 for rank, value in enumerate(values)}
    total = sum(weights.values())
    return {value: weight / total for value, weight in weights.items()}


def _number(name: str) -> float:
    """A number in [0, 1) that is the same for the same name everywhere."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
