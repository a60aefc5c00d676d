"""Questions become prompts: every language, every option order, one row each."""

from collections.abc import Iterable, Iterator, Sequence

from evsctl.errors import InputError
from evsctl.survey.cleaning import clean_text
from evsctl.survey.permutations import option_orders
from evsctl.survey.types import Prompt, Question, Rephrasing, Translation
from evsctl.survey.wording import WordedPrompt, scale_labels, word_options, word_scale

CONFIGS = ("legacy", "item")
"""`legacy`: the study's wording, byte for byte. `item`: text, stem and item, recommended for new studies."""

REPHRASE = "rephrase"


def build_prompts(questions: Iterable[Question], config: str = "legacy") -> Iterator[Prompt]:
    """All prompts of a survey in one configuration: questions in the given order, languages sorted, then option orders.

    Per (question, language) `min(6, n!)` option orders; none for no option, one for one option.
    """
    if config not in CONFIGS:
        raise InputError(f"Unknown prompt configuration '{config}'.", f"Known: {', '.join(CONFIGS)}.")
    for question in questions:
        for lang in sorted(question.translations):
            translation = question.translations[lang]
            text = clean_text(translation.text) if config == "legacy" else full_text(translation)
            for index, order in enumerate(_orders(question, translation, config)):
                yield _prompt(question, lang, config, index, text, _word(question, translation, text, order, index))


def rephrase_prompts(questions: Iterable[Question], rephrasings: Iterable[Rephrasing]) -> Iterator[Prompt]:
    """English prompts of other wordings, in the questionnaire's order and reversed; unknown questions are an error."""
    by_id = {question.question_id: question for question in questions}
    for rephrasing in rephrasings:
        question = by_id.get(rephrasing.question_id)
        if question is None or "eng" not in question.translations:
            raise InputError(
                f"Rephrasing '{rephrasing.variant_id}' is of question '{rephrasing.question_id}', which has no English text here."
            )
        translation = question.translations["eng"]
        text = clean_text(rephrasing.text)
        for index, order in enumerate(option_orders(question.question_id, _n_options(question, translation), 2)):
            worded = _word(question, translation, text, order, index)
            yield _prompt(question, "eng", REPHRASE, index, text, worded, rephrasing)


def full_text(translation: Translation) -> str:
    """Text, stem and item, each once: what tells the questions of one battery apart."""
    parts = [clean_text(translation.text)]
    for part in (clean_text(translation.stem), clean_text(translation.item)):
        if part and not any(part.casefold() in present.casefold() for present in parts):
            parts.append(part)
    return " ".join(parts).strip()


def _n_options(question: Question, translation: Translation) -> int:
    return 10 if question.response_type == "likert10" and translation.options else len(translation.options)


def _orders(question: Question, translation: Translation, config: str) -> Sequence[tuple[int, ...]]:
    orders = option_orders(question.question_id, _n_options(question, translation))
    if config == "item" and question.response_type == "likert10":
        # Without labels every order is the same text under another map; with two ends only those can change places.
        labels = scale_labels(translation)
        return orders[:1] if labels == 0 else orders[:2] if labels <= 2 else orders
    return orders


def _word(question: Question, translation: Translation, text: str, order: Sequence[int], index: int) -> WordedPrompt:
    if question.response_type == "likert10":
        return word_scale(text, translation, order, index)
    return word_options(text, translation, order)


def _prompt(
    question: Question, lang: str, config: str, index: int, text: str, worded: WordedPrompt, rephrasing: Rephrasing | None = None
) -> Prompt:
    return Prompt(
        question_id=question.question_id,
        lang=lang,
        config=config,
        permutation_idx=index,
        prompt_text=worded.text,
        question_text=text,
        valid_values=worded.valid_values,
        value_map=worded.value_map,
        is_likert10=question.response_type == "likert10",
        variant_id=rephrasing.variant_id if rephrasing else None,
        variant_type=rephrasing.variant_type if rephrasing else None,
    )
