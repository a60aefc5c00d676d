"""The next request of a model and a reason for each of its numbers. Pure: the same inputs give the same advice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evsctl.jobs import cards
from evsctl.jobs.attempts import DEADLINE, GPU_OOM, HOST_OOM, NODE_FAILURE, Attempt, TrustedRate, request_to_json
from evsctl.jobs.facts import ClusterFacts
from evsctl.jobs.types import CANCELLED, DONE, FAILED, OOM, PREEMPTED, TIMEOUT, UNKNOWN, Advice, JobRequest
from evsctl.models.spec import ModelSpec
from evsctl.settings import Settings

MARGIN = 1.2
HALF_HOUR = 30
EXCLUDE_SECONDS = 24 * 3600.0
LOAD_GB_PER_SECOND = 0.2
"""Weights read from a busy shared file system, where nothing was measured."""


@dataclass(slots=True)
class Draft:
    """A request under construction."""

    spec: ModelSpec
    pending: int
    cluster: ClusterFacts
    settings: Settings
    rate: TrustedRate | None
    now: float
    request: JobRequest
    reasons: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    stop: str | None = None

    def set(self, name: str, value: object, reason: str) -> None:
        """Put a number in place with its reason."""
        changed: dict[str, Any] = {name: value}
        self.request = replace(self.request, **changed)
        self.reasons[name] = reason


def advise(
    spec: ModelSpec,
    attempts: Sequence[Attempt],
    pending: int,
    cluster: ClusterFacts,
    settings: Settings,
    rate: TrustedRate | None = None,
    now: float = 0.0,
) -> Advice:
    """What to ask for next, from the model (in the dtype it will run), its attempts (oldest first) and the cluster.

    `now` is seconds since the epoch: a node that failed is left out for a day.
    """
    draft = Draft(spec, pending, cluster, settings, rate, now, _first_request(spec, settings))
    last = attempts[-1] if attempts else None
    if last is None:
        _explain_first(draft)
    else:
        _start_from(draft, last)
        _REACTIONS.get(_kind(last), _again)(draft, last)
    _exclude_failed_nodes(draft, attempts)
    _respect_limits(draft)
    draft.stop = draft.stop or _reason_to_stop(draft, attempts)
    draft.warnings += cards.warnings(spec, draft.request, settings.gpus)
    return Advice(
        request=draft.request,
        reasons=draft.reasons,
        warnings=tuple(draft.warnings),
        stop=draft.stop,
        inputs=_inputs(draft, last, len(attempts)),
        alternative=cards.alternative(spec, draft.request, cluster, settings.gpus),
    )


def _first_request(spec: ModelSpec, settings: Settings) -> JobRequest:
    site = settings.cluster
    return JobRequest(
        memory_gb=spec.memory_gb,
        walltime_minutes=spec.walltime_minutes,
        gpus=spec.gpus,
        constraint=spec.constraint,
        partition=site.partition or None,
        account=site.account or None,
        qos=site.qos or None,
        cpus=site.cpus,
        extra=site.extra_sbatch,
    )


def _explain_first(draft: Draft) -> None:
    for name in ("memory_gb", "walltime_minutes", "gpus", "constraint"):
        draft.reasons[name] = "first time: the registry's figure"


def _start_from(draft: Draft, last: Attempt) -> None:
    """Begin with what was asked last time; partition, account and the like follow the settings of today."""
    asked = last.request
    memory = asked.memory_gb or draft.request.memory_gb
    used = f"; its peak was {last.max_rss_gb:.1f}G" if last.max_rss_gb else ""
    draft.set("memory_gb", memory, f"as last time{used}")
    draft.set("walltime_minutes", asked.walltime_minutes or draft.request.walltime_minutes, "as last time")
    draft.set("gpus", asked.gpus, "as last time")
    draft.set("constraint", asked.constraint, "as last time")


def _kind(last: Attempt) -> str:
    if last.cause in (HOST_OOM, GPU_OOM, NODE_FAILURE, DEADLINE):
        return last.cause
    return last.state


def _again(draft: Draft, last: Attempt) -> None:
    """The rest of the work, with time from the rate where it is trusted."""
    _set_time(draft, f"job {last.job_id} left {draft.pending:,} prompts")


def _same_again(draft: Draft, last: Attempt) -> None:
    for name in ("memory_gb", "walltime_minutes"):
        draft.reasons[name] = f"the same again: job {last.job_id} was preempted, not at fault"


def _after_host_oom(draft: Draft, last: Attempt) -> None:
    asked = draft.request.memory_gb
    draft.set("memory_gb", 2 * asked, f"job {last.job_id} ran out of memory at {asked}G: twice that")
    _set_time(draft, f"{draft.pending:,} prompts left")


def _after_gpu_oom(draft: Draft, last: Attempt) -> None:
    draft.reasons["memory_gb"] = "as last time: the GPU's memory ran out, not the host's"
    larger = cards.larger_constraint(draft.request, last.gpu, draft.cluster, draft.settings.gpus)
    if larger is not None:
        draft.set(
            "constraint", larger, f"job {last.job_id} ran out of GPU memory on {last.gpu or 'the smallest card allowed'}: only larger cards"
        )
    else:
        draft.warnings.append("No larger card is known here: the engine halves its packs by itself when GPU memory runs out.")
    _set_time(draft, f"{draft.pending:,} prompts left")


def _after_timeout(draft: Draft, last: Attempt) -> None:
    _set_time(draft, f"job {last.job_id} reached its limit with {draft.pending:,} prompts left")


def _after_node_failure(draft: Draft, last: Attempt) -> None:
    for name in ("memory_gb", "walltime_minutes"):
        draft.reasons[name] = f"the same again: node {last.nodes or 'of the job'} failed"


_REACTIONS = {
    HOST_OOM: _after_host_oom,
    OOM: _after_host_oom,
    GPU_OOM: _after_gpu_oom,
    TIMEOUT: _after_timeout,
    NODE_FAILURE: _after_node_failure,
    PREEMPTED: _same_again,
}


def _set_time(draft: Draft, why: str) -> None:
    """remaining ÷ rate × 1.2 + load, up to the next half hour; without a trusted rate the time stays."""
    rate = draft.rate
    if rate is None or rate.prompts_per_second <= 0:
        draft.reasons["walltime_minutes"] = f"{why}; no speed is trusted yet, so the time stays"
        return
    load = rate.load_seconds if rate.load_seconds is not None else (draft.spec.weights_gb() or 0.0) / LOAD_GB_PER_SECOND
    minutes = math.ceil((draft.pending / rate.prompts_per_second * MARGIN + load) / 60 / HALF_HOUR) * HALF_HOUR
    sum_ = f"{draft.pending:,} ÷ {rate.prompts_per_second:.3g}/s × {MARGIN:g} + {load / 60:.0f} min to load"
    draft.set("walltime_minutes", max(HALF_HOUR, minutes), f"{why}: {sum_}, up to the next half hour")


def _exclude_failed_nodes(draft: Draft, attempts: Sequence[Attempt]) -> None:
    recent = [a for a in attempts if a.cause == NODE_FAILURE and a.nodes and (a.ended_at or 0.0) > draft.now - EXCLUDE_SECONDS]
    if recent:
        names = tuple(dict.fromkeys(a.nodes for a in recent))
        draft.set("exclude", names, f"failed under job {', '.join(a.job_id for a in recent)} within the last day")


def _respect_limits(draft: Draft) -> None:
    """Nothing beyond the node, the partition, or the user's caps."""
    request, caps = draft.request, draft.settings.cluster.caps
    memory = draft.cluster.memory_limit_gb(request.partition, request.constraint)
    _cap(draft, "memory_gb", [(memory, "the largest node has {}G"), (caps.memory_gb, "your cap is {}G")])
    minutes = draft.cluster.time_limit_minutes(request.partition)
    needed = request.walltime_minutes
    _cap(draft, "walltime_minutes", [(minutes, "the partition allows {} min"), (caps.walltime_minutes, "your cap is {} min")])
    if draft.request.walltime_minutes < needed:
        chunks = math.ceil(needed / draft.request.walltime_minutes)
        draft.reasons["walltime_minutes"] += f"; it takes about {chunks} jobs one after the other"
    _cap(draft, "gpus", [(caps.gpus, "your cap is {}")])


def _cap(draft: Draft, name: str, limits: Sequence[tuple[int | None, str]]) -> None:
    for limit, words in limits:
        if limit and getattr(draft.request, name) > limit:
            draft.set(name, limit, f"{draft.reasons.get(name, '')}; {words.format(limit)}")


def _reason_to_stop(draft: Draft, attempts: Sequence[Attempt]) -> str | None:
    """Why a person should look first, before anything is submitted by itself."""
    caps = draft.settings.cluster.caps
    if caps.attempts and len(attempts) >= caps.attempts:
        return f"{len(attempts)} attempts were made; your cap is {caps.attempts}"
    hours = draft.request.gpus * draft.request.walltime_minutes / 60
    if caps.gpu_hours and hours > caps.gpu_hours:
        return f"it would ask for {hours:g} GPU-hours; your cap is {caps.gpu_hours:g}"
    if not attempts:
        return None
    last = attempts[-1]
    before = attempts[-2] if len(attempts) > 1 else None
    if last.state == CANCELLED:
        return (
            f"job {last.job_id} was cancelled{'' if last.cancelled_by_user else ' by someone else'}: submit it again by hand when you want"
        )
    if last.state == PREEMPTED and not last.is_final:
        return f"job {last.job_id} was preempted, and SLURM may requeue it yet"
    if last.state == UNKNOWN:
        return f"it is not known what became of job {last.job_id}"
    if last.cause == DEADLINE:
        return f"job {last.job_id} could not meet its deadline"
    if last.fingerprint is not None and before is not None and before.fingerprint == last.fingerprint:
        return f"the same failure twice (jobs {before.job_id}, {last.job_id}): {last.detail or last.fingerprint}"
    if last.new_rows == 0 and last.state in (DONE, TIMEOUT, FAILED) and last.cause != NODE_FAILURE:
        return f"job {last.job_id} ended without a new answer: {last.detail or last.state}"
    if last.cause == HOST_OOM and draft.request.memory_gb <= last.request.memory_gb:
        return f"job {last.job_id} ran out of memory, and there is no more to ask for"
    return None


def _inputs(draft: Draft, last: Attempt | None, attempts: int) -> dict[str, object]:
    rate = draft.rate
    return {
        "pending": draft.pending,
        "dtype": draft.spec.dtype,
        "weights_gb": draft.spec.weights_gb(),
        "attempts": attempts,
        "rate": None
        if rate is None
        else {"prompts_per_second": rate.prompts_per_second, "prompts": rate.prompts, "gpu": rate.gpu, "executor": rate.executor},
        "last": None
        if last is None
        else {"job_id": last.job_id, "state": last.state, "fingerprint": last.fingerprint, "request": request_to_json(last.request)},
    }
