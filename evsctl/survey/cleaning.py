"""Cleans question texts and option labels: interviewer instructions and extraction debris go, wording stays."""

import re

_INTERVIEWER_INSTRUCTIONS = re.compile(
    r"(?:\b(?:READ\s*OUT|SHOW\s*CARD|USE\s*CARD)\b|Please use this card|Моля, използвайте скалата)[^.]*\.?"
    r"|Моля, посочете отговора си на тази карта\.?",
    re.IGNORECASE,
)
_TRAILING_NUMBERED_LINES = re.compile(r"(?:\n\d+\s*[-–.]\s*[^\n]*){2,}$")
_NUMBER_PREFIX = re.compile(r"^\d+\s*[-–.]\s*")


def clean_text(text: str) -> str:
    """The question without instructions to the interviewer, without a list of options at its end, white space folded."""
    text = _INTERVIEWER_INSTRUCTIONS.sub("", text)
    text = _TRAILING_NUMBERED_LINES.sub("", text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r"\n{2,}", "\n", text).strip()


def clean_label(label: str | None) -> str:
    """The label without its number and trailing question marks; None is the empty string."""
    if label is None:
        return ""
    return _NUMBER_PREFIX.sub("", label.strip()).rstrip("?").strip()


def has_meaning(label: str | None) -> bool:
    """Whether a label says something: not empty, and not a bare number."""
    cleaned = clean_label(label)
    return bool(cleaned) and not cleaned.isdigit()
