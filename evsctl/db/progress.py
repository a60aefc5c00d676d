"""Done and total: the numbers both front ends show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, literal_column, select

from evsctl.db.connection import Database
from evsctl.db.prompt_index import config_column
from evsctl.db.schema import evaluations, failures, models, prompts
from evsctl.db.tally import Done, Part, cached_done, count_parts, done_of, find_duplicates
from evsctl.models.registry import Registry
from evsctl.models.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class ModelProgress:
    """One row of `models`, and how far its work has come."""

    model_id: str
    hub_id: str
    family: str
    is_multilingual: bool
    dtype: str
    chat_template: bool
    total: int
    """Prompts in the asked configs and the model's languages."""
    done: int
    failed: int
    """Prompts that a journal records as failed and no one answered since."""
    p_valid_mean: float | None
    """Mean over the answered prompts; None where there are none."""


def read_progress(db: Database, configs: Sequence[str], registry: Registry) -> tuple[ModelProgress, ...]:
    """Progress of every model of the table, in its order; a prompt is done when it has an evaluation row.

    Counts come from the cache while it is true, else from the rows: about a second for 2.5 million.
    """
    with db.reading() as conn:
        duplicates = find_duplicates(conn)
        parts = count_parts(conn, duplicates)
        langs = tuple(sorted({part.lang for part in parts}))
        cache = cached_done(conn) if db.step else None
        failed = _count_failed(conn) if db.step else {}
        found = []
        for row in conn.execute(select(models).where(models.c.model_id.is_not(None)).order_by(_table_order(conn))).all():
            asked = model_languages(registry.find(row.model_id), row.model_id, bool(row.is_multilingual), langs)
            wanted = [part for part in parts if part.config in configs and part.lang in asked]
            if cache is not None:
                done = _sum_of(cache.get(row.model_id, {}), wanted)
            else:
                # Naming every language would have SQLite look each prompt up by language: half as fast as going through them all.
                done = done_of(conn, row.model_id, configs, None if len(asked) == len(langs) else asked, duplicates)
            failures_of = failed.get(row.model_id, {})
            found.append(_progress(row, sum(parts[part] for part in wanted), done, sum(failures_of.get(part, 0) for part in wanted)))
        return tuple(found)


def _progress(row: Row[*tuple[Any, ...]], total: int, done: Done, failed: int) -> ModelProgress:
    return ModelProgress(
        model_id=row.model_id,
        hub_id=row.model_hf_id,
        family=row.model_family,
        is_multilingual=bool(row.is_multilingual),
        dtype=row.dtype or "bf16",
        chat_template=bool(row.chat_template),
        total=total,
        done=done.prompts,
        failed=failed,
        p_valid_mean=done.p_valid_sum / done.prompts if done.prompts else None,
    )


def count_prompts(db: Database, configs: Sequence[str]) -> int:
    """Prompts of the survey in these configs, duplicates once."""
    with db.reading() as conn:
        return sum(count for part, count in count_parts(conn, find_duplicates(conn)).items() if part.config in configs)


def survey_configs(db: Database) -> tuple[str, ...]:
    """The configurations that the survey has prompts in, sorted."""
    with db.reading() as conn:
        return tuple(sorted({part.config for part in count_parts(conn, find_duplicates(conn))}))


def survey_languages(db: Database) -> tuple[str, ...]:
    """Languages that have prompts, in alphabetical order."""
    with db.reading() as conn:
        return tuple(conn.execute(select(prompts.c.lang).distinct().order_by(prompts.c.lang)).scalars())


def model_languages(spec: ModelSpec | None, model_id: str, is_multilingual: bool, survey_langs: Sequence[str]) -> tuple[str, ...]:
    """Languages of the survey that a model is asked in.

    The registry says so; without it a multilingual model is asked in all, another in the last part of its id
    (`hplt2c_eng`), which is none where that is no language of the survey.
    """
    if spec is not None:
        wanted = survey_langs if spec.languages is None else spec.languages
    elif is_multilingual:
        wanted = survey_langs
    else:
        wanted = (model_id.rpartition("_")[2],)
    return tuple(lang for lang in survey_langs if lang in wanted)


def _table_order(conn: Connection) -> ColumnElement[Any]:
    return literal_column("rowid") if conn.dialect.name == "sqlite" else models.c.model_id


def _sum_of(cached: Mapping[Part, Done], wanted: Sequence[Part]) -> Done:
    total = Done(0, 0.0)
    for part in wanted:
        total = total.plus(cached.get(part, Done(0, 0.0)))
    return total


def _count_failed(conn: Connection) -> dict[str, dict[Part, int]]:
    answered = exists().where(evaluations.c.model_id == failures.c.model_id, evaluations.c.prompt_id == failures.c.prompt_id)
    statement = (
        select(failures.c.model_id, config_column, prompts.c.lang, func.count())
        .join(prompts, prompts.c.prompt_id == failures.c.prompt_id)
        .where(~answered)
        .group_by(failures.c.model_id, config_column, prompts.c.lang)
    )
    found: dict[str, dict[Part, int]] = {}
    for model_id, config, lang, count in conn.execute(statement):
        found.setdefault(model_id, {})[Part(config, lang)] = count
    return found
