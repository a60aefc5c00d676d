"""What the prompts' own texts tell: which option orders are one text, which questions share a prompt, what is labelled."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evsctl.analysis.measures import IntArray

_OPTION = re.compile(r"(\d+)\.(?:\s+(.*\S))?\s*")


class Wording(NamedTuple):
    """A question in one language and configuration, or one other wording of it: what its option orders have in common."""

    question_id: str
    lang: str
    config: str
    variant_id: str


class PrintedOption(NamedTuple):
    """One answer as a prompt prints it."""

    printed: int
    label: str


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """Facts of all prompts that have results."""

    texts: Mapping[Wording, str]
    """The text of the lowest option order with results: the questionnaire's where that has any."""
    listed: Mapping[Wording, tuple[int, ...]]
    """Printed answers in the questionnaire's order (permutation 0); absent where they cannot be read."""
    one_text: frozenset[Wording]
    """All option orders are one and the same text, so that an order says nothing."""
    shared: frozenset[Wording]
    """The prompt is also another question's of the same language and configuration."""
    unclean: frozenset[Wording]
    """Shared, or fewer than two answers with a label that says something."""


def prompt_facts(prompts: Iterable[tuple[Wording, int, str]]) -> PromptFacts:
    """Read the facts off (wording, permutation index, text) triples; of several texts of one permutation the first holds."""
    orders: dict[Wording, dict[int, str]] = defaultdict(dict)
    for wording, permutation, text in prompts:
        orders[wording].setdefault(permutation, text)
    texts = {wording: by_order[min(by_order)] for wording, by_order in orders.items()}
    options = {wording: printed_options(text) for wording, text in texts.items()}
    shared = frozenset(wording for group in _same_text(texts) for wording in group)
    bare = {wording for wording, listed in options.items() if not wording.variant_id and sum(_says_something(o.label) for o in listed) < 2}
    return PromptFacts(
        texts=texts,
        listed={w: tuple(o.printed for o in options[w]) for w in texts if 0 in orders[w] and options[w]},
        one_text=frozenset(w for w, by_order in orders.items() if len(by_order) > 1 and len(set(by_order.values())) == 1),
        shared=shared,
        unclean=shared | bare,
    )


def printed_options(text: str) -> tuple[PrintedOption, ...]:
    """The last block of `N. label` lines of a prompt; empty where there is none."""
    block: list[PrintedOption] = []
    for line in reversed(text.split("\n")):
        match = _OPTION.fullmatch(line)
        if match is not None:
            block.append(PrintedOption(int(match[1]), match[2] or ""))
        elif block:
            break
    return tuple(reversed(block))


def question_clusters(question_ids: Sequence[str], texts: Mapping[Wording, str]) -> IntArray:
    """A cluster number for each question: questions that share a prompt in any language are one cluster."""
    parent = {question_id: question_id for question_id in question_ids}

    def root(question_id: str) -> str:
        while parent[question_id] != question_id:
            question_id = parent[question_id]
        return question_id

    for group in _same_text(texts):
        first, *others = [root(wording.question_id) for wording in group if wording.question_id in parent] or [""]
        for other in others:
            parent[root(other)] = root(first)
    numbers: dict[str, int] = {}
    return np.asarray([numbers.setdefault(root(question_id), len(numbers)) for question_id in question_ids], dtype=np.int64)


def _same_text(texts: Mapping[Wording, str]) -> list[list[Wording]]:
    groups: dict[tuple[str, str, str], list[Wording]] = defaultdict(list)
    for wording, text in texts.items():
        if not wording.variant_id:
            groups[wording.lang, wording.config, text].append(wording)
    return [group for group in groups.values() if len(group) > 1]


def _says_something(label: str) -> bool:
    return bool(label) and not label.isdigit()
