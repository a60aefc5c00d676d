"""The ledger: every submission with its reasons, and what became of each job."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select

from evsctl.db.connection import Database
from evsctl.db.schema import job_states, submissions


@dataclass(frozen=True, slots=True)
class Submission:
    """One job as it was submitted."""

    submission_id: int | None
    """None: not recorded yet."""
    model_id: str
    job_id: str
    backend: str
    attempt: int
    submitted_at: float
    """Seconds since the epoch."""
    job_name: str
    argv: tuple[str, ...]
    request: dict[str, Any]
    """Fields of the `JobRequest`."""
    reasons: dict[str, str]
    inputs: dict[str, Any]
    manifest: str
    script: str
    log_path: str
    dtype: str | None
    user: str
    pending: int
    """Prompts that were to do at submission."""


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """What became of a job, as far as it is known."""

    job_id: str
    backend: str
    state: str
    detail: str
    fingerprint: str | None
    exit_code: str | None
    max_rss_gb: float | None
    elapsed_seconds: float | None
    start_time: float | None
    end_time: float | None
    nodes: str | None
    is_final: bool
    cancelled_by_user: bool
    rows_before: int | None
    rows_after: int | None
    updated_at: float


_JSON_FIELDS = ("argv", "request", "reasons", "inputs")


def record_submission(db: Database, submission: Submission) -> int:
    """Add a submission to the ledger; returns its number. Raises DatabaseError where the study cannot be written."""
    values = asdict(submission) | {name: json.dumps(getattr(submission, name), ensure_ascii=False, default=str) for name in _JSON_FIELDS}
    values["user_name"] = values.pop("user")
    with db.writing() as conn:
        values["submission_id"] = 1 + (conn.execute(select(func.max(submissions.c.submission_id))).scalar_one() or 0)
        conn.execute(insert(submissions).values(**values))
    return int(values["submission_id"])


def list_submissions(db: Database, model_id: str | None = None) -> tuple[Submission, ...]:
    """The ledger, oldest first; of one model where it is named."""
    if not db.step:
        return ()
    statement = select(submissions).order_by(submissions.c.submission_id)
    if model_id is not None:
        statement = statement.where(submissions.c.model_id == model_id)
    with db.reading() as conn:
        return tuple(_submission(row) for row in conn.execute(statement))


def _submission(row: Row[*tuple[Any, ...]]) -> Submission:
    values = dict(row._mapping)
    values |= {name: json.loads(values[name]) for name in _JSON_FIELDS}
    values["argv"] = tuple(values["argv"])
    values["user"] = values.pop("user_name")
    return Submission(**values)


def record_outcomes(db: Database, outcomes: Sequence[StoredOutcome]) -> None:
    """Store what became of these jobs, in the place of what was known before."""
    if not outcomes:
        return
    rows = [asdict(item) | {"is_final": int(item.is_final), "cancelled_by_user": int(item.cancelled_by_user)} for item in outcomes]
    with db.writing() as conn:
        for item in outcomes:
            conn.execute(delete(job_states).where(and_(job_states.c.backend == item.backend, job_states.c.job_id == item.job_id)))
        conn.execute(insert(job_states), list({(row["backend"], row["job_id"]): row for row in rows}.values()))


def outcomes(db: Database) -> dict[tuple[str, str], StoredOutcome]:
    """Every known outcome by (backend, job id)."""
    if not db.step:
        return {}
    with db.reading() as conn:
        found = [dict(row._mapping) for row in conn.execute(select(job_states))]
    stored = [StoredOutcome(**row | {name: bool(row[name]) for name in ("is_final", "cancelled_by_user")}) for row in found]
    return {(item.backend, item.job_id): item for item in stored}
