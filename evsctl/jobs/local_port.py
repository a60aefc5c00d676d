"""The port without SLURM: the same script, as a process of this machine, one job after the other."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

from evsctl.errors import SlurmError
from evsctl.files import PRIVATE_FILE_MODE
from evsctl.jobs import local_state
from evsctl.jobs.commands import CommandRunner, clean_environment
from evsctl.jobs.local_state import LocalFolder, LocalJob, LocalStatus, job_number
from evsctl.jobs.types import HistoryRow, JobSpec, QueueRow
from evsctl.journal.paths import RunsFolder

START_TIMEOUT_SECONDS = 30.0


class LocalPort:
    """Background processes that outlive the front end; all front ends of a study see the same ones."""

    name = "local"

    def __init__(self, runs: RunsFolder, slots: int | None = None) -> None:
        self.folder = LocalFolder(runs.root / ".local")
        self.slots = slots or int(os.environ.get("EVSCTL_LOCAL_SLOTS", "1"))
        self.runner = CommandRunner()

    def command(self, spec: JobSpec) -> list[str]:
        """What the supervisor will run."""
        return ["/bin/bash", str(spec.script), *spec.arguments]

    def submit(self, spec: JobSpec) -> str:
        """Queue the job and start its supervisor; raises SlurmError where that cannot be done."""
        minutes = spec.request.walltime_minutes
        job = LocalJob(
            number=0,
            name=spec.name,
            model_ids=spec.model_ids,
            argv=tuple(self.command(spec)),
            log=spec.log_pattern,  # `%j` is filled in when the number is known
            working_directory=str(spec.working_directory),
            walltime_seconds=minutes * 60.0 if minutes else None,
            memory_gb=spec.request.memory_gb,
            slots=self.slots,
            host=socket.gethostname(),
            uid=os.getuid(),
            submitted_at=time.time(),
        )
        try:
            job = self.folder.add(job)
        except OSError as error:
            raise SlurmError(
                f"The job cannot be queued in {self.folder.root}: {error}.", "Check the folder's permissions and free space."
            ) from error
        self._start_supervisor(job)
        return job.job_id

    def _start_supervisor(self, job: LocalJob) -> None:
        argv = [sys.executable, "-m", "evsctl.jobs.local_supervisor", str(self.folder.root), str(job.number)]
        log = self.folder.root / f"{job.number}.supervisor.log"
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE_MODE), "ab") as stream:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=clean_environment(os.environ),
                cwd="/",
                start_new_session=True,
                timeout=START_TIMEOUT_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise SlurmError(f"The supervisor of {job.job_id} did not start.", f"Its last words are in {log}.")

    def queue(self) -> tuple[QueueRow, ...]:
        """Jobs that wait or run."""
        rows = []
        for job in self.folder.jobs():
            status = self.folder.read_status(job)
            if status is not None and status.state in local_state.ACTIVE:
                rows.append(_queue_row(job, status))
        return tuple(rows)

    def history(self, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
        """The records of these jobs; unknown ones are left out, as sacct does."""
        rows = []
        for job_id in job_ids:
            number = job_number(job_id)
            job = self.folder.read_job(number) if number is not None else None
            status = self.folder.read_status(job) if job is not None else None
            if job is not None and status is not None:
                rows.append(_history_row(job, status))
        return tuple(rows)

    def cancel(self, job_ids: tuple[str, ...]) -> None:
        """Ask each job's supervisor to end it; a job whose supervisor is gone is ended here.

        Raises SlurmError for a job of another host.
        """
        for job_id in job_ids:
            number = job_number(job_id)
            job = self.folder.read_job(number) if number is not None else None
            if job is None or number is None:
                continue
            if job.host != socket.gethostname():
                raise SlurmError(f"Job {job_id} runs on {job.host}, not on this machine.", f"Cancel it from {job.host}.")
            status = self.folder.read_status(job)
            if status is None or status.state not in local_state.ACTIVE:
                continue
            if status.supervisor_alive:
                self.folder.cancel_file(number).touch(mode=0o640)
            else:
                self._end_orphan(number, status)

    def cancel_command(self, job_ids: tuple[str, ...]) -> list[str]:
        """What a person would type to the same effect."""
        return ["evsctl", "cancel", *job_ids]

    def _end_orphan(self, number: int, status: LocalStatus) -> None:
        if status.child_pid is not None and status.child_alive:
            os.kill(status.child_pid, signal.SIGTERM)
        self.folder.write_status(number, replace(status, state=local_state.CANCELLED, ended_at=time.time(), cancelled_by_uid=os.getuid()))


def _queue_row(job: LocalJob, status: LocalStatus) -> QueueRow:
    waiting = status.state == local_state.PENDING
    return QueueRow(
        job_id=job.job_id,
        name=job.name,
        state=status.state,
        reason="Resources" if waiting else "None",
        nodes="" if waiting else job.host,
        elapsed_seconds=0.0 if status.started_at is None else max(0.0, time.time() - status.started_at),
        time_limit_seconds=job.walltime_seconds,
        start_time=status.started_at,
        restarts=0,
    )


def _history_row(job: LocalJob, status: LocalStatus) -> HistoryRow:
    ended = status.ended_at
    return HistoryRow(
        job_id=job.job_id,
        step="",
        state=status.state,
        exit_code=status.exit_code,
        cancelled_by_uid=status.cancelled_by_uid,
        elapsed_seconds=max(0.0, ended - status.started_at) if ended and status.started_at else None,
        max_rss_gb=status.max_rss_gb,
        requested_memory_gb=None,
        time_limit_seconds=job.walltime_seconds,
        start_time=status.started_at,
        end_time=ended,
        nodes=job.host if status.started_at else "",
    )
