"""Quality flags: what may be wrong with a (question, language) pair before any model is asked."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from evsctl.survey.cleaning import clean_label, clean_text, has_meaning
from evsctl.survey.types import Question, Translation

FLAGS: Mapping[str, str] = {
    "missing": "not translated, or translated without options: no prompt",
    "one-option": "a single option: its probability is 1 whatever the model",
    "unlabelled": "no option has a label that says anything",
    "foreign-codes": "its option values are not those of the English question",
    "misaligned": "its options do not fit the response type: probably another question",
    "duplicate": "text and options stand under another question too (the item is not in the text)",
    "machine-aligned": "matched to the English question by a language model",
    "position-aligned": "matched to the English question by its position only",
    "code-in-text": "a variable code or card number stands in the text",
}

PairFlags = Mapping[tuple[str, str], frozenset[str]]

_CODE = re.compile(r"\b[vVqQ]\d{1,3}\b|\b(?:SHOW ?CARD|CARD|KAART|KARTE|CARTE|KORT)\s+\d+", re.IGNORECASE)


def quality_flags(questions: Iterable[Question]) -> PairFlags:
    """Flags of every (question id, language) pair of the survey, in the order of questions and sorted languages.

    Languages are those of any question; a pair without flags has an empty set.
    """
    questions = list(questions)
    languages = sorted({lang for question in questions for lang in question.translations})
    doubles = _duplicates(questions)
    flags: dict[tuple[str, str], frozenset[str]] = {}
    for question in questions:
        for lang in languages:
            found = _flags_of(question, question.translations.get(lang))
            if (question.question_id, lang) in doubles:
                found.add("duplicate")
            flags[question.question_id, lang] = frozenset(found)
    return flags


def _flags_of(question: Question, translation: Translation | None) -> set[str]:
    if translation is None or not translation.options:
        return {"missing"}
    found = set()
    if len(translation.options) == 1:
        found.add("one-option")
    if not any(has_meaning(option.label) for option in translation.options):
        found.add("unlabelled")
    english = question.translations.get("eng")
    if english is not None and english.options and _values(translation) != _values(english):
        found.add("foreign-codes")
    if _is_misaligned(question, translation):
        found.add("misaligned")
    if translation.match_method == "position":
        found.add("position-aligned")
    elif translation.match_method not in (None, "vcode", "canonical"):
        found.add("machine-aligned")
    if _CODE.search(clean_text(translation.text)):
        found.add("code-in-text")
    return found


def _is_misaligned(question: Question, translation: Translation) -> bool:
    """A ten-point scale with another set of points, or a scale of few points whose codes reach ten."""
    values = _values(translation)
    if question.response_type == "likert10":
        return values - {0} != set(range(1, 11))
    english = question.translations.get("eng")
    return english is not None and bool(english.options) and max(values) >= 10 > max(_values(english))


def _values(translation: Translation) -> set[int]:
    return {option.value for option in translation.options}


def _duplicates(questions: Iterable[Question]) -> set[tuple[str, str]]:
    """Pairs whose cleaned text and options another question of the same language has too."""
    seen: dict[object, list[tuple[str, str]]] = defaultdict(list)
    for question in questions:
        for lang, translation in question.translations.items():
            if translation.options:
                options = tuple((option.value, clean_label(option.label)) for option in translation.options)
                seen[lang, clean_text(translation.text), options].append((question.question_id, lang))
    return {pair for pairs in seen.values() if len(pairs) > 1 for pair in pairs}
