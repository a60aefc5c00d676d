"""Taking answers back (`redo`): the prompts are pending again, the rows are kept aside with the reason."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Select, exists, func, select

from evsctl.db.connection import LEASE_SECONDS, Database
from evsctl.db.journals import Seen, mark_retractions, open_journal, retractions_stand
from evsctl.db.lease import Lease, acquire_lease
from evsctl.db.prompt_index import config_column
from evsctl.db.schema import evaluations, prompts, provenance
from evsctl.db.schema import runs as runs_table
from evsctl.db.superseding import apply_retractions
from evsctl.db.sync import sync_under
from evsctl.db.tally import cache_is_true, forget_cache, refresh_cache
from evsctl.errors import DatabaseError, InputError
from evsctl.files import current_user, nearest_name
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.journal.retractions import Retraction, append_retraction, read_retractions


class Choice(NamedTuple):
    """Which answers of a model are meant; an empty part means every value."""

    langs: tuple[str, ...]
    configs: tuple[str, ...]
    question_ids: tuple[str, ...]
    run_ids: tuple[str, ...]


def count_retractable(
    db: Database,
    runs: RunsFolder,
    model_id: str,
    langs: Sequence[str] = (),
    configs: Sequence[str] = (),
    question_ids: Sequence[str] = (),
    run_ids: Sequence[str] = (),
) -> int:
    """How many of the model's answers `retract` would take back, as the database stands."""
    if not db.step:
        return 0
    choice = Choice(tuple(langs), tuple(configs), tuple(question_ids), tuple(run_ids))
    with db.reading() as conn:
        return _count(conn, runs.model(model_id), choice)


def count_left_alone(
    db: Database, model_id: str, langs: Sequence[str] = (), configs: Sequence[str] = (), question_ids: Sequence[str] = ()
) -> int:
    """How many of the model's chosen answers `retract` leaves alone: evsctl did not write them, so it never alters them."""
    choice = Choice(tuple(langs), tuple(configs), tuple(question_ids), ())
    statement = (
        select(func.count(evaluations.c.prompt_id.distinct()))
        .join(prompts, prompts.c.prompt_id == evaluations.c.prompt_id)
        .where(evaluations.c.model_id == model_id)
    )
    if db.step:
        statement = statement.where(
            ~exists().where(provenance.c.model_id == evaluations.c.model_id, provenance.c.prompt_id == evaluations.c.prompt_id)
        )
    with db.reading() as conn:
        return int(conn.execute(_chosen(statement, choice)).scalar_one())


def retract(
    db: Database,
    runs: RunsFolder,
    model_id: str,
    *,
    langs: Sequence[str] = (),
    configs: Sequence[str] = (),
    question_ids: Sequence[str] = (),
    run_ids: Sequence[str] = (),
    reason: str,
) -> int:
    """Take the model's chosen answers back; returns how many prompts are to be answered again.

    The journals are merged first, so that all that stands in them is meant. The retraction is on disk before a row
    moves: after a crash between the two the next sync moves the rows. Rows that evsctl did not write are left alone.
    Raises InputError for an unknown run, DatabaseError where the study is being written by another.
    """
    choice = Choice(tuple(langs), tuple(configs), tuple(question_ids), tuple(run_ids))
    model = runs.model(model_id)
    with acquire_lease(runs, wait_seconds=LEASE_SECONDS) as lease:
        sync_under(db, runs, lease)
        with db.reading() as conn:
            upto = _ends(model, _adopted_runs(conn, model_id))
            _check_runs(upto, run_ids)
            if _count(conn, model, choice) == 0:
                return 0
        upto = {run_id: end for run_id, end in upto.items() if not run_ids or run_id in run_ids}
        append_retraction(
            model.retractions, Retraction(reason, current_user(), time.time(), upto, choice.langs, choice.configs, choice.question_ids)
        )
        try:
            return _apply(db, model, lease)
        except DatabaseError as error:
            raise DatabaseError(
                f"The retraction is recorded in {model.retractions}, but its rows could not be moved yet: {error.message}",
                "The next `evsctl sync` that can write moves them.",
            ) from error


def _apply(db: Database, model: ModelRuns, lease: Lease) -> int:
    with db.writing(lease) as conn:
        counted = cache_is_true(conn)
        mark = retractions_stand(model)
        taken = apply_retractions(conn, model.model_id, read_retractions(model.retractions), time.time())
        if mark is not None:
            mark_retractions(conn, model.model_id, mark)
        if counted:
            refresh_cache(conn, [model.model_id])
        else:
            forget_cache(conn)
    return taken


def _adopted_runs(conn: Connection, model_id: str) -> set[str]:
    """Journals written from rows that stand in this database as the field's own."""
    return set(conn.execute(select(runs_table.c.run_id).where(runs_table.c.model_id == model_id, runs_table.c.adopted != 0)).scalars())


def _ends(model: ModelRuns, adopted: set[str]) -> dict[str, int]:
    """Run → byte after the last whole line of its journal."""
    ends: dict[str, int] = {}
    for file in model.journals():
        try:
            header = open_journal(file, Seen(file.name, model.model_id)).header
            if header is not None and header.run_id not in adopted:
                ends[header.run_id] = max(ends.get(header.run_id, 0), _last_line_end(file))
        except OSError:
            continue
    return ends


def _last_line_end(file: Path) -> int:
    """A torn tail, or a line being written, is not behind it: what is still to come counts again."""
    with file.open("rb") as stream:
        return stream.read().rfind(b"\n") + 1


def _check_runs(upto: dict[str, int], run_ids: Sequence[str]) -> None:
    for run_id in run_ids:
        if run_id not in upto:
            raise InputError(f"There is no run '{run_id}' of evsctl's own.", nearest_name(run_id, upto))


def _count(conn: Connection, model: ModelRuns, choice: Choice) -> int:
    statement = (
        select(func.count())
        .select_from(provenance.join(prompts, prompts.c.prompt_id == provenance.c.prompt_id))
        .where(provenance.c.model_id == model.model_id)
    )
    if adopted := _adopted_runs(conn, model.model_id):
        statement = statement.where(provenance.c.run_id.not_in(sorted(adopted)))
    if choice.run_ids:
        statement = statement.where(provenance.c.run_id.in_(choice.run_ids))
    return int(conn.execute(_chosen(statement, choice)).scalar_one())


def _chosen(statement: Select[int], choice: Choice) -> Select[int]:
    if choice.langs:
        statement = statement.where(prompts.c.lang.in_(choice.langs))
    if choice.configs:
        statement = statement.where(config_column.in_(choice.configs))
    if choice.question_ids:
        statement = statement.where(prompts.c.question_id.in_(choice.question_ids))
    return statement
