"""The vocabulary of a survey: questions, their translations, and the prompts made of them."""

from collections.abc import Mapping
from dataclasses import dataclass

RESPONSE_TYPES = ("likert3", "likert4", "likert5", "likert10", "categorical", "frequency")


@dataclass(frozen=True, slots=True)
class AnswerOption:
    """One answer as the questionnaire codes and words it."""

    value: int
    label: str | None


@dataclass(frozen=True, slots=True)
class Translation:
    """A question in one language."""

    text: str
    stem: str
    item: str
    options: tuple[AnswerOption, ...]
    answer_cue: str
    match_method: str | None = None
    """How the question was matched to its English original: `vcode`, `position`, or the name of a language model."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question in all its languages."""

    question_id: str
    response_type: str
    translations: Mapping[str, Translation]


@dataclass(frozen=True, slots=True)
class Rephrasing:
    """One other wording of a question, in English."""

    question_id: str
    variant_id: str
    variant_type: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt as it is stored and asked."""

    question_id: str
    lang: str
    config: str
    permutation_idx: int
    prompt_text: str
    question_text: str
    valid_values: tuple[str, ...]
    """The answers as printed."""
    value_map: Mapping[str, str]
    """Printed answer → response value of the questionnaire."""
    is_likert10: bool
    variant_id: str | None = None
    variant_type: str | None = None
