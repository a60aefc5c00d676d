"""How a question is worded as a prompt: options printed as numbered lines, then the answer cue."""

from collections.abc import Sequence
from dataclasses import dataclass

from evsctl.survey.cleaning import clean_label, has_meaning
from evsctl.survey.types import AnswerOption, Translation


@dataclass(frozen=True, slots=True)
class WordedPrompt:
    """A prompt's text and what its printed answers mean."""

    text: str
    valid_values: tuple[str, ...]
    value_map: dict[str, str]


def word_options(question_text: str, translation: Translation, order: Sequence[int]) -> WordedPrompt:
    """Word a question whose options are listed in `order`.

    The questionnaire's own order prints the options' own values, every other prints 1..n.
    """
    options = [translation.options[index] for index in order]
    in_order = list(order) == sorted(order)
    value_map = {str(option.value if in_order else position): str(option.value) for position, option in enumerate(options, 1)}
    lines = [_line(printed, clean_label(option.label)) for printed, option in zip(value_map, options, strict=True)]
    return _assemble(question_text, lines, translation.answer_cue, value_map)


def word_scale(question_text: str, translation: Translation, order: Sequence[int], permutation_idx: int) -> WordedPrompt:
    """Word a 1-to-10 scale whose points stand for the values `order` + 1.

    Permutations 0 and 1 label the two ends only, the shuffled ones every value that has a label.
    """
    by_value = {option.value: option for option in translation.options}
    value_map = {str(point): str(index + 1) for point, index in enumerate(order, 1)}
    lines = []
    for point, index in enumerate(order, 1):
        is_shown = permutation_idx > 1 or point in (1, 10)
        lines.append(_line(str(point), _scale_label(by_value.get(index + 1)) if is_shown else ""))
    return _assemble(question_text, lines, translation.answer_cue, value_map)


def scale_labels(translation: Translation) -> int:
    """How many points of a scale have a label that says something."""
    return sum(has_meaning(option.label) for option in translation.options)


def _scale_label(option: AnswerOption | None) -> str:
    return clean_label(option.label) if option is not None and has_meaning(option.label) else ""


def _line(printed: str, label: str) -> str:
    return f"{printed}. {label}" if label else f"{printed}."


def _assemble(question_text: str, lines: Sequence[str], answer_cue: str, value_map: dict[str, str]) -> WordedPrompt:
    # The space after the colon is part of the study's prompts: without it most of the mass goes to white space.
    text = f"{question_text}\n" + "\n".join(lines) + f"\n{answer_cue}: "
    return WordedPrompt(text, tuple(value_map), value_map)
