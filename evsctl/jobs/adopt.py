"""Entering a job into the ledger that was submitted by hand, or whose ledger row was lost."""

import time
from typing import Any

from evsctl.db.connection import Database
from evsctl.db.ledger import Submission, list_submissions, record_submission
from evsctl.errors import InputError
from evsctl.files import current_user
from evsctl.jobs.local_state import job_number
from evsctl.jobs.outcomes import ledger_backend
from evsctl.jobs.types import HistoryRow, JobPort, QueueRow
from evsctl.journal.paths import RunsFolder
from evsctl.models.registry import Registry
from evsctl.models.spec import ModelSpec
from evsctl.settings import Settings


def adopt_job(db: Database, settings: Settings, registry: Registry, port: JobPort, job_id: str, model_id: str) -> Submission:
    """Follow a job of the batch system as one of this model's.

    Raises InputError where the ledger has it already or neither queue nor accounting knows it; SlurmError where they do not answer.
    """
    spec = registry.get(model_id)
    ledger = list_submissions(db)
    if any(s.job_id == job_id for s in ledger):
        raise InputError(f"Job {job_id} is in the ledger already.", "`evsctl jobs` shows it.")
    row: QueueRow | HistoryRow | None = next((r for r in port.queue() if r.job_id == job_id), None)
    row = row or next((r for r in port.history((job_id,)) if r.job_id == job_id and not r.step), None)
    if row is None:
        raise InputError(f"Neither queue nor accounting knows a job {job_id}.", "Check the number with `squeue --me`.")
    submission = Submission(
        submission_id=None,
        model_id=model_id,
        job_id=job_id,
        backend="local" if job_number(job_id) is not None else ledger_backend(port),
        attempt=max((s.attempt for s in ledger if s.model_id == model_id), default=0) + 1,
        submitted_at=row.start_time or time.time(),
        job_name=row.name if isinstance(row, QueueRow) else "",
        argv=(),
        request=_request_of(row, spec),
        reasons={"adopted": f"by {current_user()}"},
        inputs={},
        manifest="",
        script="",
        log_path=str(RunsFolder(settings.database.runs_dir).model(model_id).log(job_id)),
        dtype=spec.dtype,
        user=current_user(),
        pending=0,
    )
    record_submission(db, submission)
    return submission


def _request_of(row: QueueRow | HistoryRow, spec: ModelSpec) -> dict[str, Any]:
    """What is known of the request; memory only accounting tells."""
    memory = int(row.requested_memory_gb or 0) if isinstance(row, HistoryRow) else 0
    minutes = int((row.time_limit_seconds or 0) // 60)
    return {"memory_gb": memory, "walltime_minutes": minutes, "gpus": spec.gpus, "constraint": spec.constraint}
