"""SLURM read through pyslurm instead of text; experimental.

Only reading: submitting and cancelling go through SLURM's programs, whose refusals come in words. pyslurm must be of SLURM's own
release, which few sites offer, so nothing needs it.
"""

import importlib
import os
from types import ModuleType
from typing import Any

from evsctl.errors import InputError, SlurmError
from evsctl.jobs.cli_port import CliPort
from evsctl.jobs.commands import CommandRunner
from evsctl.jobs.types import HistoryRow, QueueRow

_ENDED = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED"}


class PyslurmPort(CliPort):
    """The `cli` port with queue and history read by pyslurm; raises InputError where pyslurm cannot be imported."""

    name = "pyslurm"

    def __init__(self, runner: CommandRunner | None = None) -> None:
        super().__init__(runner)
        self._pyslurm = _import_pyslurm()

    def queue(self) -> tuple[QueueRow, ...]:
        """All of this user's jobs that have not ended."""
        jobs = self._ask(lambda: self._pyslurm.Jobs.load()).values()
        return tuple(_queue_row(job) for job in jobs if job.user_id == os.getuid() and str(job.state) not in _ENDED)

    def history(self, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
        """Accounting of these jobs with their steps."""
        if not job_ids:
            return ()
        query = self._pyslurm.db.JobFilter(ids=[int(job_id) for job_id in job_ids])
        jobs = self._ask(lambda: self._pyslurm.db.Jobs.load(query)).values()
        return tuple(row for job in jobs for row in _history_rows(job))

    def _ask(self, question: Any) -> Any:
        try:
            return question()
        except self._pyslurm.PyslurmError as error:
            raise SlurmError(f"SLURM does not answer: pyslurm says '{error}'.", "Try again in a moment; jobs go on meanwhile.") from error


def _import_pyslurm() -> ModuleType:
    try:
        return importlib.import_module("pyslurm")
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"Backend 'pyslurm' is not usable here: {error}.", 'Use `backend = "cli"`, which needs nothing but SLURM.'
        ) from error


def _queue_row(job: Any) -> QueueRow:
    minutes = job.time_limit
    limit = minutes * 60.0 if isinstance(minutes, int) else None
    reason, nodes = str(job.state_reason or "None"), job.allocated_nodes or ""
    return QueueRow(
        str(job.id),
        str(job.name),
        str(job.state),
        reason,
        nodes,
        float(job.run_time or 0),
        limit,
        _seconds(job.start_time),
        job.requeue_count,
    )


def _history_rows(job: Any) -> list[HistoryRow]:
    limit = job.time_limit * 60.0 if isinstance(job.time_limit, int) else None
    asked = job.memory / 1024 if isinstance(job.memory, int) else None
    cancelled_by = job.cancelled_by if str(job.state) == "CANCELLED" and isinstance(job.cancelled_by, int) else None
    rows = [_row(job, "", job.nodelist or "", limit, asked, cancelled_by)]
    return rows + [_row(step, str(name), rows[0].nodes, None, None, None, str(job.id)) for name, step in job.steps.items()]


def _row(
    item: Any, step: str, nodes: str, limit: float | None, asked: float | None, cancelled_by: int | None, job_id: str = ""
) -> HistoryRow:
    rss = getattr(item.stats, "max_resident_memory", None) if step else None  # bytes
    return HistoryRow(
        job_id=job_id or str(item.id),
        step=step,
        state=str(item.state),
        exit_code=f"{item.exit_code or 0}:{getattr(item, 'exit_code_signal', None) or 0}",
        cancelled_by_uid=cancelled_by,
        elapsed_seconds=float(item.elapsed_time or 0),
        max_rss_gb=rss / 2**30 if rss else None,
        requested_memory_gb=asked,
        time_limit_seconds=limit,
        start_time=_seconds(item.start_time),
        end_time=_seconds(item.end_time),
        nodes=nodes,
    )


def _seconds(moment: Any) -> float | None:
    return float(moment) if moment else None
