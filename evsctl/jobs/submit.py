"""Making a planned submission: files first, then SLURM, then the ledger."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from evsctl.db.connection import Database
from evsctl.db.ledger import Submission, record_submission
from evsctl.errors import DatabaseError, InputError, SlurmError
from evsctl.files import PRIVATE_FILE_MODE, current_user, write_atomically
from evsctl.jobs.attempts import request_to_json
from evsctl.jobs.cli_port import SubmissionUnclearError
from evsctl.jobs.local_state import filled
from evsctl.jobs.manifests import write_prepared
from evsctl.jobs.outcomes import ledger_backend
from evsctl.jobs.plan import SubmissionPlan
from evsctl.jobs.types import JobPort
from evsctl.journal.claim import process_alive, process_start
from evsctl.journal.paths import ModelRuns
from evsctl.settings import Caps, Settings

LOOK_AGAIN_SECONDS = (2.0, 5.0, 10.0)
"""After an sbatch without answer: how long to wait before each look at the queue."""
STALE_LOCK_SECONDS = 180.0


def submit_plan(db: Database, settings: Settings, port: JobPort, plan: SubmissionPlan) -> Submission:
    """Submit what was planned and write it into the ledger.

    Raises InputError where the plan has problems or its model got a job meanwhile, SubmissionRefusedError with SLURM's words,
    SlurmError where it cannot be known whether SLURM has the job, DatabaseError where the job is out but the ledger cannot be written.
    """
    if plan.problems:
        raise InputError(" ".join(plan.problems))
    runs = ModelRuns(plan.manifest_path.parent, plan.model_id).create()
    with _only_one(runs):
        before = {row.job_id for row in port.queue() if row.name == plan.spec.name}
        if before:
            raise InputError(f"'{plan.model_id}' has a job already: {min(before)}.", f"`evsctl cancel {min(before)}` ends it.")
        manifest_path = write_prepared(db, settings, plan.prepared)
        write_atomically(plan.spec.script, plan.script_text)
        write_caps(runs, settings.cluster.caps)
        job_id = _submit(port, plan)
        return _record(db, port, plan, job_id, manifest_path)


def write_caps(runs: ModelRuns, caps: Caps, on: bool | None = None) -> None:
    """Copy the caps beside the journals, where a job may read them; `on` None leaves the switch as it stands."""
    if on is None:
        on = is_auto_on(runs)
    write_atomically(runs.auto, json.dumps({"caps": {"on": on, **asdict(caps)}}, indent=1) + "\n")


def is_auto_on(runs: ModelRuns) -> bool:
    """Whether the model may be requeued from inside its job; it may unless someone switched it off."""
    try:
        return bool(json.loads(runs.auto.read_text(encoding="utf-8"))["caps"]["on"])
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _submit(port: JobPort, plan: SubmissionPlan) -> str:
    """Submit once; where no answer came, look for the job by its name before trying a second time."""
    for is_last in (False, True):
        try:
            return port.submit(plan.spec)
        except SubmissionUnclearError as error:
            found = _look_for(port, plan.spec.name)
            if found is not None:
                return found
            if is_last:
                raise SlurmError(f"{error.message} No job '{plan.spec.name}' is in the queue.", "Try again in a moment.") from error
    raise AssertionError("unreachable")


def _look_for(port: JobPort, name: str) -> str | None:
    """The job of that name, or None where the queue answers without it; raises SlurmError where it does not answer."""
    for pause in LOOK_AGAIN_SECONDS:
        time.sleep(pause)
        try:
            return next((row.job_id for row in port.queue() if row.name == name), None)
        except SlurmError:
            continue
    raise SlurmError(
        f"SLURM did not answer, so it is not known whether job '{name}' was submitted.",
        "Look with `evsctl jobs` once it answers, before submitting again.",
    )


def _record(db: Database, port: JobPort, plan: SubmissionPlan, job_id: str, manifest_path: Path) -> Submission:
    submission = Submission(
        submission_id=None,
        model_id=plan.model_id,
        job_id=job_id,
        backend=ledger_backend(port),
        attempt=plan.attempt,
        submitted_at=time.time(),
        job_name=plan.spec.name,
        argv=tuple(plan.argv),
        request=request_to_json(plan.request),
        reasons=dict(plan.advice.reasons),
        inputs=dict(plan.advice.inputs),
        manifest=str(manifest_path),
        script=str(plan.spec.script),
        log_path=filled(plan.spec.log_pattern, job_id),
        dtype=plan.dtype,
        user=current_user(),
        pending=plan.pending,
    )
    try:
        return replace(submission, submission_id=record_submission(db, submission))
    except DatabaseError as error:
        raise DatabaseError(
            f"Job {job_id} of '{plan.model_id}' is submitted, but the ledger could not be written: {error.message}",
            f"`evsctl jobs adopt {job_id} {plan.model_id}` enters it.",
        ) from error


def _is_left_behind(lock: Path) -> bool:
    """Whether a submission that was killed left its lock: its process is gone from this host, or it is minutes old."""
    try:
        age = time.time() - lock.stat().st_mtime
        host, pid, started = lock.read_text().split()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return age > STALE_LOCK_SECONDS
    if host == socket.gethostname():
        return not process_alive(int(pid), started)
    return age > STALE_LOCK_SECONDS


@contextlib.contextmanager
def _only_one(runs: ModelRuns) -> Iterator[None]:
    """Two windows must not submit one model in the same moment; raises InputError for the second."""
    lock = runs.folder / ".submitting"
    if _is_left_behind(lock):
        lock.unlink(missing_ok=True)
    try:
        handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE_MODE)
        os.write(handle, f"{socket.gethostname()} {os.getpid()} {process_start(os.getpid())}".encode())
        os.close(handle)
    except FileExistsError:
        raise InputError(f"'{runs.model_id}' is being submitted from another window at this moment.", "Look again in a moment.") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
