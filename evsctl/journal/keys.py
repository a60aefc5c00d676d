"""How a prompt is named across files: its natural key and the hash of what was asked."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class PromptKey(NamedTuple):
    """The natural key of a prompt; a number in a database may differ between two copies of a study, this may not."""

    question_id: str
    lang: str
    config: str
    permutation_idx: int
    variant_id: str | None


def prompt_hash(text: str, valid_values: Sequence[str], value_map: Mapping[str, str], is_likert10: bool) -> str:
    """SHA-256 (hex) over everything that decides the answer: text, valid values, value map and is_likert10.

    Two prompts of one text with different value maps differ: their probabilities belong to different responses.
    """
    parts = [text, list(valid_values), dict(sorted(value_map.items())), bool(is_likert10)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode("utf-8")).hexdigest()
