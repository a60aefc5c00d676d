"""Result rows and human rows become dense arrays."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evsctl.analysis.measures import BoolArray, FloatArray, IntArray, normalise
from evsctl.analysis.prompt_facts import PromptFacts, Wording
from evsctl.analysis.study import Answers, Humans, Item, Unit, natural_key
from evsctl.db.results import HumanRow, ResultRow

SUM_TOLERANCE = 0.01
"""How far from 1 the human probabilities of one question may sum before the pair is left out."""


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The answer codes of each item, ascending."""

    codes: IntArray
    is_code: BoolArray
    position: Mapping[tuple[int, int], int]
    """(item number, code) → position on the K axis."""


@dataclass(frozen=True, slots=True)
class Built:
    """The arrays and what could not go into them."""

    answers: Answers
    duplicate_rows: int
    massless_prompts: int


def build_answers(rows: Sequence[ResultRow], labels: Sequence[str], facts: PromptFacts, humans: Iterable[HumanRow] = ()) -> Built:
    """Arrange `rows`, whose models are shown as `labels`; codes are those of the rows and of `humans` together.

    Of rows with the same key the first counts. A prompt without a sum of probabilities above 0 is not answered.
    """
    found = {Unit(label, row.lang) for label, row in zip(labels, rows, strict=True)}
    units = tuple(sorted(found, key=lambda unit: (natural_key(unit.model), unit)))
    items = tuple(sorted({_item(row) for row in rows}, key=lambda item: (natural_key(item.question_id), item.variant_id)))
    orders = tuple(sorted({row.permutation_idx for row in rows}))
    table = _code_table(rows, humans, items)
    unit_number = {(unit.model, unit.lang): i for i, unit in enumerate(units)}
    item_number = {(item.question_id, item.variant_id): i for i, item in enumerate(items)}
    order_number = {order: i for i, order in enumerate(orders)}
    u = _numbers((unit_number[label, row.lang] for label, row in zip(labels, rows, strict=True)), len(rows))
    q = _numbers((item_number[row.question_id, row.variant_id or ""] for row in rows), len(rows))
    p = _numbers((order_number[row.permutation_idx] for row in rows), len(rows))
    k = _numbers((table.position[i, row.response_value] for i, row in zip(q.tolist(), rows, strict=True)), len(rows))
    shape = (len(units), len(items), len(orders), table.codes.shape[1])
    _, first = np.unique(np.ravel_multi_index((u, q, p, k), shape), return_index=True)
    cells = (u[first], q[first], p[first], k[first])
    present = np.zeros(shape, dtype=np.bool_)
    present[cells] = True
    prob = _cells(present, cells, np.asarray([row.prob for row in rows], dtype=np.float64)[first])
    p_valid = np.full(shape[:3], np.nan)
    p_valid[cells[:3]] = np.asarray([row.p_valid for row in rows], dtype=np.float64)[first]
    has_rows = present.any(axis=3)
    answered = ~np.isnan(prob).all(axis=3)
    one_text = _one_text(rows, u, q, facts, shape)
    counts = answered & (~one_text[..., None] | (np.asarray(orders) == 0))
    offered = (present & counts[..., None]).any(axis=2)
    answers = Answers(
        units, items, orders, table.codes, table.is_code, prob, np.where(answered, p_valid, np.nan), offered, counts, one_text,
        _first_last(rows, u, q, facts, table, shape),
    )  # fmt: skip
    return Built(answers, len(rows) - len(first), int((has_rows & ~answered).sum()))


def _item(row: ResultRow) -> Item:
    return Item(row.question_id, row.response_type, row.variant_id or "", row.variant_type or "")


def _numbers(numbers: Iterable[int], count: int) -> IntArray:
    return np.fromiter(numbers, dtype=np.int64, count=count)


def _cells(present: BoolArray, cells: tuple[IntArray, IntArray, IntArray, IntArray], prob: FloatArray) -> FloatArray:
    """Probabilities per prompt, renormalised; NaN at codes without a row, and for prompts with a bad number or no mass."""
    filled = np.zeros(present.shape)
    filled[cells] = np.where(np.isfinite(prob) & (prob >= 0), prob, np.nan)
    return np.where(present, normalise(filled), np.nan)


def _code_table(rows: Sequence[ResultRow], humans: Iterable[HumanRow], items: Sequence[Item]) -> CodeTable:
    by_question: dict[str, set[int]] = {item.question_id: set() for item in items}
    for question_id, value in {(row.question_id, row.response_value) for row in rows}:
        by_question[question_id].add(value)
    for human in humans:
        if human.question_id in by_question:
            by_question[human.question_id].add(human.response_value)
    width = max(len(codes) for codes in by_question.values())
    codes = np.zeros((len(items), width), dtype=np.int64)
    is_code = np.zeros((len(items), width), dtype=np.bool_)
    position = {}
    for i, item in enumerate(items):
        known = sorted(by_question[item.question_id])
        codes[i] = [*known, *range(known[-1] + 1, known[-1] + 1 + width - len(known))]
        is_code[i, : len(known)] = True
        position.update({(i, code): place for place, code in enumerate(known)})
    return CodeTable(codes, is_code, position)


def _wordings(rows: Sequence[ResultRow], u: IntArray, q: IntArray) -> Iterable[tuple[int, int, Wording]]:
    """Each (unit, item) pair once, with the wording its prompts have."""
    seen: dict[Hashable, Wording] = {}
    for i, j, row in zip(u.tolist(), q.tolist(), rows, strict=True):
        if (i, j) not in seen:
            seen[i, j] = Wording(row.question_id, row.lang, row.config or "", row.variant_id or "")
            yield i, j, seen[i, j]


def _one_text(rows: Sequence[ResultRow], u: IntArray, q: IntArray, facts: PromptFacts, shape: tuple[int, ...]) -> BoolArray:
    marks = np.zeros(shape[:2], dtype=np.bool_)
    for i, j, wording in _wordings(rows, u, q):
        marks[i, j] = wording in facts.one_text
    return marks


def _first_last(
    rows: Sequence[ResultRow], u: IntArray, q: IntArray, facts: PromptFacts, table: CodeTable, shape: tuple[int, ...]
) -> IntArray:
    places = np.full((*shape[:2], 2), -1, dtype=np.int64)
    for i, j, wording in _wordings(rows, u, q):
        listed = facts.listed.get(wording, ())
        if len(listed) > 1:
            ends = (table.position.get((j, listed[0]), -1), table.position.get((j, listed[-1]), -1))
            places[i, j] = ends if min(ends) >= 0 else -1
    return places


def build_humans(rows: Sequence[HumanRow], answers: Answers) -> Humans | None:
    """Arrange human rows on the questions of `answers`; None where no row is of one of them.

    Pairs whose probabilities do not sum to 1 within `SUM_TOLERANCE` are left out and counted.
    """
    item_number = {item.question_id: i for i, item in enumerate(answers.items)}
    position = {
        (i, int(code)): place
        for i, codes in enumerate(answers.codes)
        for place, code in enumerate(codes)
        if answers.is_code[i, place]
    }
    known = [row for row in rows if row.question_id in item_number]
    if not known:
        return None
    langs = tuple(sorted({row.lang for row in known}))
    lang_number = {lang: i for i, lang in enumerate(langs)}
    prob = np.zeros((len(langs), *answers.codes.shape))
    has_code = np.zeros(prob.shape, dtype=np.bool_)
    n_valid = np.full(prob.shape[:2], np.nan)
    for row in known:
        i, j = lang_number[row.lang], item_number[row.question_id]
        k = position[j, row.response_value]
        prob[i, j, k], has_code[i, j, k] = row.prob_human, True
        n_valid[i, j] = np.nan if row.n_valid is None else row.n_valid
    has_rows = has_code.any(axis=2)
    is_good = np.abs(prob.sum(axis=2) - 1) <= SUM_TOLERANCE
    prob[~(has_rows & is_good)] = np.nan
    return Humans(langs, normalise(prob), has_code, np.where(is_good, n_valid, np.nan), int((has_rows & ~is_good).sum()))
