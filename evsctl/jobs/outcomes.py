"""What became of every job in the ledger: one look at the queue, one at accounting for those that left it, the rest from memory."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evsctl.db.connection import Database
from evsctl.db.lease import acquire_lease
from evsctl.db.ledger import StoredOutcome, Submission, list_submissions, outcomes, record_outcomes
from evsctl.errors import DatabaseError, SlurmError
from evsctl.jobs.attempts import NODE_FAILURE
from evsctl.jobs.evidence import answered_by, heartbeat_of
from evsctl.jobs.local_port import LocalPort
from evsctl.jobs.logs import read_tail
from evsctl.jobs.states import CANCELLED_BY_USER, judge
from evsctl.jobs.types import ACTIVE_STATES, PENDING, PREEMPTED, UNKNOWN, HistoryRow, JobOutcome, JobPort, QueueRow
from evsctl.journal.paths import RunsFolder
from evsctl.settings import Settings

ASK_AGAIN_SECONDS = 60.0
"""How long an answer that is not final spares accounting."""
SETTLED_SECONDS = 600.0
"""Where accounting keeps silent this long after a job's end, what its log and heartbeat say stands."""
NEWCOMER_SECONDS = 45.0
REQUEUE_SECONDS = 60.0
"""So long after a preemption or a node's failure SLURM may still put the job back into the queue."""
LOG_LINES = 200


def read_outcomes(
    db: Database, settings: Settings, port: JobPort, *, queue: Sequence[QueueRow] | None = None, store: bool = True
) -> dict[str, JobOutcome]:
    """The outcome of every submission, by job id.

    `queue` is a look at the queue taken already; without it the port is asked once, and SlurmError passes through. Accounting that
    does not answer leaves its jobs unknown. Final outcomes are kept in the database, if it can be written now, and not asked for again.
    """
    runs = RunsFolder(settings.database.runs_dir)
    submissions = [s for s in list_submissions(db) if s.job_id]
    known = outcomes(db)
    judged: dict[tuple[str, str], JobOutcome] = {}
    remembered: dict[str, JobOutcome] = {}
    for backend, mine in _by_backend(submissions).items():
        asked = _port_for(backend, port, runs)
        if asked is None:
            remembered |= {s.job_id: _from_stored(s.job_id, known.get((backend, s.job_id))) for s in mine}
            continue
        rows = queue if queue is not None and asked is port else asked.queue()
        judged |= _judge_all(mine, asked, {row.job_id: row for row in rows}, known, runs)
    if store and not db.read_only:
        _store(db, submissions, judged, known, runs)
    return remembered | {job_id: outcome for (_, job_id), outcome in judged.items()}


def _by_backend(submissions: Sequence[Submission]) -> dict[str, list[Submission]]:
    found: dict[str, list[Submission]] = {}
    for submission in submissions:
        found.setdefault(submission.backend, []).append(submission)
    return found


def ledger_backend(port: JobPort) -> str:
    """The backend's name in the ledger: `pyslurm` and `cli` are two ways to one SLURM."""
    return "cli" if port.name == "pyslurm" else port.name


def _port_for(backend: str, port: JobPort, runs: RunsFolder) -> JobPort | None:
    """Jobs on this machine can always be looked up; SLURM only through a port to it."""
    if backend == ledger_backend(port):
        return port
    return LocalPort(runs) if backend == "local" else None


def _judge_all(
    submissions: Sequence[Submission],
    port: JobPort,
    queue: Mapping[str, QueueRow],
    known: Mapping[tuple[str, str], StoredOutcome],
    runs: RunsFolder,
) -> dict[tuple[str, str], JobOutcome]:
    backend = ledger_backend(port)
    judged: dict[tuple[str, str], JobOutcome] = {}
    gone: list[Submission] = []
    for submission in submissions:
        stored = known.get((backend, submission.job_id))
        if submission.job_id in queue:
            heartbeat = heartbeat_of(runs, submission)
            judged[backend, submission.job_id] = judge(submission.job_id, queue[submission.job_id], heartbeat=heartbeat)
        elif stored is not None and (stored.is_final or not _is_worth_asking_again(stored, submission)):
            judged[backend, submission.job_id] = _from_stored(submission.job_id, stored)
        else:
            gone.append(submission)
    history = _history(port, tuple(s.job_id for s in gone))
    for submission in gone:
        outcome = judge(
            submission.job_id, None, history, heartbeat_of(runs, submission), "\n".join(read_tail(_log_of(submission, runs), LOG_LINES))
        )
        judged[backend, submission.job_id] = _settled(_newcomer(submission, outcome))
    return judged


def _history(port: JobPort, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
    if not job_ids:
        return ()
    try:
        return port.history(job_ids)
    except SlurmError:
        return ()


def _newcomer(submission: Submission, outcome: JobOutcome) -> JobOutcome:
    """A look at the queue may be older than the job, and accounting slower than both."""
    if outcome.state != UNKNOWN or time.time() - submission.submitted_at > NEWCOMER_SECONDS:
        return outcome
    return replace(outcome, state=PENDING, detail="just submitted")


def _settled(outcome: JobOutcome) -> JobOutcome:
    """With the clock: evidence becomes proof where accounting keeps silent, and what SLURM may requeue is given the time to be."""
    age = float("inf") if outcome.end_time is None else time.time() - outcome.end_time
    if outcome.is_final and (outcome.state == PREEMPTED or (outcome.fingerprint or "").startswith(NODE_FAILURE)):
        return replace(outcome, is_final=age > REQUEUE_SECONDS)
    if outcome.is_final or outcome.end_time is None or outcome.state in (UNKNOWN, *ACTIVE_STATES):
        return outcome
    return replace(outcome, is_final=age > SETTLED_SECONDS)


def _log_of(submission: Submission, runs: RunsFolder) -> Path:
    return Path(submission.log_path) if submission.log_path else runs.model(submission.model_id).log(submission.job_id)


def _from_stored(job_id: str, stored: StoredOutcome | None) -> JobOutcome:
    if stored is None:
        return JobOutcome(job_id, UNKNOWN, "its batch system is not asked from here")
    return JobOutcome(
        job_id=job_id,
        state=stored.state,
        detail=stored.detail,
        fingerprint=stored.fingerprint,
        exit_code=stored.exit_code,
        max_rss_gb=stored.max_rss_gb,
        elapsed_seconds=stored.elapsed_seconds,
        start_time=stored.start_time,
        end_time=stored.end_time,
        nodes=stored.nodes or "",
        is_final=stored.is_final,
    )


def _store(
    db: Database,
    submissions: Sequence[Submission],
    judged: Mapping[tuple[str, str], JobOutcome],
    known: Mapping[tuple[str, str], StoredOutcome],
    runs: RunsFolder,
) -> None:
    """Keep what is new: final outcomes for good, unknown ones so that accounting is not asked at every poll."""
    fresh = []
    for submission in submissions:
        key = (submission.backend, submission.job_id)
        stored, outcome = known.get(key), judged.get(key)
        if outcome is not None and _is_news(outcome, stored, submission):
            fresh.append(_to_store(submission, outcome, runs))
    if not fresh:
        return
    try:
        # Looking must not wait: while someone else writes, the next look finds the same and stores it then.
        acquire_lease(runs, wait_seconds=0.0).release()
        record_outcomes(db, fresh)
    except DatabaseError:
        return


def _is_worth_asking_again(stored: StoredOutcome, submission: Submission) -> bool:
    """Accounting is asked each minute at first; about a job it has not known for days, once an hour."""
    pause = (stored.updated_at - submission.submitted_at) / 20
    return time.time() - stored.updated_at >= max(ASK_AGAIN_SECONDS, min(3600.0, pause))


def _is_news(outcome: JobOutcome, stored: StoredOutcome | None, submission: Submission) -> bool:
    if outcome.state in ACTIVE_STATES:
        return stored is not None and stored.is_final  # an ended job was requeued by hand: its end is no end any more
    return stored is None or (not stored.is_final and _is_worth_asking_again(stored, submission))


def _to_store(submission: Submission, outcome: JobOutcome, runs: RunsFolder) -> StoredOutcome:
    new = answered_by(runs, submission, outcome.end_time) if outcome.is_final else None
    if new is None and outcome.is_final and outcome.start_time is not None:
        new = 0  # it ran and left no journal
    return StoredOutcome(
        job_id=outcome.job_id,
        backend=submission.backend,
        state=outcome.state,
        detail=outcome.detail,
        fingerprint=outcome.fingerprint,
        exit_code=outcome.exit_code,
        max_rss_gb=outcome.max_rss_gb,
        elapsed_seconds=outcome.elapsed_seconds,
        start_time=outcome.start_time,
        end_time=outcome.end_time,
        nodes=outcome.nodes,
        is_final=outcome.is_final,
        cancelled_by_user=outcome.detail == CANCELLED_BY_USER,
        rows_before=None if new is None else 0,
        rows_after=new,
        updated_at=time.time(),
    )
