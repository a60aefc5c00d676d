"""Reads the question file and the file of rephrasings; whatever is wrong gets one sentence naming file, question and key."""

import json
from pathlib import Path
from typing import Any

from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.survey.types import RESPONSE_TYPES, AnswerOption, Question, Rephrasing, Translation

LANGUAGES = frozenset(
    (
        "bel bos bul cat ces cym dan deu ell eng est eus fin fra gle glg hrv hun hye isl ita kat lat lav lit lvs mkd mlt nld nno nob nor "
        "pol por ron rus slk slv spa sqi srp swe tur ukr"
    ).split()
)
"""ISO 639-3 codes of European languages; a code outside it is taken for a typing error."""


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a question file: `{"questions": [{canonical_id, response_type, translations: {lang: {text, options, …}}}]}`.

    Raises InputError naming the file, the question and the key. A question in no language at all is an error; a
    translation with no or one option is not: it yields no prompt, or one.
    """
    document = _load_json(path, "questions file")
    entries = document.get("questions") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: no list 'questions' with at least one question.", "Is it the survey's questions.json?")
    questions = tuple(_question(entry, number, path) for number, entry in enumerate(entries, 1))
    seen: set[str] = set()
    for question in questions:
        if question.question_id in seen:
            raise InputError(f"{path}: question '{question.question_id}' stands there twice.", "Remove one of them.")
        seen.add(question.question_id)
    return questions


def read_rephrasings(path: Path) -> tuple[Rephrasing, ...]:
    """Read other wordings of English questions, each entry's original first; raises InputError naming file and entry."""
    document = _load_json(path, "rephrasings file")
    if not isinstance(document, list):
        raise InputError(f"{path}: not a list of rephrasings.", "Is it the survey's rephrasings.json?")
    found: list[Rephrasing] = []
    for number, entry in enumerate(document, 1):
        try:
            question_id = str(entry["canonical_id"])
            found.append(Rephrasing(question_id, f"{question_id}_original", "original", str(entry["original_text"])))
            found += [Rephrasing(question_id, str(v["id"]), str(v["variant_type"]), str(v["text"])) for v in entry["variants"]]
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{path}: rephrasing {number} lacks {error}.", "Each needs canonical_id, original_text and variants."
            ) from error
    return tuple(found)


def _load_json(path: Path, what: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"No {what} at {path}.", "Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The {what} {path} cannot be read: {error}.", "Check its permissions and its encoding (UTF-8).") from error
    try:
        return json.loads(text)
    except ValueError as error:
        cut = " It seems cut short." if text and text.strip()[-1:] not in "}]" else ""
        raise InputError(f"{path} is not JSON: {error}.{cut}", "Fetch the file again.") from error


def _question(entry: Any, number: int, path: Path) -> Question:
    if not isinstance(entry, dict) or not entry.get("canonical_id"):
        raise InputError(f"{path}: question number {number} has no 'canonical_id'.", "Every question needs one.")
    question_id = str(entry["canonical_id"])
    kind = entry.get("response_type")
    if kind not in RESPONSE_TYPES:
        known = f"Known: {', '.join(RESPONSE_TYPES)}."
        raise InputError(f"{path}: question '{question_id}' has response_type {kind!r}.", nearest_name(str(kind), RESPONSE_TYPES) or known)
    translations = entry.get("translations")
    if not isinstance(translations, dict) or not translations:
        raise InputError(f"{path}: question '{question_id}' has no translations.", "Give it at least one language.")
    for lang in translations:
        if lang not in LANGUAGES:
            hint = nearest_name(lang, sorted(LANGUAGES)) or "Languages are ISO 639-3 codes such as 'deu'."
            raise InputError(f"{path}: question '{question_id}' has the unknown language '{lang}'.", hint)
    return Question(question_id, kind, {lang: _translation(t, question_id, lang, path) for lang, t in translations.items()})


def _translation(entry: Any, question_id: str, lang: str, path: Path) -> Translation:
    where = f"{path}: question '{question_id}', language '{lang}'"
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        raise InputError(f"{where}: no 'text'.", "Every translation needs text and options.")
    options = entry.get("options")
    if not isinstance(options, list):
        raise InputError(f"{where}: no list 'options'.", "Give an empty list where there are none.")
    parsed = []
    for option in options:
        value, label = (option.get("value"), option.get("label")) if isinstance(option, dict) else (None, None)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{where}: an option's value is {value!r}.", "Values are whole numbers.")
        if label is not None and not isinstance(label, str):
            raise InputError(f"{where}: the label of option {value} is {label!r}.", "Labels are text or null.")
        parsed.append(AnswerOption(value, label))
    if len({option.value for option in parsed}) != len(parsed):
        raise InputError(f"{where}: two options have the same value.", "Give every option its own.")
    return Translation(
        text=entry["text"],
        stem=str(entry.get("stem") or ""),
        item=str(entry.get("item") or ""),
        options=tuple(parsed),
        answer_cue=str(entry.get("answer_cue") or "Answer"),
        match_method=entry.get("match_method"),
    )
