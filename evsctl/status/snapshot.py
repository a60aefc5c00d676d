"""The Snapshot: everything both front ends show, taken at one moment, frozen."""

from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1

MODEL_KEYS = tuple("model_id hub_id family total done failed percent rate_per_s eta_s state detail job_id attempt next_action".split())
"""What `evsctl status --json` says of each model, in this order."""


@dataclass(frozen=True, slots=True)
class SlurmHealth:
    """Whether the batch system answered, and how old its answer is."""

    backend: str
    reachable: bool
    age_seconds: float | None
    """Age of the newest answer; None where there never was one."""
    calls_per_hour: int = 0
    error: str | None = None
    """Why the newest call failed, in one sentence; rows and states are then those of the last answer."""
    partition: str = ""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One submission of a model."""

    attempt: int
    job_id: str
    backend: str
    state: str
    detail: str
    submitted_at: float
    memory_gb: int
    walltime_minutes: int
    constraint: str | None
    elapsed_seconds: float | None
    max_rss_gb: float | None
    nodes: str
    log_path: str
    gpus: int = 1


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model at this moment."""

    model_id: str
    hub_id: str
    family: str
    total: int
    done: int
    failed: int
    rate_per_s: float | None
    """Prompts per second of a running job."""
    eta_s: float | None
    state: str
    """One of `evsctl.jobs.types.STATES`."""
    detail: str
    job_id: str | None
    attempt: int
    next_action: str
    """What to do about it, in words; empty: nothing."""
    needs_attention: bool = False
    in_study: bool = True
    p_valid_mean: float | None = None
    nodes: str = ""
    log_path: str | None = None
    time_left_seconds: float | None = None
    gpu: str | None = None
    heartbeat_age_seconds: float | None = None
    attempts: tuple[AttemptRow, ...] = ()
    phase: str = ""
    """What the run says it is doing: `loading`, `running`, …; empty where none runs."""
    dtype: str = ""
    elapsed_seconds: float | None = None
    peak_memory_gb: float | None = None
    """Host memory, from the heartbeat of the newest run."""
    peak_gpu_memory_gb: float | None = None
    last_error: str | None = None

    @property
    def missing(self) -> int:
        """Prompts still to answer."""
        return max(0, self.total - self.done)

    @property
    def percent(self) -> float:
        """Share of the work that is done, 0 to 100; 100 only when nothing is missing."""
        if self.total == 0:
            return 0.0
        return 100.0 if self.done >= self.total else min(99.9, round(100.0 * self.done / self.total, 1))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The study at one moment. Errors are data: a source that failed leaves its last answer and a sentence here."""

    as_of: float
    db: str
    study: str
    prompts: int
    """Prompts of the study's configurations in the database."""
    models: tuple[ModelRow, ...]
    slurm: SlurmHealth
    errors: tuple[str, ...] = field(default=())
    synced_age_seconds: float | None = None
    """Age of the newest merge of journals into the database."""

    db_age_seconds: float | None = None
    """Age of the newest reading of the database; more than a poll old only while it is locked or gone."""

    @property
    def attention(self) -> int:
        """How many models need a person."""
        return sum(row.needs_attention for row in self.models)

    def find(self, model_id: str) -> ModelRow | None:
        """The row of a model, or None."""
        return next((row for row in self.models if row.model_id == model_id), None)

    def to_json(self) -> dict[str, Any]:
        """The stable form of `evsctl status --json`; `schema` changes when a key changes its meaning."""
        return {
            "schema": SCHEMA,
            "as_of": self.as_of,
            "db": self.db,
            "prompts": self.prompts,
            "attention": self.attention,
            "slurm": {"reachable": self.slurm.reachable, "age_s": self.slurm.age_seconds},
            "models": [{name: getattr(row, name) for name in MODEL_KEYS} for row in self.models],
        }
