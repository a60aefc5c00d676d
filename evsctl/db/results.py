"""Answers of models and of people, as the analysis reads them."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from evsctl.db.connection import Database
from evsctl.db.prompt_index import config_column
from evsctl.db.schema import evaluations, human_distributions, human_sources, models, prompts, questions
from evsctl.db.tally import find_duplicates


class ResultRow(NamedTuple):
    """One model's probability for one response to one prompt."""

    model_id: str
    model_family: str
    lang: str
    question_id: str
    response_type: str
    config: str
    permutation_idx: int
    variant_id: str | None
    variant_type: str | None
    is_likert10: bool
    prompt_text: str
    response_value: int
    prob: float
    p_valid: float


class HumanRow(NamedTuple):
    """People's share for one response to one question in one language."""

    lang: str
    question_id: str
    response_value: int
    prob_human: float
    n_respondents: int | None
    n_valid: int | None


def result_rows(db: Database, *, configs: Collection[str] | None = None, model_ids: Collection[str] | None = None) -> list[ResultRow]:
    """Every evaluation row of these configs and models (None: all), by model, prompt and response.

    Of prompts that share a natural key only the first answered one speaks.
    """
    with db.reading() as conn:
        about = _about_prompts(conn, configs)
        family = dict(conn.execute(select(models.c.model_id, models.c.model_family)).all())
        order = (evaluations.c.model_id, evaluations.c.prompt_id, evaluations.c.response_value)
        statement = select(*order, evaluations.c.prob, evaluations.c.p_valid).order_by(*order)
        if model_ids is not None:
            statement = statement.where(evaluations.c.model_id.in_(sorted(model_ids)))
        silent = _silent_duplicates(conn)
        return [
            ResultRow(model_id, family.get(model_id, model_id), *known, value, prob, p_valid)
            for model_id, prompt_id, value, prob, p_valid in conn.execute(statement)
            if (known := about.get(prompt_id)) is not None and (model_id, prompt_id) not in silent
        ]


def _about_prompts(
    conn: Connection, configs: Collection[str] | None
) -> dict[int, tuple[str, str, str, str, int, str | None, str | None, bool, str]]:
    statement = select(
        prompts.c.prompt_id,
        prompts.c.lang,
        prompts.c.question_id,
        questions.c.response_type,
        config_column,
        prompts.c.permutation_idx,
        prompts.c.variant_id,
        prompts.c.variant_type,
        prompts.c.is_likert10,
        prompts.c.prompt_text,
    ).join(questions, questions.c.question_id == prompts.c.question_id)
    if configs is not None:
        statement = statement.where(config_column.in_(sorted(configs)))
    return {row[0]: (*row[1:8], bool(row[8]), row[9]) for row in conn.execute(statement)}


def _silent_duplicates(conn: Connection) -> set[tuple[str, int]]:
    """Rows of a prompt whose natural key another prompt answered already, as (model, prompt)."""
    duplicates = find_duplicates(conn)
    if not duplicates.groups:
        return set()
    pairs = select(evaluations.c.model_id, evaluations.c.prompt_id).where(evaluations.c.prompt_id.in_(duplicates.ids)).distinct()
    answered: dict[str, set[int]] = {}
    for model_id, prompt_id in conn.execute(pairs):
        answered.setdefault(model_id, set()).add(prompt_id)
    silent = set()
    for model_id, numbers in answered.items():
        for _, ids in duplicates.groups:
            silent |= {(model_id, i) for i in [i for i in ids if i in numbers][1:]}
    return silent


def human_rows(db: Database) -> list[HumanRow]:
    """Every human distribution, by language, question and response."""
    order = (human_distributions.c.lang, human_distributions.c.question_id, human_distributions.c.response_value)
    with db.reading() as conn:
        return [HumanRow(*row) for row in conn.execute(select(*human_distributions.c).order_by(*order))]


def write_human_rows(db: Database, rows: Sequence[HumanRow], source: str) -> int:
    """Store human distributions; returns how many rows were written.

    A pair of language and question is written whole or not at all: what evsctl wrote of it before is replaced, what
    was there without evsctl is left alone, and questions that the survey does not have are passed over.
    """
    with db.writing() as conn:
        known = set(conn.execute(select(questions.c.question_id)).scalars())
        ours = {tuple(row) for row in conn.execute(select(human_sources.c.lang, human_sources.c.question_id))}
        there = {tuple(row) for row in conn.execute(select(human_distributions.c.lang, human_distributions.c.question_id).distinct())}
        wanted = [
            row
            for row in rows
            if row.question_id in known and ((row.lang, row.question_id) in ours or (row.lang, row.question_id) not in there)
        ]
        pairs = list(dict.fromkeys((row.lang, row.question_id) for row in wanted))
        _forget_pairs(conn, pairs)
        if wanted:
            conn.execute(insert(human_distributions), [row._asdict() for row in wanted])
            conn.execute(insert(human_sources), [{"lang": lang, "question_id": question, "source": source} for lang, question in pairs])
    return len(wanted)


def _forget_pairs(conn: Connection, pairs: Iterable[tuple[str, str]]) -> None:
    for lang, question_id in pairs:
        for table in (human_distributions, human_sources):
            conn.execute(delete(table).where(table.c.lang == lang, table.c.question_id == question_id))


def likert10_unlabelled(db: Database) -> set[tuple[str, str, str]]:
    """(question, language, config) whose permutations are one text: only the value maps tell them apart."""
    key = (prompts.c.question_id, prompts.c.lang, config_column)
    statement = (
        select(*key)
        .where(prompts.c.is_likert10 != 0)
        .group_by(*key, prompts.c.variant_id)
        .having(func.count(prompts.c.permutation_idx.distinct()) > 1, func.count(prompts.c.prompt_text.distinct()) == 1)
    )
    with db.reading() as conn:
        return {(question_id, lang, config) for question_id, lang, config in conn.execute(statement)}
