"""What became of a model's earlier submissions, as the advice needs it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from evsctl.jobs.types import JobRequest

# A fingerprint is `cause`, or `cause@what`. These causes have an answer of their own in the advice.
HOST_OOM = "oom-host"
GPU_OOM = "oom-gpu"
NODE_FAILURE = "node-failure"
DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission and its outcome."""

    job_id: str
    request: JobRequest
    state: str
    """One of `evsctl.jobs.types.STATES`."""
    detail: str = ""
    fingerprint: str | None = None
    exit_code: str | None = None
    new_rows: int | None = None
    """Prompts it answered; None: not known."""
    max_rss_gb: float | None = None
    elapsed_seconds: float | None = None
    ended_at: float | None = None
    nodes: str = ""
    gpu: str | None = None
    """The card it ran on, as CUDA names it."""
    cancelled_by_user: bool = False
    is_final: bool = True
    """Proven ended; False while SLURM may still requeue it."""

    @property
    def cause(self) -> str:
        """The first part of the fingerprint, or an empty text."""
        return (self.fingerprint or "").partition("@")[0]


@dataclass(frozen=True, slots=True)
class TrustedRate:
    """A speed measured over at least 500 prompts of one engine version, executor and kind of card."""

    prompts_per_second: float
    prompts: int
    engine_version: str = ""
    executor: str = ""
    gpu: str = ""
    load_seconds: float | None = None
    """From the start of a job to its first answer; None: not measured."""


def request_to_json(request: JobRequest) -> dict[str, Any]:
    """The request as the ledger keeps it."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(request).items()}


def request_from_json(value: Mapping[str, Any]) -> JobRequest:
    """Read what `request_to_json` wrote; unknown keys are passed over, missing numbers are 0."""
    known = {item.name for item in fields(JobRequest)}
    kept = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items() if name in known}
    values: dict[str, Any] = {"memory_gb": 0, "walltime_minutes": 0, **kept}
    return JobRequest(**values)
