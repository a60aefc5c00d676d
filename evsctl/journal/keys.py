"""How a prompt is named across files: its natural key and the hash of what was asked."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

BAD_LINE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading garbage as a line of ours can raise."""


def complaint(error: Exception) -> str:
    """One of `BAD_LINE` in words, for a sentence that names file and line."""
    return f"{error!s} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__


class PromptKey(NamedTuple):
    """The natural key of a prompt; a number in a database may differ between two copies of a study, this may not."""

    question_id: str
    lang: str
    config: str
    permutation_idx: int
    variant_id: str | None

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> "PromptKey":
        """Read the key out of a line of a manifest or journal; raises KeyError or ValueError where it holds none."""
        key = cls(line["question_id"], line["lang"], line["config"], line["permutation_idx"], line["variant_id"])
        texts = (key.question_id, key.lang, key.config, "" if key.variant_id is None else key.variant_id)
        if not all(isinstance(part, str) for part in texts) or type(key.permutation_idx) is not int:
            raise ValueError(f"{tuple(key)} is not the key of a prompt")
        return key


def prompt_hash(text: str, valid_values: Sequence[str], value_map: Mapping[str, str], is_likert10: bool) -> str:
    """SHA-256 (hex) over everything that decides the answer: text, valid values, value map and is_likert10.

    Two prompts of one text with different value maps differ: their probabilities belong to different responses.
    """
    parts = [text, list(valid_values), dict(sorted(value_map.items())), bool(is_likert10)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode("utf-8")).hexdigest()
