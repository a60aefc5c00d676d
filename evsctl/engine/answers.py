"""What the answers are in a model's vocabulary, and how token probabilities become answer probabilities.

The definition is the one the field's results were made with, so that old and new rows can stand side by side.
Pure Python: everything here is decided by decoding tokens, never by a table of tokenizers.
"""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evsctl.engine.plan import Tokens
from evsctl.errors import InputError

log = logging.getLogger(__name__)

TERMINATOR_TEXTS = ("\n", "\n\n", " ", ".", ",")
MINIMUM_RESOLVED = 0.01
"""Below this mass on "ends here" and "goes on" together the two are not told apart."""

LogProbs = Mapping[int, float]
"""Token id → natural log of its probability."""


@dataclass(frozen=True)
class AnswerTokens:
    """The token ids that mean something to an answer."""

    by_text: Mapping[str, Tokens]
    """A single character, or a whole printed answer of several, → every id that decodes to it alone or after one space."""
    forced: Mapping[str, int]
    """A character → the id appended to ask what comes after it: the bare one where there is one."""
    terminators: Tokens
    """End of sequence, newline, double newline, space, full stop, comma."""

    @property
    def digits(self) -> frozenset[int]:
        """Every id of a digit."""
        return frozenset(i for digit in range(10) for i in self.by_text[str(digit)])

    def ids(self) -> Tokens:
        """Every id whose probability is ever looked at, sorted."""
        return tuple(sorted({*self.terminators, *(i for ids in self.by_text.values() for i in ids)}))

    def why_not(self, valid_values: Sequence[str]) -> str | None:
        """Why these answers cannot be read off this vocabulary, or None."""
        if not valid_values:
            return "no valid answers"
        missing = sorted({c for value in valid_values for c in value if not self.by_text.get(c)})
        if missing or "" in valid_values:
            return f"no single token for {', '.join(map(repr, missing)) or 'an empty answer'}"
        return None


def find_answer_tokens(
    tokenizer: Any, vocabulary: int, values: Iterable[str], end_ids: Iterable[int], example: str = "Answer: "
) -> AnswerTokens:
    """Decode the whole vocabulary once and collect the ids for these printed answers.

    `vocabulary` is the number of logits: ids beyond it have none. `end_ids` are the ids that end a text. `example` is
    a prompt, to see what the tokenizer appends for a digit. Raises InputError where it has no token for any digit.
    """
    printed = set(values) | {str(digit) for digit in range(10)}
    wanted = {c for value in printed for c in value} | {value for value in printed if len(value) > 1}
    texts = decode_all(tokenizer, vocabulary)
    exact: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        exact.setdefault(text, []).append(number)
    by_text = {text: tuple(sorted({*exact.get(text, ()), *exact.get(" " + text, ())})) for text in sorted(wanted)}
    if not any(by_text[str(digit)] for digit in range(10)):
        raise InputError(
            "The tokenizer has no single token for any digit.", "Answers are read off digit tokens; this model cannot be asked."
        )
    terminators = {i for text in TERMINATOR_TEXTS for i in exact.get(text, ())} | {i for i in end_ids if 0 <= i < vocabulary}
    forced = {c: _appended(tokenizer, example, c, exact.get(c) or by_text[c]) for c in by_text if len(c) == 1 and by_text[c]}
    return AnswerTokens(by_text, forced, tuple(sorted(terminators)))


def decode_all(tokenizer: Any, vocabulary: int) -> list[str]:
    """What every single id adds to a text that it follows.

    Decoded behind a letter, because many tokenizers drop a leading space at the start of a text.
    """
    count = min(vocabulary, len(tokenizer))
    letter = tokenizer("a", add_special_tokens=False)["input_ids"][-1]
    before = tokenizer.decode([letter], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    pairs = tokenizer.batch_decode([[letter, i] for i in range(count)], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return [str(text)[len(before) :] if str(text).startswith(before) else str(text) for text in pairs]


def _appended(tokenizer: Any, example: str, character: str, ids: Sequence[int]) -> int:
    """Of the ids that are exactly this character the one by which the tokenizer itself would continue a prompt.

    Where it would not continue at all, because it melts the character into what stands before, the ordinary one:
    byte-fallback pieces such as `<0x31>` come last.
    """
    before = tokenizer(example, add_special_tokens=False)["input_ids"]
    after = tokenizer(example + character, add_special_tokens=False)["input_ids"]
    if after[:-1] == before and after[-1] in ids:
        return int(after[-1])
    if character.isdigit():
        log.warning("the tokenizer does not continue a prompt by %r alone; its single token is used all the same", character)
    pieces = tokenizer.convert_ids_to_tokens(list(ids))
    return min(zip(ids, pieces, strict=True), key=lambda pair: (str(pair[1]).startswith("<0x"), len(str(pair[1])), pair[0]))[0]


def forced_texts(valid_values: Iterable[str]) -> tuple[str, ...]:
    """The beginnings after which it must be asked what comes next: "1" where 10 is an answer."""
    return tuple(sorted({value[:end] for value in valid_values for end in range(1, len(value))}))


def forced_tokens(text: str, tokens: AnswerTokens) -> Tokens:
    """The ids that spell `text` character by character."""
    return tuple(tokens.forced[c] for c in text)


def answer_log_masses(valid_values: Sequence[str], tokens: AnswerTokens, after: Mapping[str, LogProbs]) -> dict[str, float]:
    """Natural log of the probability of each printed answer, `-inf` where it has none.

    `after[""]` are the log-probabilities at the end of the prompt, `after["1"]` those once "1" is appended, and so on.
    """
    masses = dict.fromkeys(valid_values, -math.inf)
    for value in masses:
        if len(value) > 1:  # one token for the whole answer
            masses[value] = _total(after[""], tokens.by_text.get(value, ()))
    _descend("", 0.0, masses, tokens, after)
    return masses


def _descend(prefix: str, mass: float, masses: dict[str, float], tokens: AnswerTokens, after: Mapping[str, LogProbs]) -> None:
    """Hand the mass that arrived at `prefix` on to the answer that ends there and to those that go on."""
    following = sorted({value[len(prefix)] for value in masses if value.startswith(prefix) and len(value) > len(prefix)})
    if not following:
        masses[prefix] = _add(masses[prefix], mass)
        return
    shares = {c: _total(after[prefix], tokens.by_text[c]) for c in following}
    if prefix in masses:
        ends = _total(after[prefix], tokens.terminators)
        resolved = _add(ends, *shares.values())
        if not math.exp(resolved) > MINIMUM_RESOLVED:
            masses[prefix] = _add(masses[prefix], mass)
            return
        masses[prefix] = _add(masses[prefix], mass + ends - resolved)
        shares = {c: share - resolved for c, share in shares.items()}
    for c, share in shares.items():
        _descend(prefix + c, mass + share, masses, tokens, after)


def distribution(masses: Mapping[str, float], value_map: Mapping[str, str]) -> tuple[float, dict[str, float]]:
    """Mass on all valid answers, and each response value's share of it; printed answers of one value are added up.

    Computed from logs, so the shares are finite even where the mass itself is too small for a float.
    """
    total = _add(*masses.values())
    probs: dict[str, float] = {}
    for printed, mass in masses.items():
        value = str(int(value_map.get(printed, printed)))
        probs[value] = probs.get(value, 0.0) + (math.exp(mass - total) if mass > -math.inf else 0.0)
    return min(math.exp(total), 1.0), probs


def _total(after: LogProbs, ids: Iterable[int]) -> float:
    return _add(*(after[i] for i in ids))


def _add(*logs: float) -> float:
    """Log of the sum of exponentials."""
    high = max(logs, default=-math.inf)
    if high == -math.inf:
        return high
    return high + math.log(math.fsum(math.exp(x - high) for x in logs))
