"""Counting what is done: straight from the evaluation rows, and from a cache that is used only while it is true."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Select, delete, func, insert, literal_column, select, update

from evsctl.db.prompt_index import config_column
from evsctl.db.schema import evaluations, models, progress, prompts, study_state

STAMP = "progress_stamp"
_NO_LIMIT = 2**31
"""Keeps SQLite from flattening a subquery, which would look every row up twice."""


class Done(NamedTuple):
    """Answered prompts, and the sum of their p_valid."""

    prompts: int
    p_valid_sum: float

    def plus(self, other: "Done") -> "Done":
        """Both together."""
        return Done(self.prompts + other.prompts, self.p_valid_sum + other.p_valid_sum)


class Part(NamedTuple):
    """What is counted by itself."""

    config: str
    lang: str


class DuplicateKeys(NamedTuple):
    """Prompts that share their natural key with another: each key counts once, done when any of its rows is."""

    groups: tuple[tuple[Part, tuple[int, ...]], ...]

    @property
    def ids(self) -> list[int]:
        """All their numbers."""
        return [prompt_id for _, ids in self.groups for prompt_id in ids]

    def surplus(self) -> dict[Part, int]:
        """How many rows of each part are not prompts of their own."""
        found: dict[Part, int] = {}
        for part, ids in self.groups:
            found[part] = found.get(part, 0) + len(ids) - 1
        return found


def find_duplicates(conn: Connection) -> DuplicateKeys:
    """The natural keys that several prompt rows share; almost always none."""
    key = (prompts.c.question_id, prompts.c.lang, config_column, prompts.c.permutation_idx, prompts.c.variant_id)
    grouped = select(*key).group_by(*(column for column in key)).having(func.count() > 1)
    wanted = {tuple(row) for row in conn.execute(grouped)}
    if not wanted:
        return DuplicateKeys(())
    groups: dict[tuple[object, ...], list[int]] = {}
    langs = sorted({str(row[1]) for row in wanted})
    for prompt_id, *row in conn.execute(select(prompts.c.prompt_id, *key).where(prompts.c.lang.in_(langs)).order_by(prompts.c.prompt_id)):
        if tuple(row) in wanted:
            groups.setdefault(tuple(row), []).append(prompt_id)
    return DuplicateKeys(tuple((Part(str(row[2]), str(row[1])), tuple(ids)) for row, ids in groups.items()))


def count_parts(conn: Connection, duplicates: DuplicateKeys) -> dict[Part, int]:
    """Prompts of the survey by config and language, duplicates once."""
    surplus = duplicates.surplus()
    rows = conn.execute(select(config_column, prompts.c.lang, func.count()).group_by(config_column, prompts.c.lang))
    return {Part(config, lang): count - surplus.get(Part(config, lang), 0) for config, lang, count in rows}


def done_of(conn: Connection, model_id: str, configs: Collection[str], langs: Collection[str] | None, duplicates: DuplicateKeys) -> Done:
    """Count one model's answered prompts in these configs and languages (None: all) from the rows themselves.

    One look into the index per prompt, whatever the number of rows.
    """
    statement = _looked_up(model_id, duplicates).where(config_column.in_(configs))
    if langs is not None:
        statement = statement.where(prompts.c.lang.in_(langs))
    looked = statement.limit(_NO_LIMIT).subquery()
    count, total = conn.execute(select(func.count(looked.c.p_valid), func.sum(looked.c.p_valid))).one()
    done = Done(count, total or 0.0)
    for part, more in _done_duplicates(conn, model_id, duplicates):
        if part.config in configs and (langs is None or part.lang in langs):
            done = done.plus(more)
    return done


def done_by_part(conn: Connection, model_id: str, duplicates: DuplicateKeys) -> dict[Part, Done]:
    """Count one model's answered prompts by config and language."""
    looked = _looked_up(model_id, duplicates).limit(_NO_LIMIT).subquery()
    grouped = select(looked.c.config, looked.c.lang, func.count(looked.c.p_valid), func.sum(looked.c.p_valid)).group_by(
        looked.c.config, looked.c.lang
    )
    found = {Part(config, lang): Done(count, total) for config, lang, count, total in conn.execute(grouped) if count}
    for part, more in _done_duplicates(conn, model_id, duplicates):
        found[part] = found.get(part, Done(0, 0.0)).plus(more)
    return found


def _looked_up(model_id: str, duplicates: DuplicateKeys) -> Select[str, str, float]:
    first = (
        select(evaluations.c.p_valid)
        .where(evaluations.c.model_id == model_id, evaluations.c.prompt_id == prompts.c.prompt_id)
        .limit(1)
        .correlate(prompts)
        .scalar_subquery()
    )
    statement = select(config_column, prompts.c.lang, first.label("p_valid"))
    return statement.where(prompts.c.prompt_id.not_in(duplicates.ids)) if duplicates.groups else statement


def _done_duplicates(conn: Connection, model_id: str, duplicates: DuplicateKeys) -> Iterable[tuple[Part, Done]]:
    if not duplicates.groups:
        return
    answered = select(evaluations.c.prompt_id, evaluations.c.p_valid).where(
        evaluations.c.model_id == model_id, evaluations.c.prompt_id.in_(duplicates.ids)
    )
    p_valid = dict(conn.execute(answered).all())
    for part, ids in duplicates.groups:
        if (first := next((i for i in ids if i in p_valid), None)) is not None:
            yield part, Done(1, p_valid[first])


def current_stamp(conn: Connection) -> str:
    """What changes when rows come or go, whoever writes them: counting an index takes 26 ms for 2.5 million rows."""
    facts: list[object] = [conn.execute(select(func.count()).select_from(evaluations)).scalar_one()]
    if conn.dialect.name == "sqlite":
        facts.append(conn.execute(select(func.max(literal_column("rowid"))).select_from(evaluations)).scalar_one())
    facts += conn.execute(select(func.count(), func.max(prompts.c.prompt_id)).select_from(prompts)).one()
    return json.dumps(facts)


def cached_done(conn: Connection) -> dict[str, dict[Part, Done]] | None:
    """The cache, by model; None where rows came or went since it was written."""
    if not cache_is_true(conn):
        return None
    found: dict[str, dict[Part, Done]] = {}
    for model_id, config, lang, count, total in conn.execute(select(progress)):
        found.setdefault(model_id, {})[Part(config, lang)] = Done(count, total)
    return found


def write_cache(conn: Connection, fresh: Mapping[str, Mapping[Part, Done]]) -> None:
    """Replace the cached counts of these models, and stamp the cache as true at the end of this transaction."""
    for model_id, parts in fresh.items():
        conn.execute(delete(progress).where(progress.c.model_id == model_id))
        rows = [
            {"model_id": model_id, "config": part.config, "lang": part.lang, "done": done.prompts, "p_valid_sum": done.p_valid_sum}
            for part, done in parts.items()
        ]
        if rows:
            conn.execute(insert(progress), rows)
    set_state(conn, STAMP, current_stamp(conn))


def refresh_cache(conn: Connection, model_ids: Sequence[str] | None = None) -> None:
    """Count these models anew (None: all, and forget those that are gone) and store the counts."""
    duplicates = find_duplicates(conn)
    if model_ids is None:
        conn.execute(delete(progress))
        model_ids = list(conn.execute(select(models.c.model_id)).scalars())
    write_cache(conn, {model_id: done_by_part(conn, model_id, duplicates) for model_id in model_ids})


def set_state(conn: Connection, key: str, value: str) -> None:
    """Store one of the study's own small facts."""
    changed = conn.execute(update(study_state).where(study_state.c.key == key).values(value=value))
    if changed.rowcount == 0:
        conn.execute(insert(study_state).values(key=key, value=value))


def cache_is_true(conn: Connection) -> bool:
    """Whether the cache still says what the rows say."""
    stamp = conn.execute(select(study_state.c.value).where(study_state.c.key == STAMP)).scalar_one_or_none()
    return stamp is not None and stamp == current_stamp(conn)


def nothing_is_done(conn: Connection) -> bool:
    """Whether there is no evaluation row at all."""
    return conn.execute(select(evaluations.c.prompt_id).limit(1)).first() is None


def forget_cache(conn: Connection) -> None:
    """Have counts taken from the rows until the next refresh."""
    conn.execute(delete(study_state).where(study_state.c.key == STAMP))


def add_to_cache(conn: Connection, gained: Mapping[str, Mapping[Part, Done]]) -> None:
    """Add what models gained in this transaction to a cache that was true at its beginning."""
    fresh: dict[str, dict[Part, Done]] = {}
    for model_id, parts in gained.items():
        rows = conn.execute(select(progress).where(progress.c.model_id == model_id))
        have = {Part(row.config, row.lang): Done(row.done, row.p_valid_sum) for row in rows}
        fresh[model_id] = {part: have.get(part, Done(0, 0.0)).plus(parts.get(part, Done(0, 0.0))) for part in {**have, **parts}}
    write_cache(conn, fresh)
