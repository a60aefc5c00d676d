"""One judgement of a job from all that is known of it: queue, accounting, heartbeat and log. Pure."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evsctl.errors import ExitCode
from evsctl.jobs import failures
from evsctl.jobs.attempts import DEADLINE, GPU_OOM, HOST_OOM, NODE_FAILURE
from evsctl.jobs.reasons import explain_reason
from evsctl.jobs.types import (
    CANCELLED,
    COMPLETING,
    DONE,
    FAILED,
    OOM,
    PENDING,
    PREEMPTED,
    RUNNING,
    TIMEOUT,
    UNKNOWN,
    HistoryRow,
    JobOutcome,
    QueueRow,
)
from evsctl.journal.heartbeat import Heartbeat

_WAITING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_RUNNING = {"RUNNING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT", "EXPEDITING", "POWER_UP_NODE"}
_OOM_EXIT = "0:125"
"""How SLURM writes an out-of-memory kill into the exit code of a step."""
WANTS_TO_GO_ON = f"{int(ExitCode.WANTS_TO_GO_ON)}:0"

CANCELLED_BY_USER = "cancelled by you"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job in accounting: its own row and its steps."""

    job: HistoryRow
    steps: tuple[HistoryRow, ...]

    @property
    def max_rss_gb(self) -> float | None:
        """The largest step: the job's own row has none."""
        return max((row.max_rss_gb for row in (self.job, *self.steps) if row.max_rss_gb is not None), default=None)


def runs_of(job_id: str, history: Sequence[HistoryRow]) -> tuple[Run, ...]:
    """The runs of one job, oldest first: a requeued job has several of one id."""
    found: list[tuple[HistoryRow, list[HistoryRow]]] = []
    for row in history:
        if row.job_id != job_id:
            continue
        if not row.step:
            found.append((row, []))
        elif found:
            found[-1][1].append(row)
    return tuple(Run(job, tuple(steps)) for job, steps in found)


def judge(
    job_id: str,
    queue_row: QueueRow | None,
    history: Sequence[HistoryRow] = (),
    heartbeat: Heartbeat | None = None,
    log_tail: str = "",
    *,
    own_uid: int | None = None,
) -> JobOutcome:
    """What became of a job.

    The queue wins while it holds the job. One that left it is unknown until accounting, heartbeat or log say more. `heartbeat`
    and `log_tail` are those of this job; `own_uid` tells a cancellation by the user from one by others (default: this process's).
    """
    if queue_row is not None:
        return _in_queue(job_id, queue_row, heartbeat)
    runs = runs_of(job_id, history)
    tail = failures.last_run(log_tail)
    if not runs or runs[-1].job.state == "UNKNOWN":
        return _without_accounting(job_id, heartbeat, tail)
    return _from_accounting(job_id, runs[-1], heartbeat, tail, os.getuid() if own_uid is None else own_uid)


def _in_queue(job_id: str, row: QueueRow, heartbeat: Heartbeat | None) -> JobOutcome:
    if row.state == "COMPLETING":
        state, detail = COMPLETING, "its node is being cleaned up"
    elif row.state in _WAITING:
        state, detail = PENDING, explain_reason(row.reason)
    else:
        state = RUNNING if row.state in _RUNNING else COMPLETING
        detail = heartbeat.phase if heartbeat is not None and heartbeat.is_active else row.state.lower().replace("_", " ")
        if row.state in ("SUSPENDED", "STOPPED"):
            detail = "suspended by SLURM"
    return JobOutcome(
        job_id,
        state,
        detail,
        elapsed_seconds=row.elapsed_seconds,
        time_limit_seconds=row.time_limit_seconds,
        start_time=row.start_time,
        nodes=row.nodes,
    )


def _from_accounting(job_id: str, run: Run, heartbeat: Heartbeat | None, tail: str, own_uid: int) -> JobOutcome:
    row = run.job
    base = JobOutcome(
        job_id,
        UNKNOWN,
        exit_code=row.exit_code or None,
        max_rss_gb=run.max_rss_gb,
        elapsed_seconds=row.elapsed_seconds,
        time_limit_seconds=row.time_limit_seconds,
        start_time=row.start_time,
        end_time=row.end_time,
        nodes=row.nodes,
        is_final=True,
    )
    if row.state in _WAITING:
        # The queue does not hold it, accounting has not caught up: it may be requeued at this moment.
        return replace(base, state=PENDING, detail="requeued by SLURM" if row.state == "REQUEUED" else "about to be queued", is_final=False)
    if row.state in _RUNNING or row.state == "COMPLETING":
        return replace(base, detail="left the queue; accounting has not seen its end yet", is_final=False)
    return _ended(base, run, tail, own_uid)


def _ended(base: JobOutcome, run: Run, tail: str, own_uid: int) -> JobOutcome:
    row = run.job
    if _ran_out_of_memory(run, tail):
        asked = f" at {row.requested_memory_gb:.0f}G" if row.requested_memory_gb else ""
        return replace(base, state=OOM, detail=f"host memory ran out{asked}", fingerprint=f"{HOST_OOM}{asked.replace(' at ', '@')}")
    if row.state == "CANCELLED":
        return replace(base, state=CANCELLED, detail=_cancelled_by(row, own_uid))
    if row.state in ("NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED"):
        words = f"node {row.nodes or '?'} failed ({row.state})"
        return replace(base, state=FAILED, detail=words, fingerprint=f"{NODE_FAILURE}@{row.nodes}")
    simple = {
        "TIMEOUT": (TIMEOUT, "reached its time limit", None),
        "PREEMPTED": (PREEMPTED, "made room for a job of higher priority", None),
        "DEADLINE": (FAILED, "could not meet its deadline", DEADLINE),
        "REVOKED": (UNKNOWN, "moved to another cluster", None),
    }
    if row.state in simple:
        state, detail, fingerprint = simple[row.state]
        return replace(base, state=state, detail=detail, fingerprint=fingerprint)
    if row.exit_code == WANTS_TO_GO_ON:
        return replace(base, state=DONE, detail="stopped early and wants to go on")
    if row.state == "COMPLETED":
        return replace(base, state=DONE, detail="ended well")
    if failures.gpu_ran_out(tail):
        return replace(base, state=OOM, detail=f"GPU memory ran out: {failures.error_line(tail)}", fingerprint=GPU_OOM)
    return _failed(base, row, tail)


def _failed(base: JobOutcome, row: HistoryRow, tail: str) -> JobOutcome:
    code, _, signal = row.exit_code.partition(":")
    if not row.exit_code:
        ending = "nobody saw its end: its supervisor was killed, or the machine was restarted"
    elif signal not in ("", "0"):
        ending = "SLURM could not start it: is the log's folder there?" if row.exit_code == "0:53" else f"killed by signal {signal}"
    else:
        ending = f"exit code {code}"
    line = failures.error_line(tail)
    fingerprint = f"exit@{row.exit_code or 'unseen'} {failures.normalised(line)}".rstrip()
    return replace(base, state=FAILED, detail=f"{ending}: {line}" if line else ending, fingerprint=fingerprint)


def _ran_out_of_memory(run: Run, tail: str) -> bool:
    """OUT_OF_MEMORY, a step's 0:125 inside a job that calls itself COMPLETED, or the log of a site without cgroups."""
    if any(row.state == "OUT_OF_MEMORY" or row.exit_code == _OOM_EXIT for row in (run.job, *run.steps)):
        return True
    return run.job.state == "FAILED" and failures.HOST_OOM_WORDS.search(tail) is not None


def _cancelled_by(row: HistoryRow, own_uid: int) -> str:
    if row.cancelled_by_uid is None:
        return "cancelled before it started"
    if row.cancelled_by_uid == own_uid:
        return CANCELLED_BY_USER
    return "cancelled by an administrator" if row.cancelled_by_uid == 0 else f"cancelled by user {row.cancelled_by_uid}"


def _without_accounting(job_id: str, heartbeat: Heartbeat | None, tail: str) -> JobOutcome:
    """No accounting, or none yet: what the job itself left behind is evidence, but never the last word."""
    base = JobOutcome(job_id, UNKNOWN)
    if heartbeat is not None:
        base = replace(base, max_rss_gb=heartbeat.peak_host_memory_gb, nodes=heartbeat.host, end_time=heartbeat.updated_at)
    if failures.TIME_WORDS.search(tail):
        return replace(base, state=TIMEOUT, detail="its log says: time limit")
    if failures.PREEMPTED_WORDS.search(tail):
        return replace(base, state=PREEMPTED, detail="its log says: preempted")
    if failures.gpu_ran_out(tail) and (heartbeat is None or heartbeat.phase == "failed"):
        return replace(base, state=OOM, detail=f"GPU memory ran out: {failures.error_line(tail)}", fingerprint=GPU_OOM)
    if failures.HOST_OOM_WORDS.search(tail):
        return replace(base, state=OOM, detail="its log says: host memory ran out", fingerprint=HOST_OOM)
    if heartbeat is not None and heartbeat.phase == "finished":
        return replace(base, state=DONE, detail="ended well, by its own account")
    if heartbeat is not None and heartbeat.phase == "stopped":
        return replace(base, state=DONE, detail="stopped early and wants to go on")
    if heartbeat is not None and heartbeat.phase == "failed":
        line = heartbeat.last_error or failures.error_line(tail)
        return replace(base, state=FAILED, detail=line, fingerprint=f"exit@unseen {failures.normalised(line)}")
    return replace(base, detail="left the queue; accounting does not know it yet")
