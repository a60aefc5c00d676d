"""Rebuilding: evsctl's own results are made anew from the journals, the field's rows stay as they are."""

import time
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, literal, select

from evsctl.db.batch import Batch
from evsctl.db.connection import Database
from evsctl.db.journals import Seen, open_journal, read_again
from evsctl.db.lease import acquire_lease
from evsctl.db.merge import SyncReport, SyncTally, report_of
from evsctl.db.schema import evaluations, failures, provenance, superseded
from evsctl.db.state import write_last_sync
from evsctl.db.tally import refresh_cache
from evsctl.journal.paths import RunsFolder

REASON = "rebuild"
"""What `superseded` says of a row that no journal line supports any more."""


def rebuild_results(db: Database, runs: RunsFolder, *, wait_seconds: float = 30.0) -> SyncReport:
    """Make the results anew from the journals, in one transaction: readers see the old ones or the new ones.

    Only rows that evsctl merged are made anew. Those whose journal is gone stay; those that no journal line supports
    any more move to `superseded`. Raises DatabaseError where the lease is held or lost, and changes nothing then.
    """
    tally = SyncTally()
    at = time.time()
    with acquire_lease(runs, wait_seconds=wait_seconds) as lease, db.writing(lease) as conn:
        for model_id in conn.execute(select(provenance.c.model_id).distinct()).scalars().all():
            readable = _readable_runs(runs, model_id)
            _report_kept(conn, model_id, readable, tally)
            _set_aside(conn, model_id, readable, at)
        conn.execute(delete(failures))
        read_again(conn)
        Batch(conn, runs, tally, None, None).run()
        _drop_replaced(conn, at)
        refresh_cache(conn)
        write_last_sync(conn, time.time())
    return report_of(tally, True)


def _readable_runs(runs: RunsFolder, model_id: str) -> set[str]:
    """Runs of the model whose journals can be read now."""
    found = set()
    for file in runs.model(model_id).journals():
        try:
            header = open_journal(file, Seen(file.name, model_id)).header
        except OSError:
            continue
        if header is not None:
            found.add(header.run_id)
    return found


def _merged_by(model_id: str, run_ids: Collection[str]) -> ColumnElement[bool]:
    return (provenance.c.model_id == model_id) & provenance.c.run_id.in_(sorted(run_ids))


def _report_kept(conn: Connection, model_id: str, readable: Collection[str], tally: SyncTally) -> None:
    gone = (provenance.c.model_id == model_id) & provenance.c.run_id.not_in(sorted(readable))
    for run_id, count in conn.execute(select(provenance.c.run_id, func.count()).where(gone).group_by(provenance.c.run_id)):
        tally.add_problem(f"The journal of run {run_id} of {model_id} is gone or unreadable: its {count} prompts stay as they are.")


def _set_aside(conn: Connection, model_id: str, run_ids: Collection[str], at: float) -> None:
    """Move the rows of these runs to `superseded`, from where those that come back are dropped again."""
    same = (provenance.c.model_id == evaluations.c.model_id) & (provenance.c.prompt_id == evaluations.c.prompt_id)
    rows = (
        select(*evaluations.c, provenance.c.run_id, literal(REASON), literal(at))
        .join(provenance, same)
        .where(_merged_by(model_id, run_ids))
    )
    conn.execute(insert(superseded).from_select([*evaluations.c.keys(), "run_id", "reason", "superseded_at"], rows))
    merged = select(provenance.c.prompt_id).where(_merged_by(model_id, run_ids))
    conn.execute(delete(evaluations).where(evaluations.c.model_id == model_id, evaluations.c.prompt_id.in_(merged)))
    conn.execute(delete(provenance).where(_merged_by(model_id, run_ids)))


def _drop_replaced(conn: Connection, at: float) -> None:
    back = exists().where(evaluations.c.model_id == superseded.c.model_id, evaluations.c.prompt_id == superseded.c.prompt_id)
    conn.execute(delete(superseded).where(superseded.c.reason == REASON, superseded.c.superseded_at == at, back))
