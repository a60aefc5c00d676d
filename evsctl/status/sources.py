"""What the collector reads from files and database: one look, without asking SLURM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from evsctl.db.connection import open_database
from evsctl.db.ledger import StoredOutcome, Submission, list_submissions, outcomes
from evsctl.db.progress import ModelProgress, count_prompts, read_progress, survey_configs
from evsctl.db.sync import last_sync_time
from evsctl.jobs.types import JobOutcome
from evsctl.journal.heartbeat import Heartbeat, read_heartbeat
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.models.registry import Registry
from evsctl.settings import Settings


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What the database said at one moment."""

    read_at: float
    progress: tuple[ModelProgress, ...]
    prompts: int
    submissions: tuple[Submission, ...]
    """Oldest first."""
    synced_at: float | None
    configs: tuple[str, ...] = ()
    """The configurations the survey has prompts in."""
    ended: Mapping[str, JobOutcome] = field(default_factory=dict)
    """Final outcomes by job id, as stored."""

    def of_model(self, model_id: str) -> tuple[Submission, ...]:
        """The model's submissions, oldest first."""
        return tuple(item for item in self.submissions if item.model_id == model_id)

    @property
    def last_submitted_at(self) -> float:
        """When the newest job was handed in; 0 where there is none."""
        return max((item.submitted_at for item in self.submissions), default=0.0)


def read_database(settings: Settings, registry: Registry, now: float) -> DatabaseFacts:
    """Read progress and ledger; raises InputError or DatabaseError."""
    with open_database(settings.database) as db:
        return DatabaseFacts(
            read_at=now,
            progress=read_progress(db, settings.study.configs, registry),
            prompts=count_prompts(db, settings.study.configs),
            submissions=list_submissions(db),
            synced_at=last_sync_time(db),
            configs=survey_configs(db),
            ended={job_id: _outcome(stored) for (_, job_id), stored in outcomes(db).items() if stored.is_final},
        )


def _outcome(stored: StoredOutcome) -> JobOutcome:
    values = {item.name: getattr(stored, item.name) for item in fields(JobOutcome) if hasattr(stored, item.name)}
    return JobOutcome(**(values | {"nodes": stored.nodes or ""}))


def newest_heartbeats(runs: RunsFolder) -> dict[str, Heartbeat]:
    """The newest heartbeat of each model that has one."""
    found = {}
    for model in runs.models():
        heartbeat = _newest(model)
        if heartbeat is not None:
            found[model.model_id] = heartbeat
    return found


def _newest(model: ModelRuns) -> Heartbeat | None:
    """The newest by its own clock among the two newest by the file's: over NFS the two may differ."""
    beats = [beat for beat in map(read_heartbeat, model.heartbeats()[:2]) if beat is not None]
    return max(beats, key=lambda beat: beat.updated_at, default=None)


def log_of(submissions: Sequence[Submission], heartbeat: Heartbeat | None, runs: RunsFolder, model_id: str) -> str | None:
    """The newest job log of a model that exists; a model whose id cannot name a folder never had a job."""
    wanted = [Path(item.log_path) for item in reversed(submissions) if item.log_path]
    if heartbeat is not None and heartbeat.job_id:
        wanted.insert(0, runs.model(model_id).log(heartbeat.job_id))
    return next((str(path) for path in wanted if path.exists()), None)


def in_study(model_id: str, settings: Settings, registry: Registry) -> bool:
    """Whether the model belongs to the study proper: `[study] models`, else what the registry says."""
    if settings.study.models:
        return model_id in settings.study.models
    spec = registry.find(model_id)
    return spec is None or spec.in_study


def database_signature(settings: Settings) -> Mapping[str, tuple[int, int]] | None:
    """Changes whenever the database's files do; None for a server."""
    path = settings.database.path
    if path is None:
        return None
    found = {}
    for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-journal")):
        try:
            there = name.stat()
        except OSError:
            continue
        found[name.name] = (there.st_mtime_ns, there.st_size)
    return found
