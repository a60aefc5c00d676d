"""Result rows and human rows become dense arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evsctl.analysis.measures import BoolArray, FloatArray, IntArray, normalise
from evsctl.analysis.prompt_facts import PromptFacts, Wording
from evsctl.analysis.study import Answers, Humans, Item, Unit, average_orders, average_p_valid, natural_key
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


@dataclass(frozen=True, slots=True)
class Axes:
    """What stands where: the units, items, option orders and codes that rows are arranged by."""

    units: tuple[Unit, ...]
    items: tuple[Item, ...]
    orders: tuple[int, ...]
    table: CodeTable

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(U, Q, P, K)"""
        return len(self.units), len(self.items), len(self.orders), self.table.codes.shape[1]


def build_answers(rows: Sequence[ResultRow], labels: Sequence[str], facts: PromptFacts, humans: Iterable[HumanRow] = ()) -> Built:
    """Arrange `rows`, whose models are shown as `labels`; codes are those of the rows and of `humans` together.

    Of rows with the same key the first counts. A prompt without a sum of probabilities above 0 is not answered.
    """
    axes = _axes(rows, labels, humans)
    places = _places(rows, labels, axes)
    _, first = np.unique(np.ravel_multi_index(places, axes.shape), return_index=True)
    cells = (places[0][first], places[1][first], places[2][first], places[3][first])
    present = np.zeros(axes.shape, dtype=np.bool_)
    present[cells] = True
    prob = _cells(present, cells, np.asarray([row.prob for row in rows], dtype=np.float64)[first])
    p_valid = np.full(axes.shape[:3], np.nan)
    p_valid[cells[:3]] = np.asarray([row.p_valid for row in rows], dtype=np.float64)[first]
    answered = ~np.isnan(prob).all(axis=3)
    p_valid[~answered] = np.nan
    one_text, first_last = _wording_marks(rows, places, axes, facts)
    counts = answered & (~one_text[..., None] | (np.asarray(axes.orders) == 0))
    answers = Answers(
        units=axes.units,
        items=axes.items,
        orders=axes.orders,
        codes=axes.table.codes,
        is_code=axes.table.is_code,
        prob=prob,
        p_valid=p_valid,
        distribution=average_orders(prob, counts),
        mean_p_valid=average_p_valid(p_valid, counts),
        offered=(present & counts[..., None]).any(axis=2),
        counts=counts,
        one_text=one_text,
        first_last=first_last,
    )
    return Built(answers, len(rows) - len(first), int((present.any(axis=3) & ~answered).sum()))


def _axes(rows: Sequence[ResultRow], labels: Sequence[str], humans: Iterable[HumanRow]) -> Axes:
    units = {Unit(label, row.lang) for label, row in zip(labels, rows, strict=True)}
    items = tuple(sorted({_item(row) for row in rows}, key=lambda item: (natural_key(item.question_id), item.variant_id)))
    return Axes(
        units=tuple(sorted(units, key=lambda unit: (natural_key(unit.model), unit))),
        items=items,
        orders=tuple(sorted({row.permutation_idx for row in rows})),
        table=_code_table(rows, humans, items),
    )


def _places(rows: Sequence[ResultRow], labels: Sequence[str], axes: Axes) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Where each row stands on the four axes."""
    unit_number = {(unit.model, unit.lang): i for i, unit in enumerate(axes.units)}
    item_number = {(item.question_id, item.variant_id): i for i, item in enumerate(axes.items)}
    order_number = {order: i for i, order in enumerate(axes.orders)}
    n = len(rows)
    q = _numbers((item_number[row.question_id, row.variant_id or ""] for row in rows), n)
    return (
        _numbers((unit_number[label, row.lang] for label, row in zip(labels, rows, strict=True)), n),
        q,
        _numbers((order_number[row.permutation_idx] for row in rows), n),
        _numbers((axes.table.position[i, row.response_value] for i, row in zip(q.tolist(), rows, strict=True)), n),
    )


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


def _wording_marks(
    rows: Sequence[ResultRow], places: tuple[IntArray, IntArray, IntArray, IntArray], axes: Axes, facts: PromptFacts
) -> tuple[BoolArray, IntArray]:
    """Per (unit, item) whether its option orders are one text, and where the first and last listed answers stand."""
    one_text = np.zeros(axes.shape[:2], dtype=np.bool_)
    first_last = np.full((*axes.shape[:2], 2), -1, dtype=np.int64)
    seen = set()
    for i, j, row in zip(places[0].tolist(), places[1].tolist(), rows, strict=True):
        if (i, j) in seen:
            continue
        seen.add((i, j))
        wording = Wording(row.question_id, row.lang, row.config or "", row.variant_id or "")
        one_text[i, j] = wording in facts.one_text
        listed = facts.listed.get(wording, ())
        if len(listed) > 1:
            ends = (axes.table.position.get((j, listed[0]), -1), axes.table.position.get((j, listed[-1]), -1))
            first_last[i, j] = ends if min(ends) >= 0 else -1
    return one_text, first_last


def build_humans(rows: Sequence[HumanRow], answers: Answers) -> Humans | None:
    """Arrange human rows on the questions of `answers`; None where no row is of one of them.

    Pairs whose probabilities do not sum to 1 within `SUM_TOLERANCE` are left out and counted.
    """
    item_number = {item.question_id: i for i, item in enumerate(answers.items)}
    position = {
        (i, int(code)): place for i, codes in enumerate(answers.codes) for place, code in enumerate(codes) if answers.is_code[i, place]
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
