"""Filling the database: what is missing is inserted, what is there is never rewritten."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from evsctl.db.connection import Database
from evsctl.db.engines import insert_rows
from evsctl.db.prompt_index import ASKED_COLUMNS, KEY_COLUMNS, Asked, read_asked
from evsctl.db.schema import models, prompts, questions
from evsctl.db.tally import cache_is_true, nothing_is_done, write_cache
from evsctl.errors import InputError
from evsctl.journal.keys import PromptKey
from evsctl.models.spec import ModelSpec
from evsctl.survey.types import Prompt, Question

_PROMPT_COLUMNS = tuple(column.name for column in prompts.columns)[1:]


@dataclass(frozen=True, slots=True)
class PopulateReport:
    """What populating did."""

    questions_added: int
    prompts_added: int
    prompts_present: int
    """Prompts of the survey that the database already held, alike or different."""
    differences: tuple[str, ...]
    """One sentence per row that is there and reads otherwise; it stays as it is."""
    models_added: int


def populate_survey(db: Database, survey: Iterable[Question], wanted: Iterable[Prompt], specs: Iterable[ModelSpec]) -> PopulateReport:
    """Insert the questions, prompts and models that the database lacks; the same input gives the same database.

    A prompt is looked for by its natural key, since the table's UNIQUE binds nothing where a column is NULL.
    Raises DatabaseError where the study is being written by another; nothing is inserted then.
    """
    with db.writing() as conn:
        counted = cache_is_true(conn) or nothing_is_done(conn)
        questions_added, differing_types = _insert_questions(conn, survey)
        added, present, differing_prompts = _insert_prompts(conn, wanted)
        models_added, differing_models = _insert_models(conn, specs)
        if counted:
            write_cache(conn, {})
    differences = (*differing_types, *differing_prompts, *differing_models)
    return PopulateReport(questions_added, added, present, differences, models_added)


def register_models(db: Database, specs: Iterable[ModelSpec]) -> int:
    """Insert the models that the table `models` lacks; returns how many."""
    with db.writing() as conn:
        return _insert_models(conn, specs)[0]


def _insert_questions(conn: Connection, survey: Iterable[Question]) -> tuple[int, list[str]]:
    there = dict(conn.execute(select(questions.c.question_id, questions.c.response_type)).all())
    missing: dict[str, str] = {}
    differences = []
    for question in survey:
        kind = there.get(question.question_id, missing.get(question.question_id))
        if kind is None:
            missing[question.question_id] = question.response_type
        elif kind != question.response_type:
            differences.append(f"question {question.question_id}: the database says {kind}, the survey {question.response_type}.")
    if missing:
        conn.execute(insert(questions), [{"question_id": q, "response_type": kind} for q, kind in missing.items()])
    return len(missing), differences


def _insert_prompts(conn: Connection, wanted: Iterable[Prompt]) -> tuple[int, int, list[str]]:
    there: dict[PromptKey, tuple[object, ...]] = {}
    columns = (*KEY_COLUMNS, *ASKED_COLUMNS)
    for row in conn.execute(select(*columns).order_by(prompts.c.prompt_id)):
        there.setdefault(PromptKey(*row[:5]), tuple(row[5:]))
    missing: dict[PromptKey, Prompt] = {}
    present = 0
    differences = []
    for prompt in wanted:
        key = PromptKey(prompt.question_id, prompt.lang, prompt.config, prompt.permutation_idx, prompt.variant_id)
        if key in there:
            present += 1
            parts = _differing_parts(there[key], prompt)
        elif key in missing:
            parts = _differing_parts(_columns(missing[key]), prompt)
        else:
            missing[key] = prompt
            continue
        if parts:
            differences.append(f"prompt {key_text(key)}: {' and '.join(parts)} differ.")
    rows = [_row(prompt) for prompt in missing.values()]
    known = set(conn.execute(select(questions.c.question_id)).scalars())
    if stray := sorted({prompt.question_id for prompt in missing.values()} - known):
        raise InputError(
            f"Prompts name questions that the survey does not have: {', '.join(stray[:5])}.", "Correct the question or rephrasing file."
        )
    insert_rows(conn, "prompts", _PROMPT_COLUMNS, rows)
    return len(rows), present, differences


def key_text(key: PromptKey) -> str:
    """A natural key as people read it: `q1/eng/legacy/0`."""
    return "/".join(str(part) for part in key if part is not None)


def _columns(prompt: Prompt) -> tuple[str, str, str, int]:
    values, mapping = list(prompt.valid_values), dict(prompt.value_map)
    return prompt.prompt_text, json.dumps(values, ensure_ascii=False), json.dumps(mapping, ensure_ascii=False), int(prompt.is_likert10)


def _row(prompt: Prompt) -> tuple[object, ...]:
    """The columns of `prompts` from `question_id` on."""
    key = (prompt.question_id, prompt.lang, prompt.config, prompt.permutation_idx)
    text, valid_values, value_map, is_likert10 = _columns(prompt)
    chat_template = 0  # the table `models` alone decides on it
    asked = (text, prompt.question_text, valid_values, value_map, is_likert10)
    return (*key, *asked, chat_template, prompt.variant_id, prompt.variant_type)


def _differing_parts(stored: tuple[object, ...], prompt: Prompt) -> list[str]:
    columns = _columns(prompt)
    if stored == columns:
        return []
    try:
        have = read_asked(*stored)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return ["valid values or value map (not JSON in the database)"]
    want = Asked(prompt.prompt_text, tuple(prompt.valid_values), dict(prompt.value_map), prompt.is_likert10)
    names = ("text", "valid values", "value map", "is_likert10")
    return [name for name, mine, theirs in zip(names, have, want, strict=True) if mine != theirs]


def _insert_models(conn: Connection, specs: Iterable[ModelSpec]) -> tuple[int, list[str]]:
    there = {row.model_id: row for row in conn.execute(select(models))}
    missing: dict[str, ModelSpec] = {}
    differences = []
    for spec in specs:
        row = there.get(spec.model_id)
        if row is None:
            missing.setdefault(spec.model_id, spec)
            continue
        if row.model_hf_id != spec.hub_id:
            differences.append(f"model {spec.model_id}: the database says {row.model_hf_id}, the registry {spec.hub_id}.")
        if bool(row.chat_template) != spec.chat_template:
            differences.append(f"model {spec.model_id}: the database and the registry differ in the chat template; the database's holds.")
    if missing:
        conn.execute(insert(models), [_model_row(spec) for spec in missing.values()])
    return len(missing), differences


def _model_row(spec: ModelSpec) -> dict[str, object]:
    return {
        "model_id": spec.model_id,
        "model_hf_id": spec.hub_id,
        "model_family": spec.family,
        "is_multilingual": int(spec.is_multilingual),
        "dtype": spec.dtype,
        "chat_template": int(spec.chat_template),
        "notes": spec.notes,
    }
