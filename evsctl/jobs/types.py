"""The vocabulary of jobs: what is asked of SLURM, what SLURM says, and what became of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

IDLE, PENDING, RUNNING, COMPLETING, DONE = "idle", "pending", "running", "completing", "done"
FAILED, TIMEOUT, OOM, PREEMPTED, CANCELLED, UNKNOWN = "failed", "timeout", "oom", "preempted", "cancelled", "unknown"
ACTIVE_STATES = (PENDING, RUNNING, COMPLETING)
STATES = (IDLE, *ACTIVE_STATES, DONE, FAILED, TIMEOUT, OOM, PREEMPTED, CANCELLED, UNKNOWN)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What one submission asks for, in SLURM's terms."""

    memory_gb: int
    walltime_minutes: int
    gpus: int = 1
    constraint: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    cpus: int = 4
    exclude: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    """Further sbatch arguments of the site, as they are."""

    @property
    def walltime(self) -> str:
        """`HH:MM:SS`, or `D-HH:MM:SS` from a day on."""
        days, minutes = divmod(self.walltime_minutes, 24 * 60)
        clock = f"{minutes // 60:02d}:{minutes % 60:02d}:00"
        return f"{days}-{clock}" if days else clock


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another request that would serve better, offered and never taken by itself."""

    request: JobRequest
    dtype: str
    model_id: str
    """Differs from the model asked for where another dtype makes other numbers."""
    reason: str


@dataclass(frozen=True, slots=True)
class Advice:
    """A request with a reason for each of its numbers."""

    request: JobRequest
    reasons: dict[str, str]
    """Field of the request → why it is what it is, in words."""
    warnings: tuple[str, ...] = ()
    stop: str | None = None
    """Why nothing should be submitted by itself: same failure twice, cancelled by the user, no new rows."""
    inputs: dict[str, object] = field(default_factory=dict)
    """What the numbers were computed from, stored beside the submission."""
    alternative: Alternative | None = None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One line of squeue."""

    job_id: str
    name: str
    state: str
    """SLURM's own word, e.g. `RUNNING`."""
    reason: str
    nodes: str
    elapsed_seconds: float | None
    time_limit_seconds: float | None
    start_time: float | None
    """Start, or the estimate of a pending job; seconds since the epoch."""
    restarts: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One line of sacct: a job (step is empty) or one of its steps."""

    job_id: str
    step: str
    state: str
    """SLURM's own word, without the uid after CANCELLED."""
    exit_code: str
    """`code:signal`."""
    cancelled_by_uid: int | None
    elapsed_seconds: float | None
    max_rss_gb: float | None
    requested_memory_gb: float | None
    time_limit_seconds: float | None
    start_time: float | None
    end_time: float | None
    nodes: str


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What is known of a job, from queue, accounting, heartbeat and log together."""

    job_id: str
    state: str
    """One of `STATES`."""
    detail: str = ""
    """One line for people: pending reason in words, error line, exit code."""
    fingerprint: str | None = None
    """Same failure, same fingerprint: two in a row stop the automatic."""
    exit_code: str | None = None
    max_rss_gb: float | None = None
    elapsed_seconds: float | None = None
    time_limit_seconds: float | None = None
    start_time: float | None = None
    end_time: float | None = None
    nodes: str = ""
    is_final: bool = False
    """Proven ended: nothing will change it."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job ready to be handed over."""

    name: str
    model_ids: tuple[str, ...]
    request: JobRequest
    script: Path
    """The rendered script, kept beside the log."""
    log_pattern: str
    """`--output` of sbatch, e.g. `…/%j.log`."""
    working_directory: Path
    arguments: tuple[str, ...] = ()
    """Given to the script behind its name; it hands them on to the engine."""


class JobPort(Protocol):
    """What evsctl needs of a batch system; adapters are `cli`, `local` and `pyslurm`."""

    name: str

    def submit(self, spec: JobSpec) -> str:
        """Hand the job over and return its id; raises SlurmError or SubmissionRefusedError."""
        ...

    def command(self, spec: JobSpec) -> list[str]:
        """The exact argv that `submit` runs."""
        ...

    def queue(self) -> tuple[QueueRow, ...]:
        """All of this user's jobs in the queue, by one call; raises SlurmError."""
        ...

    def history(self, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
        """Accounting rows with steps and earlier runs of requeued jobs, by one call; raises SlurmError."""
        ...

    def cancel(self, job_ids: tuple[str, ...]) -> None:
        """Cancel jobs; raises SlurmError."""
        ...

    def cancel_command(self, job_ids: tuple[str, ...]) -> list[str]:
        """The exact argv that `cancel` runs."""
        ...
