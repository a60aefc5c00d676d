"""One model's row, joined from database, heartbeat, ledger and job states; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evsctl.db.ledger import Submission
from evsctl.db.progress import ModelProgress
from evsctl.jobs.attempts import request_from_json
from evsctl.jobs.types import (
    ACTIVE_STATES,
    CANCELLED,
    COMPLETING,
    DONE,
    FAILED,
    IDLE,
    PENDING,
    RUNNING,
    TIMEOUT,
    UNKNOWN,
    Advice,
    JobOutcome,
)
from evsctl.journal.claim import STILL_SECONDS
from evsctl.journal.heartbeat import Heartbeat
from evsctl.status.snapshot import AttemptRow, ModelRow
from evsctl.status.words import Situation, needs_attention, next_action

FRESH_SECONDS = 2 * STILL_SECONDS
"""A heartbeat younger than this speaks for its run even where the batch system does not."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one model."""

    progress: ModelProgress
    in_study: bool = True
    heartbeat: Heartbeat | None = None
    submissions: tuple[Submission, ...] = ()
    """Oldest first."""
    outcomes: Mapping[str, JobOutcome] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    """SLURM's pending reason by job id."""
    last_seen: Mapping[str, float] = field(default_factory=dict)
    """When a job was last seen in the queue."""
    log_path: str | None = None
    advice: Advice | None = None
    slurm_reachable: bool = True
    is_asked: bool = True
    """False until SLURM was asked for the first time."""


def join_model(facts: Evidence, now: float) -> ModelRow:
    """The model's row at the time `now`."""
    job = _leading_job(facts)
    outcome = facts.outcomes.get(job.job_id) if job else None
    live = facts.heartbeat if _speaks(facts, now) else None
    progress = facts.progress
    done = max(progress.done, min(live.model_done, progress.total)) if live else progress.done
    state = _state(facts, outcome, live, done)
    situation = _situation(facts, job, outcome, live, state, done, now)
    beat = facts.heartbeat if job is None or (facts.heartbeat and facts.heartbeat.job_id == job.job_id) else None
    return ModelRow(
        model_id=progress.model_id,
        hub_id=progress.hub_id,
        family=progress.family,
        total=progress.total,
        done=done,
        failed=max(progress.failed, live.failed) if live else progress.failed,
        rate_per_s=live.prompts_per_second if live else None,
        eta_s=situation.eta_s,
        state=state,
        detail=_detail(outcome, live, state),
        job_id=(live.job_id if live and live.job_id else job.job_id if job else None),
        attempt=job.attempt if job else 0,
        next_action=next_action(situation, now),
        needs_attention=needs_attention(situation),
        in_study=facts.in_study,
        p_valid_mean=situation.p_valid,
        nodes=(outcome.nodes if outcome and outcome.nodes else live.host if live else ""),
        log_path=facts.log_path,
        time_left_seconds=situation.time_left_s,
        gpu=beat.gpu if beat else None,
        heartbeat_age_seconds=live.age_seconds(now) if live else None,
        attempts=tuple(_attempt(item, facts.outcomes.get(item.job_id)) for item in facts.submissions),
        phase=live.phase if live else "",
        dtype=progress.dtype,
        elapsed_seconds=_elapsed(outcome, live, now),
        peak_memory_gb=_largest(outcome.max_rss_gb if outcome else None, beat.peak_host_memory_gb if beat else None),
        peak_gpu_memory_gb=beat.peak_gpu_memory_gb if beat else None,
        last_error=beat.last_error if beat else None,
    )


def _leading_job(facts: Evidence) -> Submission | None:
    """The newest job that is still in the queue, else the newest of all."""
    for item in reversed(facts.submissions):
        outcome = facts.outcomes.get(item.job_id)
        if outcome is not None and outcome.state in ACTIVE_STATES:
            return item
    return facts.submissions[-1] if facts.submissions else None


def _speaks(facts: Evidence, now: float) -> bool:
    """Whether the heartbeat is that of a run still under way."""
    beat = facts.heartbeat
    if beat is None or not beat.is_active:
        return False
    outcome = facts.outcomes.get(beat.job_id or _local_job(facts, beat))
    if outcome is not None and outcome.state in (RUNNING, COMPLETING):
        return True
    if outcome is not None and not beat.job_id and outcome.state in (FAILED, CANCELLED, TIMEOUT):
        return False  # this machine knows for certain that its job is gone
    if outcome is not None and (outcome.is_final or outcome.state == PENDING):
        return False
    return beat.age_seconds(now) < FRESH_SECONDS


def _local_job(facts: Evidence, beat: Heartbeat) -> str:
    """The job on this machine whose run wrote a heartbeat without a job id: the newest handed in before the run began."""
    mine = [item for item in facts.submissions if item.backend == "local" and item.submitted_at <= beat.started_at + 1]
    return mine[-1].job_id if mine else ""


def _state(facts: Evidence, outcome: JobOutcome | None, live: Heartbeat | None, done: int) -> str:
    progress = facts.progress
    if outcome is not None and outcome.state in ACTIVE_STATES:
        return COMPLETING if outcome.state == RUNNING and 0 < progress.total <= done else outcome.state
    if live is not None:
        return RUNNING
    if progress.total > 0 and progress.done >= progress.total:
        return DONE
    if outcome is None:
        return UNKNOWN if facts.submissions else IDLE
    # A job that ended well with prompts missing leaves a model that waits for the next one.
    return IDLE if outcome.state == DONE else outcome.state


def _situation(
    facts: Evidence, job: Submission | None, outcome: JobOutcome | None, live: Heartbeat | None, state: str, done: int, now: float
) -> Situation:
    beat_age = live.age_seconds(now) if live else None
    return Situation(
        state=state,
        done=done,
        total=facts.progress.total,
        in_study=facts.in_study,
        p_valid=live.p_valid_mean if live and live.p_valid_mean is not None else facts.progress.p_valid_mean,
        eta_s=_eta(facts.progress.total - done, live, now),
        time_left_s=_time_left(outcome, now) if outcome and outcome.state == RUNNING else None,
        silent_s=beat_age if beat_age is not None and beat_age > FRESH_SECONDS else None,
        unknown_s=_unknown_for(facts, job, now) if state == UNKNOWN else 0.0,
        pending_reason=facts.reasons.get(job.job_id, "") if job else "",
        start_estimate=outcome.start_time if outcome else None,
        is_final=outcome.is_final if outcome else True,
        slurm_reachable=facts.slurm_reachable,
        is_asked=facts.is_asked,
        attempts=len(facts.submissions),
        advice=facts.advice,
        previous=request_from_json(facts.submissions[-1].request) if facts.submissions else None,
    )


def _eta(missing: int, live: Heartbeat | None, now: float) -> float | None:
    if live is None:
        return None
    if live.eta_seconds is not None:
        return max(0.0, live.eta_seconds - live.age_seconds(now))
    return missing / live.prompts_per_second if live.prompts_per_second else None


def _time_left(outcome: JobOutcome, now: float) -> float | None:
    if outcome.time_limit_seconds is None:
        return None
    elapsed = now - outcome.start_time if outcome.start_time is not None else outcome.elapsed_seconds
    return max(0.0, outcome.time_limit_seconds - elapsed) if elapsed is not None else None


def _elapsed(outcome: JobOutcome | None, live: Heartbeat | None, now: float) -> float | None:
    if outcome is not None and outcome.state == RUNNING and outcome.start_time is not None:
        return max(0.0, now - outcome.start_time)
    if outcome is not None and outcome.elapsed_seconds is not None:
        return outcome.elapsed_seconds
    return max(0.0, now - live.started_at) if live is not None and live.started_at else None


def _unknown_for(facts: Evidence, job: Submission | None, now: float) -> float:
    if job is None:
        return 0.0
    beat = facts.heartbeat
    signs = [job.submitted_at, facts.last_seen.get(job.job_id, 0.0), beat.updated_at if beat and beat.job_id == job.job_id else 0.0]
    return max(0.0, now - max(signs))


def _detail(outcome: JobOutcome | None, live: Heartbeat | None, state: str) -> str:
    if live is not None and live.phase != "running":
        layers = f", layer {live.layer} of {live.layers}" if live.layer is not None and live.layers else ""
        return f"{live.phase}{layers}"
    if state == DONE or outcome is None:
        return ""
    return outcome.detail


def _attempt(item: Submission, outcome: JobOutcome | None) -> AttemptRow:
    request = request_from_json(item.request)
    return AttemptRow(
        attempt=item.attempt,
        job_id=item.job_id,
        backend=item.backend,
        state=outcome.state if outcome else UNKNOWN,
        detail=outcome.detail if outcome else "",
        submitted_at=item.submitted_at,
        memory_gb=request.memory_gb,
        walltime_minutes=request.walltime_minutes,
        constraint=request.constraint,
        elapsed_seconds=outcome.elapsed_seconds if outcome else None,
        max_rss_gb=outcome.max_rss_gb if outcome else None,
        nodes=outcome.nodes if outcome else "",
        log_path=item.log_path,
        gpus=request.gpus,
    )


def _largest(*values: float | None) -> float | None:
    return max((value for value in values if value is not None), default=None)
