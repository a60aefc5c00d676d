"""The plan of one submission: everything that would be asked, written and run, and why. Making it writes nothing."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evsctl.db.connection import Database
from evsctl.db.ledger import StoredOutcome, Submission, list_submissions, outcomes
from evsctl.errors import InputError, SlurmError
from evsctl.jobs.advice import advise
from evsctl.jobs.attempts import Attempt, request_from_json
from evsctl.jobs.evidence import heartbeat_of, trusted_rate
from evsctl.jobs.manifests import PreparedManifest, prepare_manifest
from evsctl.jobs.overrides import NO_OVERRIDES, RequestOverrides
from evsctl.jobs.script import render_script
from evsctl.jobs.states import CANCELLED_BY_USER
from evsctl.jobs.surroundings import Surroundings as Surroundings
from evsctl.jobs.surroundings import look_around as look_around
from evsctl.jobs.types import ACTIVE_STATES, Advice, JobOutcome, JobPort, JobRequest, JobSpec
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.manifest import Manifest
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.models.registry import Registry
from evsctl.settings import Settings

DEFAULT_DTYPE = "bf16"


@dataclass(frozen=True)
class SubmissionPlan:
    """A submission ready to be looked at, edited, and made."""

    model_id: str
    attempt: int
    pending: int
    advice: Advice
    previous: JobRequest | None
    dtype: str
    spec: JobSpec
    argv: list[str]
    """Exactly what `submit_plan` runs."""
    script_text: str
    prepared: PreparedManifest
    backend: str
    problems: tuple[str, ...] = ()
    """Why it cannot be submitted; empty where it can."""

    @property
    def request(self) -> JobRequest:
        """What will be asked for."""
        return self.spec.request

    @property
    def manifest(self) -> Manifest:
        """What the job will answer."""
        return self.prepared.manifest

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is, or will be."""
        return self.prepared.path

    @property
    def identity(self) -> ModelIdentity:
        """What it will be answered with."""
        return self.prepared.identity


def plan_submission(
    db: Database,
    settings: Settings,
    registry: Registry,
    port: JobPort,
    model_id: str,
    *,
    configs: Sequence[str] | None = None,
    langs: Sequence[str] | None = None,
    overrides: RequestOverrides = NO_OVERRIDES,
    dtype: str | None = None,
    model_path: str | None = None,
    new_id: str | None = None,
    hypothetical: bool = False,
    surroundings: Surroundings | None = None,
) -> SubmissionPlan:
    """Plan the next job of a model; writes nothing.

    What stands in the way is in `problems` where the plan is `hypothetical` (a dry run, a screen), and raises InputError where it
    is meant. A batch system that does not answer is a warning of the former and a SlurmError of the latter. `surroundings` spares
    further questions to SLURM when many models are planned.
    """
    prepared = prepare_manifest(
        db, settings, registry, model_id, configs=configs, langs=langs, dtype=dtype, model_path=model_path, new_id=new_id
    )
    around = surroundings if surroundings is not None else look_around(db, settings, port)
    if around.error is not None and not hypothetical:
        raise SlurmError(around.error)
    runs = RunsFolder(settings.database.runs_dir)
    submissions = list_submissions(db, prepared.spec.model_id)
    attempts = _attempts(db, submissions, around, runs)
    advice = _advice(settings, port, prepared, attempts, around, overrides)
    attempt = max((s.attempt for s in submissions), default=0) + 1
    spec = _job_spec(settings, runs.model(prepared.spec.model_id), advice.request, attempt, prepared)
    problems = tuple(_problems(prepared, around, spec, attempts))
    if problems and not hypothetical:
        raise InputError(" ".join(problems))
    return SubmissionPlan(
        model_id=prepared.spec.model_id,
        attempt=attempt,
        pending=prepared.pending,
        advice=advice,
        previous=attempts[-1].request if attempts else None,
        dtype=prepared.identity.dtype,
        spec=spec,
        argv=port.command(spec),
        script_text=_script(settings, prepared, model_path),
        prepared=prepared,
        backend=port.name,
        problems=problems,
    )


def _attempts(db: Database, submissions: Sequence[Submission], around: Surroundings, runs: RunsFolder) -> tuple[Attempt, ...]:
    stored = outcomes(db)
    return tuple(read_attempt(s, around.outcomes.get(s.job_id), stored.get((s.backend, s.job_id)), runs) for s in submissions)


def _advice(
    settings: Settings,
    port: JobPort,
    prepared: PreparedManifest,
    attempts: Sequence[Attempt],
    around: Surroundings,
    overrides: RequestOverrides,
) -> Advice:
    rate = trusted_rate(RunsFolder(settings.database.runs_dir).model(prepared.spec.model_id))
    advice = advise(prepared.spec, attempts, prepared.pending, around.facts, settings, rate, time.time())
    if around.error is not None:
        unknown = f"{around.error} Limits of the cluster, and whether the model has a job, are not known."
        advice = replace(advice, warnings=(*advice.warnings, unknown))
    return _with_overrides(_for_backend(advice, port), overrides)


def job_name(settings: Settings, model_id: str) -> str:
    """`evs-<study>-<model>`: SLURM's singleton key, and how a lost job is found again."""
    return re.sub(r"[^\w.+-]", "_", f"evs-{settings.study.name}-{model_id}")


def read_attempt(submission: Submission, outcome: JobOutcome | None, stored: StoredOutcome | None, runs: RunsFolder) -> Attempt:
    """A submission and its outcome as the advice needs them."""
    heartbeat = heartbeat_of(runs, submission)
    known = outcome or JobOutcome(submission.job_id, stored.state if stored else "unknown")
    counted = stored is not None and stored.rows_after is not None and stored.rows_before is not None
    return Attempt(
        job_id=submission.job_id,
        request=request_from_json(submission.request),
        state=known.state,
        detail=known.detail,
        fingerprint=known.fingerprint,
        exit_code=known.exit_code,
        new_rows=(stored.rows_after or 0) - (stored.rows_before or 0) if stored is not None and counted else None,
        max_rss_gb=known.max_rss_gb,
        elapsed_seconds=known.elapsed_seconds,
        ended_at=known.end_time,
        nodes=known.nodes,
        gpu=heartbeat.gpu if heartbeat is not None else None,
        cancelled_by_user=known.detail == CANCELLED_BY_USER,
        is_final=known.is_final,
    )


def _for_backend(advice: Advice, port: JobPort) -> Advice:
    """On this machine nobody waits for the card and nothing is asked for: no time limit unless one is given."""
    if port.name != "local":
        return advice
    request = replace(advice.request, walltime_minutes=0, exclude=(), extra=())
    reasons = {"walltime_minutes": "no limit on this machine", "memory_gb": "not enforced on this machine"}
    return replace(advice, request=request, reasons=reasons, warnings=(), alternative=None)


def _with_overrides(advice: Advice, overrides: RequestOverrides) -> Advice:
    reasons = {**advice.reasons, **{name: f"given by hand (advice: {getattr(advice.request, name)})" for name in overrides.given}}
    return replace(advice, request=overrides.apply(advice.request), reasons=reasons)


def _job_spec(settings: Settings, runs: ModelRuns, request: JobRequest, attempt: int, prepared: PreparedManifest) -> JobSpec:
    dtype = prepared.identity.dtype
    return JobSpec(
        name=job_name(settings, runs.model_id),
        model_ids=(runs.model_id,),
        request=request,
        script=runs.script(f"attempt-{attempt}"),
        log_pattern=str(runs.log("\0")).replace("%", "%%").replace("\0", "%j"),
        working_directory=settings.folder,
        arguments=() if dtype == DEFAULT_DTYPE else ("--dtype", dtype),
    )


def _script(settings: Settings, prepared: PreparedManifest, model_path: str | None) -> str:
    templates = settings.study.templates
    return render_script(
        model_id=prepared.spec.model_id,
        manifest=prepared.path,
        folder=settings.folder,
        model_path=model_path or prepared.spec.path,
        env=settings.job.env,
        prelude=settings.job.prelude,
        templates=settings.folder / templates if templates else None,
    )


def _problems(prepared: PreparedManifest, around: Surroundings, spec: JobSpec, attempts: Sequence[Attempt]) -> list[str]:
    model_id = prepared.spec.model_id
    found = []
    if prepared.total == 0:
        found.append(f"The survey has no prompts for '{model_id}' in {', '.join(prepared.manifest.configs)}.")
    elif prepared.pending == 0:
        found.append(f"'{model_id}' is done: all {prepared.total:,} prompts are answered.")
    if prepared.conflict is not None:
        found.append(f"{prepared.conflict} `--as NEW_ID` keeps the two apart.")
    active = [row.job_id for row in around.queue if row.name == spec.name] or [a.job_id for a in attempts if a.state in ACTIVE_STATES]
    if active:
        found.append(f"'{model_id}' has a job already: {active[-1]}. `evsctl cancel {active[-1]}` ends it.")
    if "\\" in spec.log_pattern:
        found.append(f"SLURM cannot write a log to a path with a backslash: {spec.log_pattern}.")
    return found
